"""Holds: somebody works on a service and wants the supervisor's hands off it for a while.

While a service is held, nothing happens to it that no person asked for just now: no restart after an end, none by a
watchdog or a failed check, no scheduled run, no start because somebody needs it, no going down with a dependency.
What runs goes on running, what is down stays down. A command is refused unless it says that it knows (`force`);
those that were accepted before the hold are carried out. What the policy wanted in the meantime is done when the hold
ends. A shutdown of the daemon ends every hold of its lives; the next boot finds them again.
"""

from __future__ import annotations

from amonsup.supervisor.core import ordering
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import RememberHold
from amonsup.supervisor.model.moments import utc
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import Hold, ServiceState, Task

BY_ITSELF = "boot"
"""Who is behind a start that no person commanded."""


def words(hold: Hold) -> str:
    """For status, refusals and events."""
    return f"held by {hold.by} until {utc(hold.until)}" + (f": {hold.why}" if hold.why else "")


def refusal(state: ServiceState, task: Task) -> str:
    """Why a command is not taken; empty: it is."""
    if state.hold is None or task.force or task.by == BY_ITSELF:
        return ""
    return f"{words(state.hold)}; release it first, or --force"


def keeps_down(state: ServiceState) -> bool:
    """Whether a hold stands against a start: not if a person's command, taken all the same, is behind it."""
    if state.hold is None:
        return False
    head = state.queue[0] if state.queue else None
    return head is None or not head.begun or head.verb == "stop" or head.by == BY_ITSELF


def on_held(turn: Turn, state: ServiceState, event: ev.Held) -> None:
    """From now on; a hold that stood already is replaced."""
    state.hold = event.hold
    turn.note(state, "held", words(event.hold), event.hold.by)
    turn.effects.append(RememberHold(name=state.name, hold=event.hold))
    turn.set_alarm(state)
    turn.follow_ups.append(ev.Reconsidered(name=state.name))  # whoever waits says from now on what for


def on_released(turn: Turn, state: ServiceState, event: ev.Released) -> None:
    if state.hold is not None:
        turn.note(state, "released", "", event.by)
        end(turn, state)


def end_if_over(turn: Turn, state: ServiceState, wall: float) -> None:
    """By the wall clock."""
    if state.hold is not None and state.hold.until <= wall:
        turn.note(state, "hold-ended", f"it was {words(state.hold)}")
        end(turn, state)


def tell_dependants(turn: Turn, state: ServiceState) -> None:
    """It was left alone half-way up: every start that waits for it, at whatever distance, is in vain as it is now."""
    names = list(turn.world.dependants.get(state.name, ()))
    for name in names:  # grows as it goes
        names.extend(other for other in turn.world.dependants.get(name, ()) if other not in names)
    turn.follow_ups.extend(ev.Reconsidered(name=name) for name in names)


def end(turn: Turn, state: ServiceState) -> None:
    """What was not done meanwhile is done now, by whoever looks at the service again."""
    state.hold = None
    turn.effects.append(RememberHold(name=state.name, hold=None))
    turn.set_alarm(state)
    spec = turn.spec(state)
    if state.phase is Phase.RUNNING and spec.watchdog_s > 0:
        turn.set_timer(state, spec.watchdog_s)  # it may have been stopped in a debugger: a full turn from now
    elif ordering.has_missed_its_deadline(spec, state):
        turn.set_timer(state, spec.start_timeout_s)
    turn.follow_ups.append(ev.Reconsidered(name=state.name))
