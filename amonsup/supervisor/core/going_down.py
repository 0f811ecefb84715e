"""Rules of the way down: the main process ended, and then nothing of the life was left.

What follows a life was decided when its end began and stands in `goal`: a stop that was commanded stays a stop
whatever the exit status is, and only an end that nobody ordered asks the restart policy.
"""

from __future__ import annotations

import msgspec

from amonsup.supervisor.core import ascent, commands, descent, restart
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import GOING_DOWN, Desired, Goal, Phase
from amonsup.supervisor.model.records import KEPT_EXITS, KEPT_RUNS, ExitReport, ServiceState


def on_exited(turn: Turn, state: ServiceState, event: ev.Exited) -> None:
    """The main process is gone. Whatever the reason, the rest of the life is swept before anything else."""
    if event.generation != state.generation or event.pid != state.pid:
        return
    report, spec = event.report, turn.spec(state)
    phase = state.phase
    state.pid, state.start_ticks = 0, 0
    if phase in GOING_DOWN:
        report = msgspec.structs.replace(report, reason=f"{report.reason} ({state.why})", by=state.by)
        keep_exit(state, report)
        turn.note(state, "exited", report.reason, state.by)
        descent.clean(turn, state)
        return
    succeeded = restart.is_success(spec, report)
    keep_exit(state, report)
    turn.note(state, "exited", report.reason)
    again = restart.wants_another(spec, succeeded)
    state.goal = Goal.RETRY if again else Goal.DONE if succeeded else Goal.STAY
    if phase is Phase.STARTING and (again or not succeeded):
        commands.fail_starts(turn, state, f"{report.reason} after {report.uptime_s:.3g} s")
    turn.enter(state, Phase.CLEANING, report.reason)
    descent.sweep(turn, state, gentle=False)


def on_exited_in_quarantine(turn: Turn, state: ServiceState, event: ev.Exited) -> None:
    """Hands off, but do not believe that a dead process lives."""
    if event.generation == state.generation and event.pid == state.pid:
        state.pid, state.start_ticks = 0, 0


def on_swept(turn: Turn, state: ServiceState, event: ev.Swept) -> None:
    if event.generation != state.generation:
        return
    if event.strays:
        names = ", ".join(f"{s.pid} {s.command}" for s in event.strays[:5])
        more = f" and {len(event.strays) - 5} more" if len(event.strays) > 5 else ""
        turn.note(state, "swept", f"{len(event.strays)} left behind: {names}{more}")
        if state.exits and state.exits[-1].generation == event.generation:
            state.exits = (
                *state.exits[:-1],
                msgspec.structs.replace(state.exits[-1], strays=event.strays[:20]),
            )
    _after_life(turn, state)
    commands.advance(turn, state)


def _after_life(turn: Turn, state: ServiceState) -> None:
    """Nothing is left of the life: do what was decided on the way down."""
    goal, why = state.goal, state.why
    state.by = "" if goal is Goal.RETRY else state.by
    if goal in (Goal.AGAIN, Goal.WAIT):
        ascent.try_start(turn, state)
    elif goal is Goal.RETRY:
        ascent.retry(turn, state, why)
    elif goal is Goal.DONE or (goal is Goal.STAY and state.desired is Desired.UP):
        state.desired = Desired.DOWN
        turn.enter(state, Phase.EXITED, why)
    else:
        turn.enter(state, Phase.STOPPED, why)
        turn.note(state, "stopped", why, state.by)


def keep_exit(state: ServiceState, report: ExitReport) -> None:
    state.exits = (*state.exits, report)[-(KEPT_RUNS if state.calendar else KEPT_EXITS) :]
