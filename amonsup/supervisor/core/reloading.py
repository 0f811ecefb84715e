"""Steps of a reload: the signal or the command, and then, from a service that notifies, the word that it is done.

A reload is the head of the queue while it lasts. It consists of errands in the slot `order` (its preflight, then the
reload itself, by a signal or a command); after them a service of type notify may have said RELOADING=1 and not yet
READY=1 (sd_notify(3)): that is waited for. Whoever says nothing at all within RELOADING_S after a signal is taken to
have reloaded, because many programs that notify their start say nothing of their reloads.

A service that does not run cannot be reloaded, and one that goes down meanwhile has not been.
"""

from __future__ import annotations

from amonsup.config.specs import ServiceType
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model.phases import Phase, public
from amonsup.supervisor.model.records import ServiceState, Task, errand_in

RELOADING_S = 1.0
"""How soon after its signal a service says RELOADING=1 if it says so at all."""

SURVIVES_S = 0.1
"""How long any other service is looked at after its signal: one that does not expect it is gone by then."""


def begin(turn: Turn, state: ServiceState, task: Task) -> None:
    """The preflight, unless it was made or is not wanted (`task.force`); then the reload."""
    if state.phase is Phase.RUNNING:
        has_preflight = bool(turn.spec(state).preflight) and not task.force
        turn.run_errand(state, "preflight" if has_preflight else "reload")


def answer(turn: Turn, state: ServiceState) -> bool:
    """Settle a reload that nothing can come of any more."""
    if state.phase is Phase.RUNNING:
        return False
    why = f": {state.why}" if state.why else ""
    stands = public(state.phase, state.health).value
    turn.settle(state, False, f"it is {stands}{why}; only what is running can be reloaded (amonsup start {state.name})")
    return True


def ended(turn: Turn, state: ServiceState, why: str) -> None:
    """The service has ended under its reload, or of it."""
    if state.queue and state.queue[0].begun and state.queue[0].verb == "reload":
        turn.settle(state, False, f"it ended: {why}")


def is_awaited(state: ServiceState) -> bool:
    """Whether the errands of a reload are made, and only the service's word is missing."""
    head = state.queue[0] if state.queue else None
    return head is not None and head.begun and head.verb == "reload" and errand_in(state, "order") is None


def sent(turn: Turn, state: ServiceState, why: str, output: str) -> None:
    """The signal is sent or the command has ended. `why`: of a failure."""
    if state.phase is not Phase.RUNNING or not is_awaited(state):
        return
    spec = turn.spec(state)
    if why:
        turn.note(state, "reload-failed", why)
        turn.settle(state, False, f"reload: {why}" + (f": {output}" if output else ""))
    elif spec.type is ServiceType.NOTIFY and state.is_reloading:
        _await_ready(turn, state)
    elif not spec.reload_command:
        turn.set_deadline(state, "order", RELOADING_S if spec.type is ServiceType.NOTIFY else SURVIVES_S)
    else:
        _done(turn, state)


def heard(turn: Turn, state: ServiceState, *, is_reloading: bool, is_ready: bool) -> None:
    """The running service said RELOADING=1, or READY=1."""
    if is_reloading and not state.is_reloading:
        state.is_reloading = True
        turn.note(state, "reloading")
        if is_awaited(state):
            _await_ready(turn, state)
    elif is_ready and state.is_reloading:
        state.is_reloading = False
        if is_awaited(state):
            _done(turn, state)
        else:
            turn.note(state, "reloaded")


def _await_ready(turn: Turn, state: ServiceState) -> None:
    limit = turn.spec(state).start_timeout_s
    if limit > 0:
        turn.set_deadline(state, "order", limit)
    else:
        turn.clear_deadline(state, "order")


def overdue(turn: Turn, state: ServiceState) -> None:
    """The word did not come."""
    if not is_awaited(state):
        return
    if state.is_reloading:
        turn.settle(state, False, "it said RELOADING=1, and no READY=1 in time (start_timeout)")
    else:
        _done(turn, state)


def _done(turn: Turn, state: ServiceState) -> None:
    turn.clear_deadline(state, "order")
    turn.note(state, "reloaded", "", state.queue[0].by)
    turn.settle(state, True)
