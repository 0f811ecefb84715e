"""Rules of the way up: somebody needs us, a process was born, or was not.

Theory. A service has a *desired* state (up or down: what people, the configuration and dependants want) and an
*actual* phase. A rule looks at both and moves the phase; it never waits. A life goes

    STARTING -> RUNNING -> DRAINING -> STOPPING -> CLEANING

and every life that was begun ends in CLEANING, whatever killed it, because the next life may begin only once nothing
of this one is left. What comes after CLEANING was decided on the way there and stands in `goal`. DRAINING waits for
dependants; a service without live dependants passes through it within the same turn.
"""

from __future__ import annotations

from amonsup.config.specs import ServiceSpec, ServiceType
from amonsup.supervisor.core import ascent, commands, descent, going_down, health, holds, restart
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import Spawn
from amonsup.supervisor.model.phases import GOING_DOWN, Desired, Goal, Phase
from amonsup.supervisor.model.records import ExitReport, ServiceState, errand_in


def on_needed(turn: Turn, state: ServiceState, event: ev.Needed) -> None:
    """A dependant wants us up: only where nobody is at it already, and nothing is final."""
    if state.hold is not None:
        return
    if state.phase is Phase.STOPPED and state.desired is Desired.DOWN and not state.queue:
        state.desired = Desired.UP
        state.by = f"needed by {event.by}"
        turn.remember(state, False)
        ascent.try_start(turn, state, fetches=True)
    elif state.phase is Phase.WAITING:
        ascent.try_start(turn, state, fetches=True)
    elif state.phase is Phase.EXITED and not state.queue:
        state.desired = Desired.UP
        state.by = f"needed by {event.by}"
        ascent.try_start(turn, state, fetches=True)
    elif state.phase in GOING_DOWN and state.desired is Desired.DOWN and state.goal is Goal.STAY and not state.queue:
        state.desired = Desired.UP
        state.goal = Goal.AGAIN


def on_spawned(turn: Turn, state: ServiceState, event: ev.Spawned) -> None:
    if event.generation != state.generation or state.pid:
        return
    spec = turn.spec(state)
    state.pid, state.start_ticks = event.pid, event.start_ticks
    state.digest, state.is_captured = event.digest, event.is_captured
    state.born = turn.now
    turn.note(state, "started", f"pid {event.pid}", state.by)
    if state.phase is not Phase.STARTING:
        return
    if spec.type is ServiceType.SIMPLE:
        if spec.min_uptime_s <= 0:
            is_up(turn, state)
        else:
            turn.set_timer(state, spec.min_uptime_s)
    elif spec.start_timeout_s > 0:
        turn.set_timer(state, spec.start_timeout_s)


def on_spawn_failed(turn: Turn, state: ServiceState, event: ev.SpawnFailed) -> None:
    if event.generation != state.generation:
        return
    if state.phase is not Phase.STARTING:
        descent.clean(turn, state)
        return
    turn.note(state, "spawn-failed", event.reason)
    if event.is_transient:
        state.starts = state.starts[:-1]
        state.is_transient = True
        goal = Goal.RETRY
    else:
        report = ExitReport(generation=state.generation, reason=event.reason, at=turn.now)
        going_down.keep_exit(state, report)
        commands.fail_starts(turn, state, event.reason)
        goal = Goal.RETRY if restart.wants_another(turn.spec(state), succeeded=False) else Goal.GIVE_UP
    _come_to_nothing(turn, state, goal, event.reason)


def is_undone(spec: ServiceSpec) -> bool:
    """Whether a start of which no main process came is cleaned up after all: its post_stop undoes its pre_start."""
    return bool(spec.pre_start and spec.post_stop)


def _come_to_nothing(turn: Turn, state: ServiceState, goal: Goal, why: str) -> None:
    """No main process came of this start."""
    state.goal, state.why = goal, why
    if is_undone(turn.spec(state)):
        turn.enter(state, Phase.CLEANING, why)
        descent.sweep(turn, state, gentle=False)
    else:
        going_down.end_life(turn, state)


def on_unborn(turn: Turn, state: ServiceState, event: ev.Unborn) -> None:
    """The predecessor died between intent and exec: the same start again, at no cost."""
    if event.generation != state.generation or state.pid:
        return
    if state.phase is Phase.STARTING:
        state.starts = state.starts[:-1]
        _come_to_nothing(turn, state, Goal.AGAIN, "")
    else:
        descent.clean(turn, state)


def after_pre_start(turn: Turn, state: ServiceState, why: str) -> None:
    """`why`: of its failure, which is the start's."""
    if state.phase is not Phase.STARTING:
        return
    if why:
        going_down.fail_unborn(turn, state, f"pre_start: {why}")
    else:
        turn.effects.append(Spawn(name=state.name, generation=state.generation))


def after_post_start(turn: Turn, state: ServiceState, why: str) -> None:
    """A service whose post_start fails is stopped, as systemd does it (systemd.service(5), ExecStartPost).

    One that is held is left as it is; when the hold ends its post_start is made again.
    """
    if state.phase is not Phase.STARTING:
        return
    if not why:
        _runs(turn, state)
        return
    why = f"post_start: {why}"
    commands.fail_starts(turn, state, why)
    if state.hold is None:
        descent.fail_life(turn, state, why)
    else:
        turn.note(state, "failed", f"{why}; left alone: {holds.words(state.hold)}")
        holds.tell_dependants(turn, state)


def on_main_found(turn: Turn, state: ServiceState, event: ev.MainFound) -> None:
    if event.generation != state.generation or state.pid or not state.has_forked:
        return
    state.pid, state.start_ticks = event.pid, event.start_ticks
    turn.note(state, "main-pid", str(event.pid))
    if state.phase is Phase.STARTING:
        is_up(turn, state)


def on_main_missing(turn: Turn, state: ServiceState, event: ev.MainMissing) -> None:
    if event.generation == state.generation and not state.pid and state.has_forked:
        going_down.fail_unborn(turn, state, event.reason)


def is_up(turn: Turn, state: ServiceState) -> None:
    """It says, or shows, that it is up; it counts as running once its post_start is done."""
    is_left_alone = state.is_ready and state.hold is not None  # its post_start has failed
    if errand_in(state, "hook") is not None or is_left_alone:
        return
    state.is_ready = True
    if turn.spec(state).post_start:
        turn.clear_timer(state)
        turn.run_errand(state, "post_start")
    else:
        _runs(turn, state)


def _runs(turn: Turn, state: ServiceState) -> None:
    spec = turn.spec(state)
    turn.enter(state, Phase.RUNNING)
    state.was_up = True
    turn.note(state, "running", state.status_text)
    health.begin(turn, state)
    if spec.watchdog_s > 0:
        turn.set_timer(state, spec.watchdog_s)
    commands.advance(turn, state)
