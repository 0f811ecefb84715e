"""The queue of commands at one service: begun in turn, answered by what the phase becomes.

The head of the queue is begun, moves `desired` and `goal`, and is settled when the phase answers it; then the next one
is begun. A stop overrides whatever is still coming up, because nobody who says stop wants to wait for a start;
otherwise tasks take turns.
"""

from __future__ import annotations

import msgspec

from amonsup.supervisor.core import ascent, descent, health, holds, ordering, reloading, runs
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import Forget
from amonsup.supervisor.model.phases import AT_REST, GOING_DOWN, Desired, Goal, Phase
from amonsup.supervisor.model.records import ServiceState, Task, errand_in

UP_VERBS = ("start", "restart")
OVERRIDDEN_VERBS = (*UP_VERBS, "reload")


def on_commanded(turn: Turn, state: ServiceState, event: ev.Commanded) -> None:
    """Queue the task; a stop, or a restart of what is not even starting, overrides what is still coming up."""
    task = event.task
    refusal = holds.refusal(state, task)
    if refusal:
        turn.refuse(state, task, refusal)
        return
    if state.phase is Phase.QUARANTINED:
        _leave_quarantine(turn, state, "released from quarantine by a command")
    for at in reversed(range(len(state.queue))):
        if _overrides(state, task, state.queue[at]):
            turn.settle(state, False, f"overridden by {task.verb} ({task.by})", at=at)
    state.queue = (*state.queue, task)
    advance(turn, state)
    is_patient = not state.is_killed or errand_in(state, "hook") is not None
    if task.kill and state.queue and state.phase in GOING_DOWN and is_patient:
        descent.kill(turn, state)  # who says so now does not want to wait behind a patient stop


def on_reset(turn: Turn, state: ServiceState, event: ev.WasReset) -> None:
    """Past failures are forgotten: what was given up is merely stopped, and a new start begins without a penalty."""
    if state.phase is Phase.QUARANTINED:
        _leave_quarantine(turn, state, f"reset by {event.by}")
    elif state.phase is Phase.FATAL:
        turn.enter(state, Phase.STOPPED, f"reset by {event.by}")
    state.attempt = state.restarts = state.skipped = state.missed = 0
    state.starts, state.exits = (), ()
    turn.note(state, "reset", "", event.by)
    advance(turn, state)


def _leave_quarantine(turn: Turn, state: ServiceState, why: str) -> None:
    for slot in ("hook", "order", "check"):
        turn.kill_errand(state, slot)  # what they were for is not known any more
    turn.drop_errands(state)
    turn.enter(state, Phase.STOPPED if not state.pid else Phase.RUNNING, why)
    state.quarantine = ""
    health.begin(turn, state)
    if state.phase is Phase.RUNNING and turn.spec(state).watchdog_s > 0:
        turn.set_timer(state, turn.spec(state).watchdog_s)
    turn.read_clock(state)


def _overrides(state: ServiceState, task: Task, queued: Task) -> bool:
    if queued.verb not in OVERRIDDEN_VERBS:
        return False
    if task.verb == "stop":
        return True
    return task.verb == "restart" and queued.begun and state.phase in (Phase.WAITING, Phase.BACKOFF)


def advance(turn: Turn, state: ServiceState, *, looks_around: bool = False) -> None:
    """Begin and settle tasks until the head of the queue has to wait, or none is left.

    `looks_around`: also judge whether what a start waits for can still come. Only when everything around has moved,
    otherwise a dependency that is just being fetched would look hopeless.
    """
    while state.queue:
        head = state.queue[0]
        if not head.begun:
            state.queue = (msgspec.structs.replace(head, begun=True), *state.queue[1:])
            _BEGIN[head.verb](turn, state, head)
            looks_around = False
        is_head_still = bool(state.queue) and state.queue[0].operation == head.operation
        if is_head_still and not _answer(turn, state, looks_around=looks_around):
            return


def _begin_start(turn: Turn, state: ServiceState, task: Task) -> None:
    _want_up(turn, state, task.by)
    if state.phase in GOING_DOWN:
        if state.goal is not Goal.REMOVE:
            state.goal = Goal.AGAIN
    elif state.phase in AT_REST or state.phase in (Phase.BACKOFF, Phase.WAITING):
        ascent.try_start(turn, state, fetches=True)


def _begin_stop(turn: Turn, state: ServiceState, task: Task) -> None:
    state.desired = Desired.DOWN
    state.by = task.by
    if not task.forget and not turn.world.is_shutting_down:
        turn.remember(state, True)
        runs.pause(turn, state)
    goal = Goal.REMOVE if task.forget else Goal.STAY
    if state.phase in (Phase.STARTING, Phase.RUNNING) or _is_leaned_on(turn, state):
        descent.go_down(turn, state, goal, f"stopped by {task.by}", takes_dependants=True)
    elif state.phase in GOING_DOWN:
        state.goal = goal
        state.takes_dependants = True
    elif task.forget:
        turn.enter(state, Phase.STOPPED)
        state.goal = Goal.REMOVE
    elif state.phase is not Phase.EXITED or turn.spec(state).schedule:
        turn.enter(state, Phase.STOPPED, f"stopped by {task.by}")
    if task.kill and state.phase in GOING_DOWN:
        descent.kill(turn, state)


