"""Runs by the calendar: whether a scheduled service is started now, and if not, what is said about it.

Theory. The calendar knows moments of the wall clock. The engine is told how things stand (`ClockRead`) when the next
moment has come and whenever the clock was set. `dealt` is up to where the calendar was dealt with, `due` the next
moment after it. So no jump of the clock can start a burst: whatever lies between `dealt` and now is one decision.

- A moment that has just come is a run. Those before it were missed; so is everything after a boot or a suspension,
  and with `catch_up` one run makes up for all of it.
- A run never begins beside the one before: it is left out, said and counted. Only a retry is replaced by it.
- The clock was set back by less than SET_BACK_S: what ran already does not run again, unless it comes at least once
  an hour anyhow. Set back further: the calendar begins anew (cron(8) draws the same lines).
"""

from __future__ import annotations

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.core import ascent, holds
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import RememberCalendar
from amonsup.supervisor.model.moments import utc
from amonsup.supervisor.model.phases import LIVE, Desired, Goal, Phase
from amonsup.supervisor.model.records import ServiceState

SET_BACK_S = 3 * 3600.0

MOST_COUNTED = 100
"""Missed runs are not counted further: after a year switched off nobody wants to wait for the exact number."""

BY = "schedule"


def calendar_of(spec: ServiceSpec) -> str:
    """What moments are worked out from; empty: there are none."""
    return f"{spec.schedule} {spec.time_zone}".rstrip() if spec.schedule else ""


def on_clock_read(turn: Turn, state: ServiceState, event: ev.ClockRead) -> None:
    """Whatever the wall clock decides: the end of a hold, the next run."""
    holds.end_if_over(turn, state, event.wall)
    calendar = calendar_of(turn.spec(state))
    if not calendar or state.is_paused:
        disarm(turn, state)
    elif state.calendar != calendar or not state.dealt:
        _arm(turn, state, event)
    elif event.passed:
        _fall_due(turn, state, event)
    elif event.wall < state.dealt:
        _follow_clock_back(turn, state, event)
    else:
        state.due = event.next
    if state.calendar and state.phase is Phase.STOPPED and not state.queue:
        turn.enter(state, Phase.EXITED, "has not run yet")
        state.goal = Goal.STAY
    turn.set_alarm(state)


def pause(turn: Turn, state: ServiceState) -> None:
    """A person stopped it: nothing is started by the calendar until a person starts it."""
    state.is_paused = True
    disarm(turn, state)


def disarm(turn: Turn, state: ServiceState) -> None:
    if state.calendar:
        state.calendar, state.due, state.dealt = "", 0.0, 0.0
        turn.effects.append(RememberCalendar(name=state.name, calendar="", dealt=0.0))
        turn.set_alarm(state)


def _arm(turn: Turn, state: ServiceState, event: ev.ClockRead) -> None:
    state.calendar = event.calendar
    _deal(turn, state, event)
    turn.note(state, "scheduled", f"{event.calendar}; next run {utc(state.due)}")


def _deal(turn: Turn, state: ServiceState, event: ev.ClockRead) -> None:
    """The calendar is dealt with up to now."""
    state.dealt, state.due = event.wall, event.next
    turn.effects.append(RememberCalendar(name=state.name, calendar=state.calendar, dealt=state.dealt))


def _fall_due(turn: Turn, state: ServiceState, event: ev.ClockRead) -> None:
    _deal(turn, state, event)
    missed = event.passed - 1 if event.is_now else event.passed
    catches_up = turn.spec(state).catch_up and not event.is_now
    if missed:
        state.missed += missed
        count = f"{missed}{' or more' if missed >= MOST_COUNTED - 1 else ''} run{'' if missed == 1 else 's'}"
        makes_up = "; made up for now" if catches_up else ""
        turn.note(state, "run-missed", f"{count}, the first of {utc(event.first)}{makes_up}")
    if event.is_now or catches_up:
        _run(turn, state)


def _run(turn: Turn, state: ServiceState) -> None:
    reason = _why_not(turn, state)
    if reason:
        state.skipped += 1
        turn.note(state, "run-skipped", reason)
        return
    state.desired = Desired.UP
    state.by = BY
    state.attempt = 0
    ascent.try_start(turn, state)


def _why_not(turn: Turn, state: ServiceState) -> str:
    """What stands against a run, for people; empty: nothing."""
    if state.hold is not None:
        return holds.words(state.hold)
    if turn.world.is_shutting_down:
        return "the daemon is shutting down"
    if state.phase is Phase.QUARANTINED:
        return "it is in quarantine"
    if state.phase in LIVE:
        return f"the run before it, life {state.generation}, is not over"
    if state.phase is Phase.WAITING:
        return f"the run before it has not begun: {state.why}"
    return "a command is being carried out" if state.queue else ""


def _follow_clock_back(turn: Turn, state: ServiceState, event: ev.ClockRead) -> None:
    """The clock was set back to before what was dealt with."""
    is_repeated = state.dealt - event.wall < SET_BACK_S and not event.is_often
    if is_repeated and event.next <= state.dealt:
        return  # it has run; `due` is the moment after it
    before = state.due
    _deal(turn, state, event)
    if state.due != before:
        turn.note(state, "scheduled", f"the clock was set back; next run {utc(state.due)}")