def _is_leaned_on(turn: Turn, state: ServiceState) -> bool:
    """Away for the moment, and yet to be stopped in order: somebody lives who needs it."""
    if state.phase not in (Phase.BACKOFF, Phase.WAITING, Phase.FATAL):
        return False
    world = turn.world
    return ordering.is_leaned_on(state.name, world.dependants.get(state.name, ()), world.specs, world.states)


def _begin_restart(turn: Turn, state: ServiceState, task: Task) -> None:
    # Of a life that is not born there is nothing to protect, and it may end without the sweep that ends errands.
    has_life = state.phase in (Phase.STARTING, Phase.RUNNING) and (state.pid > 0 or state.has_forked)
    if has_life and turn.spec(state).preflight and not task.force:
        turn.run_errand(state, "preflight")
    else:
        _restart_now(turn, state, task)


def _restart_now(turn: Turn, state: ServiceState, task: Task) -> None:
    if state.phase in (Phase.STARTING, Phase.RUNNING):
        _want_up(turn, state, task.by)
        descent.go_down(turn, state, Goal.AGAIN, f"restarted by {task.by}", takes_dependants=False)
    else:
        _begin_start(turn, state, task)
    if task.kill and state.phase in GOING_DOWN:
        descent.kill(turn, state)


def is_at_preflight_of_restart(state: ServiceState) -> bool:
    order = errand_in(state, "order")
    return order is not None and order.kind == "preflight" and bool(state.queue) and state.queue[0].verb == "restart"


def after_preflight(turn: Turn, state: ServiceState, event: ev.ErrandEnded, why: str) -> None:
    """The restart or the reload goes on, or has failed and nothing was touched. `why`: of a failure."""
    task = state.queue[0] if state.queue else None
    if task is None or not task.begun or task.verb not in ("restart", "reload"):
        return
    if why:
        why += f": {event.output}" if event.output else ""
        turn.note(state, "preflight-failed", why, task.by)
        turn.settle(state, False, f"preflight: {why} (nothing was touched; --force skips it)")
    elif task.verb == "reload":
        reloading.begin(turn, state, msgspec.structs.replace(task, force=True))
    else:
        _restart_now(turn, state, task)


_BEGIN = {"start": _begin_start, "stop": _begin_stop, "restart": _begin_restart, "reload": reloading.begin}


def _want_up(turn: Turn, state: ServiceState, by: str) -> None:
    """A command clears what earlier failures had counted up."""
    state.desired = Desired.UP
    state.by = by
    state.attempt = 0
    state.starts = ()
    turn.remember(state, False)
    state.is_paused = False
    if turn.spec(state).schedule and not state.calendar:
        turn.read_clock(state)


def _answer(turn: Turn, state: ServiceState, *, looks_around: bool) -> bool:
    """Settle the head of the queue if the phase answers it."""
    task = state.queue[0]
    if task.verb == "stop":
        if state.phase not in AT_REST:
            return False
        turn.settle(state, True, "" if state.phase is Phase.STOPPED else state.why)
        if task.forget and state.phase is Phase.STOPPED:
            turn.effects.append(Forget(name=state.name))
            while state.queue:  # who wanted it stopped, or gone, has it so
                turn.settle(state, state.queue[0].verb == "stop", "it is no longer configured")
        return True
    if task.verb == "reload":
        return reloading.answer(turn, state)
    if errand_in(state, "order") is not None:  # its preflight
        return False
    verdict = _up_verdict(state)
    if verdict is None and state.phase is Phase.WAITING:
        if looks_around:
            verdict = _waiting_verdict(turn, state)
        else:
            turn.unanswered[state.name] = None
    if verdict is None:
        return False
    turn.settle(state, *verdict)
    return True


def _up_verdict(state: ServiceState) -> tuple[bool, str] | None:
    """Whether a start has succeeded or failed; None: not yet."""
    if state.phase is Phase.RUNNING:
        return True, ""
    if state.phase is Phase.EXITED:
        return state.goal is Goal.DONE, state.why
    if state.phase is Phase.BACKOFF:
        return None if state.is_transient else (False, state.why)
    if state.phase in AT_REST or (state.phase is Phase.WAITING and holds.keeps_down(state)):
        return False, state.why or state.phase.value
    return None


def _waiting_verdict(turn: Turn, state: ServiceState) -> tuple[bool, str] | None:
    world = turn.world
    culprit = ordering.hopeless_dependency(state.name, world.specs, world.states)
    if culprit is None:
        return None
    why = culprit.why or (culprit.verdict if culprit.health else "")
    if not why and culprit.hold is not None:
        why = holds.words(culprit.hold)
    stands = culprit.health if culprit.phase is Phase.RUNNING else culprit.phase.value
    return False, f"its dependency {culprit.name} is {stands}" + (f": {why}" if why else "")


def fail_starts(turn: Turn, state: ServiceState, why: str) -> None:
    """A start that was waited for has failed, even if the policy goes on trying."""
    if state.queue and state.queue[0].begun and state.queue[0].verb in UP_VERBS:
        turn.settle(state, False, why)
