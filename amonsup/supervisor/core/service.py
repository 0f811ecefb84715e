"""The rules of one service: what each event does to it.

Theory. A service has a *desired* state (up or down: what people, the configuration and dependants want) and an
*actual* phase. A rule looks at both and moves the phase; it never waits. A life goes

    STARTING -> RUNNING -> DRAINING -> STOPPING -> CLEANING

and every life that was begun ends in CLEANING, whatever killed it, because the next life may begin only once nothing
of this one is left. What comes after CLEANING was decided on the way there and stands in `goal`. DRAINING waits for
dependants; a service without live dependants passes through it within the same turn.

Commands queue at the service as tasks. The head of the queue is begun, moves `desired` and `goal`, and is settled
when the phase answers it; then the next one is begun. A stop overrides whatever is still coming up, because nobody
who says stop wants to wait for a start; otherwise tasks take turns.

Each phase has at most one deadline (`timer_at`), and its token makes a late one harmless. Which (phase, event) pair
runs which rule is in `table.py`.
"""

from __future__ import annotations

import signal as signals

import msgspec

from amonsup.config.specs import ServiceSpec, ServiceType
from amonsup.supervisor.core import ordering, restart
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import Forget, KillAll, SignalMain, Spawn, Sweep
from amonsup.supervisor.model.phases import AT_REST, GOING_DOWN, Desired, Goal, Phase
from amonsup.supervisor.model.records import KEPT_EXITS, ExitReport, ServiceState, Task

TRANSIENT_RETRY_S = 1.0
"""How soon a spawn is tried again that failed for a lack of *our* resources."""

UP_VERBS = ("start", "restart")


# ---- commands ----------------------------------------------------------------------------------------------------


def on_commanded(turn: Turn, state: ServiceState, event: ev.Commanded) -> None:
    """Queue the task; a stop, or a restart of what is not even starting, overrides what is still coming up."""
    if state.phase is Phase.QUARANTINED:
        turn.enter(state, Phase.STOPPED if not state.pid else Phase.RUNNING, "released from quarantine by a command")
        state.quarantine = ""
    task = event.task
    for at in reversed(range(len(state.queue))):
        if _overrides(state, task, state.queue[at]):
            turn.settle(state, False, f"overridden by {task.verb} ({task.by})", at=at)
    state.queue = (*state.queue, task)
    advance(turn, state)
    if task.kill and state.queue and state.phase in GOING_DOWN and not state.is_killed:
        _kill(turn, state)  # who says so now does not want to wait behind a patient stop


def _overrides(state: ServiceState, task: Task, queued: Task) -> bool:
    if queued.verb not in UP_VERBS:
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
        try_start(turn, state, fetches=True)


def _begin_stop(turn: Turn, state: ServiceState, task: Task) -> None:
    state.desired = Desired.DOWN
    state.by = task.by
    if not task.forget and not turn.world.is_shutting_down:
        turn.remember(state, True)
    goal = Goal.REMOVE if task.forget else Goal.STAY
    if state.phase in (Phase.STARTING, Phase.RUNNING) or _is_leaned_on(turn, state):
        go_down(turn, state, goal, f"stopped by {task.by}", takes_dependants=True)
    elif state.phase in GOING_DOWN:
        state.goal = goal
        state.takes_dependants = True
    elif task.forget:
        turn.enter(state, Phase.STOPPED)
        state.goal = Goal.REMOVE
    elif state.phase is not Phase.EXITED:
        turn.enter(state, Phase.STOPPED, f"stopped by {task.by}")
    if task.kill and state.phase in GOING_DOWN:
        _kill(turn, state)


def _is_leaned_on(turn: Turn, state: ServiceState) -> bool:
    """Away for the moment, and yet to be stopped in order: somebody lives who needs it."""
    if state.phase not in (Phase.BACKOFF, Phase.WAITING, Phase.FATAL):
        return False
    world = turn.world
    return ordering.is_leaned_on(state.name, world.dependants.get(state.name, ()), world.specs, world.states)


def _begin_restart(turn: Turn, state: ServiceState, task: Task) -> None:
    if state.phase in (Phase.STARTING, Phase.RUNNING):
        _want_up(turn, state, task.by)
        go_down(turn, state, Goal.AGAIN, f"restarted by {task.by}", takes_dependants=False)
    else:
        _begin_start(turn, state, task)
    if task.kill and state.phase in GOING_DOWN:
        _kill(turn, state)


_BEGIN = {"start": _begin_start, "stop": _begin_stop, "restart": _begin_restart}


def _want_up(turn: Turn, state: ServiceState, by: str) -> None:
    """A command clears what earlier failures had counted up."""
    state.desired = Desired.UP
    state.by = by
    state.attempt = 0
    state.starts = ()
    turn.remember(state, False)


def _answer(turn: Turn, state: ServiceState, *, looks_around: bool) -> bool:
    """Settle the head of the queue if the phase answers it."""
    task = state.queue[0]
    if task.verb == "stop":
        if state.phase not in AT_REST:
            return False
        turn.settle(state, True, "" if state.phase is Phase.STOPPED else state.why)
        if task.forget and state.phase is Phase.STOPPED:
            turn.effects.append(Forget(name=state.name))
            while state.queue:
                turn.settle(state, False, "it is no longer configured")
        return True
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
    if state.phase in AT_REST:
        return False, state.why or state.phase.value
    return None


def _waiting_verdict(turn: Turn, state: ServiceState) -> tuple[bool, str] | None:
    world = turn.world
    culprit = ordering.hopeless_dependency(state.name, world.specs, world.states)
    if culprit is None:
        return None
    why = f": {culprit.why}" if culprit.why else ""
    return False, f"its dependency {culprit.name} is {culprit.phase.value}{why}"


# ---- coming up ---------------------------------------------------------------------------------------------------


def on_needed(turn: Turn, state: ServiceState, event: ev.Needed) -> None:
    """A dependant wants us up: only where nobody is at it already, and nothing is final."""
    if state.phase is Phase.STOPPED and state.desired is Desired.DOWN and not state.queue:
        state.desired = Desired.UP
        state.by = f"needed by {event.by}"
        turn.remember(state, False)
        try_start(turn, state, fetches=True)
    elif state.phase is Phase.WAITING:
        try_start(turn, state, fetches=True)
    elif state.phase is Phase.EXITED and not state.queue:
        state.desired = Desired.UP
        state.by = f"needed by {event.by}"
        try_start(turn, state, fetches=True)
    elif state.phase in GOING_DOWN and state.desired is Desired.DOWN and state.goal is Goal.STAY and not state.queue:
        state.desired = Desired.UP
        state.goal = Goal.AGAIN


def try_start(turn: Turn, state: ServiceState, *, fetches: bool = False) -> None:
    """Begin a life if nothing stands against it; otherwise wait, or give up, and say why.

    `fetches`: a command is behind it, so dependencies that are down are started too. A restart that nobody
    commanded never overrides the stop that a person gave a dependency.
    """
    world, spec = turn.world, turn.spec(state)
    if world.is_shutting_down:
        state.desired = Desired.DOWN
        turn.enter(state, Phase.STOPPED, "the daemon is shutting down")
        return
    if world.is_watching_only:
        _wait(turn, state, (), "the supervisor only watches, after dying repeatedly")
        return
    missing = _unmet(turn, state)
    if missing:
        _wait(turn, state, missing, "waiting for " + ", ".join(missing), fetches=fetches)
        return
    if restart.is_exhausted(state.starts, spec.start_limit, turn.now):
        give_up(turn, state, _limit_text(spec, state))
        return
    if spec.start_limit is not None:
        state.starts = (*restart.recent(state.starts, spec.start_limit, turn.now), turn.now)
    _begin_life(turn, state, spec)


def _begin_life(turn: Turn, state: ServiceState, spec: ServiceSpec) -> None:
    states = turn.world.states
    turn.enter(state, Phase.STARTING)
    state.generation += 1
    state.pid = 0
    state.start_ticks = 0
    state.born = turn.now
    state.status_text = ""
    state.is_transient = False
    state.is_killed = False
    state.takes_dependants = False
    state.goal = Goal.STAY
    state.seen = tuple((d.name, states[d.name].generation) for d in spec.depends_on if d.restart)
    turn.effects.append(Spawn(name=state.name, generation=state.generation))


def _unmet(turn: Turn, state: ServiceState) -> tuple[str, ...]:
    world = turn.world
    if not turn.spec(state).depends_on:
        return ()
    return tuple(
        d.name for d in turn.spec(state).depends_on if not ordering.is_met(d, world.specs[d.name], world.states[d.name])
    )


def _wait(turn: Turn, state: ServiceState, missing: tuple[str, ...], why: str, *, fetches: bool = False) -> None:
    if state.phase is not Phase.WAITING or state.why != why:
        turn.enter(state, Phase.WAITING, why)
        state.waiting_for = missing
        turn.note(state, "waiting", why)
    if fetches:
        for name in missing:
            turn.need(name, state.name)


def _limit_text(spec: ServiceSpec, state: ServiceState) -> str:
    limit = spec.start_limit
    assert limit is not None
    last = f"; last: {state.exits[-1].reason}" if state.exits else ""
    return f"{limit.count} starts within {limit.within_s:g} s{last}"


def give_up(turn: Turn, state: ServiceState, why: str) -> None:
    turn.enter(state, Phase.FATAL, why)
    state.desired = Desired.DOWN
    turn.note(state, "fatal", why)


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
            _is_up(turn, state)
        else:
            turn.set_timer(state, spec.min_uptime_s)
    elif spec.start_timeout_s > 0:
        turn.set_timer(state, spec.start_timeout_s)


def on_spawn_failed(turn: Turn, state: ServiceState, event: ev.SpawnFailed) -> None:
    if event.generation != state.generation:
        return
    if state.phase is not Phase.STARTING:
        _clean(turn, state)
        return
    if event.is_transient:
        state.starts = state.starts[:-1]
        turn.enter(state, Phase.BACKOFF, f"{event.reason}; tried again in {TRANSIENT_RETRY_S:g} s")
        state.is_transient = True
        turn.set_timer(state, TRANSIENT_RETRY_S)
        turn.note(state, "spawn-failed", event.reason)
        return
    report = ExitReport(generation=state.generation, reason=event.reason, at=turn.now)
    _keep_exit(state, report)
    turn.note(state, "spawn-failed", event.reason)
    _fail_starts(turn, state, event.reason)
    if restart.wants_another(turn.spec(state), succeeded=False):
        retry(turn, state, event.reason)
    else:
        give_up(turn, state, event.reason)
    advance(turn, state)


def on_unborn(turn: Turn, state: ServiceState, event: ev.Unborn) -> None:
    """The predecessor died between intent and exec: the same start again, at no cost."""
    if event.generation != state.generation or state.pid:
        return
    if state.phase is Phase.STARTING:
        state.starts = state.starts[:-1]
        try_start(turn, state)
        advance(turn, state)
    else:
        _clean(turn, state)


def on_noticed(turn: Turn, state: ServiceState, event: ev.Noticed) -> None:
    if event.generation != state.generation:
        return
    spec = turn.spec(state)
    if event.status is not None and event.status != state.status_text:
        state.status_text = event.status
        turn.note(state, "status", event.status)
    if event.main_pid and event.main_pid != state.pid:
        state.pid, state.start_ticks = event.main_pid, event.main_start_ticks
        turn.note(state, "main-pid", str(event.main_pid))
    if spec.type is not ServiceType.NOTIFY:
        return
    if event.is_ready and state.phase is Phase.STARTING:
        _is_up(turn, state)
    elif event.is_alive and state.phase is Phase.RUNNING and spec.watchdog_s > 0:
        turn.set_timer(state, spec.watchdog_s)
    if event.has_failed and state.phase is Phase.RUNNING:
        _watchdog_bites(turn, state, "it reported its own failure (WATCHDOG=trigger)")
    elif event.is_stopping and state.phase in (Phase.STARTING, Phase.RUNNING):
        turn.note(state, "stopping", "the service says that it stops")


def _is_up(turn: Turn, state: ServiceState) -> None:
    spec = turn.spec(state)
    turn.enter(state, Phase.RUNNING)
    turn.note(state, "running", state.status_text)
    if spec.watchdog_s > 0:
        turn.set_timer(state, spec.watchdog_s)
    advance(turn, state)


# ---- going down --------------------------------------------------------------------------------------------------


def go_down(turn: Turn, state: ServiceState, goal: Goal, why: str, *, takes_dependants: bool) -> None:
    """Begin the way down; the phase moves on by itself once no live dependant is in the way."""
    turn.enter(state, Phase.DRAINING, why)
    state.goal = goal
    state.takes_dependants = takes_dependants
    turn.follow_ups.append(ev.Reconsidered(name=state.name))


def _stop_main(turn: Turn, state: ServiceState) -> None:
    """The stop signal, and the deadline after which everything is killed."""
    spec = turn.spec(state)
    turn.enter(state, Phase.STOPPING, state.why)
    if not state.pid:  # intent of a predecessor: there is nobody to signal, only to sweep
        _clean(turn, state)
        return
    if spec.stop_grace_period_s <= 0:
        _kill(turn, state)
        return
    turn.effects.append(SignalMain(name=state.name, generation=state.generation, signal=spec.stop_signal))
    turn.set_timer(state, spec.stop_grace_period_s)


def _kill(turn: Turn, state: ServiceState) -> None:
    """No more patience: SIGKILL to everything. Dependants are not waited for."""
    if state.phase is Phase.DRAINING:
        turn.enter(state, Phase.STOPPING, state.why)
    turn.clear_timer(state)
    state.is_killed = True
    if state.phase is Phase.CLEANING:
        _sweep(turn, state, gentle=False)
    elif not state.pid:
        _clean(turn, state)
    else:
        turn.effects.append(KillAll(name=state.name, generation=state.generation))


def on_exited(turn: Turn, state: ServiceState, event: ev.Exited) -> None:
    """The main process is gone. Whatever the reason, the rest of the life is swept before anything else."""
    if event.generation != state.generation or event.pid != state.pid:
        return
    report, spec = event.report, turn.spec(state)
    phase = state.phase
    state.pid, state.start_ticks = 0, 0
    if phase in GOING_DOWN:
        report = msgspec.structs.replace(report, reason=f"{report.reason} ({state.why})", by=state.by)
        _keep_exit(state, report)
        turn.note(state, "exited", report.reason, state.by)
        _clean(turn, state)
        return
    succeeded = restart.is_success(spec, report)
    _keep_exit(state, report)
    turn.note(state, "exited", report.reason)
    again = restart.wants_another(spec, succeeded)
    state.goal = Goal.RETRY if again else Goal.DONE if succeeded else Goal.STAY
    if phase is Phase.STARTING and (again or not succeeded):
        _fail_starts(turn, state, f"{report.reason} after {report.uptime_s:.3g} s")
    turn.enter(state, Phase.CLEANING, report.reason)
    _sweep(turn, state, gentle=False)


def on_exited_in_quarantine(turn: Turn, state: ServiceState, event: ev.Exited) -> None:
    """Hands off, but do not believe that a dead process lives."""
    if event.generation == state.generation and event.pid == state.pid:
        state.pid, state.start_ticks = 0, 0


def _clean(turn: Turn, state: ServiceState) -> None:
    """On the way down: what the main process left gets the stop signal too, and the rest of the grace period."""
    left = state.timer_at - turn.now if state.timer_at else 0.0
    gentle = left > 0 and not state.is_killed
    turn.enter(state, Phase.CLEANING, state.why)
    if gentle:
        turn.set_timer(state, left)
    _sweep(turn, state, gentle=gentle)


def _sweep(turn: Turn, state: ServiceState, *, gentle: bool) -> None:
    turn.effects.append(
        Sweep(
            name=state.name,
            generation=state.generation,
            signal=turn.spec(state).stop_signal if gentle else 0,
        )
    )


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
    advance(turn, state)


def _after_life(turn: Turn, state: ServiceState) -> None:
    """Nothing is left of the life: do what was decided on the way down."""
    goal, why = state.goal, state.why
    state.by = "" if goal is Goal.RETRY else state.by
    if goal in (Goal.AGAIN, Goal.WAIT):
        try_start(turn, state)
    elif goal is Goal.RETRY:
        retry(turn, state, why)
    elif goal is Goal.DONE or (goal is Goal.STAY and state.desired is Desired.UP):
        state.desired = Desired.DOWN
        turn.enter(state, Phase.EXITED, why)
    else:
        turn.enter(state, Phase.STOPPED, why)
        turn.note(state, "stopped", why, state.by)


def retry(turn: Turn, state: ServiceState, why: str) -> None:
    """The policy wants another life: at once, after a delay, or never again if that would exceed the limit."""
    spec = turn.spec(state)
    if state.exits and state.exits[-1].uptime_s >= spec.backoff.reset_after_s:
        state.attempt = 0
    delay = restart.delay_s(spec.backoff, state.attempt, f"{state.name}/{state.generation}")
    state.attempt += 1
    if restart.is_exhausted(state.starts, spec.start_limit, turn.now + delay):
        give_up(turn, state, _limit_text(spec, state))
        return
    state.restarts += 1
    if delay <= 0:
        try_start(turn, state)
        return
    turn.enter(state, Phase.BACKOFF, why)
    turn.set_timer(state, delay)
    turn.note(state, "backoff", f"{why}; next start in {delay:.3g} s")
    advance(turn, state)


def _fail_starts(turn: Turn, state: ServiceState, why: str) -> None:
    """A start that was waited for has failed, even if the policy goes on trying."""
    if state.queue and state.queue[0].begun and state.queue[0].verb in UP_VERBS:
        turn.settle(state, False, why)


def _keep_exit(state: ServiceState, report: ExitReport) -> None:
    state.exits = (*state.exits, report)[-KEPT_EXITS:]


# ---- time, and the rest of the fleet -----------------------------------------------------------------------------


def on_timer(turn: Turn, state: ServiceState, event: ev.TimerFired) -> None:
    """The phase's deadline has passed; what that means depends on the phase alone."""
    if event.token != state.timer_token or not state.timer_at:
        return
    state.timer_at = 0.0
    spec = turn.spec(state)
    if state.phase is Phase.BACKOFF:
        try_start(turn, state)
        advance(turn, state)
    elif state.phase is Phase.STARTING and spec.type is ServiceType.SIMPLE:
        _is_up(turn, state)
    elif state.phase is Phase.STARTING:
        why = f"not up within {spec.start_timeout_s:g} s (start_timeout)"
        _fail_starts(turn, state, why)
        _fail_life(turn, state, why)
    elif state.phase is Phase.RUNNING and spec.watchdog_s > 0:
        _watchdog_bites(turn, state, f"no WATCHDOG=1 for {spec.watchdog_s:g} s")
    elif state.phase is Phase.STOPPING:
        turn.note(state, "killed", f"still there after {spec.stop_grace_period_s:g} s (stop_grace_period)")
        _kill(turn, state)
    elif state.phase is Phase.CLEANING:
        state.is_killed = True
        _sweep(turn, state, gentle=False)


def _fail_life(turn: Turn, state: ServiceState, why: str, signal: int = 0) -> None:
    """The life is no good: end it with `signal` (0: the stop signal), then let the policy decide.

    Dependants are neither waited for nor taken along: they see it go, as after a crash.
    """
    spec = turn.spec(state)
    turn.note(state, "failed", why)
    state.by = ""
    state.goal = Goal.RETRY if restart.wants_another(spec, succeeded=False) else Goal.STAY
    turn.enter(state, Phase.STOPPING, why)
    turn.effects.append(SignalMain(name=state.name, generation=state.generation, signal=signal or spec.stop_signal))
    turn.set_timer(state, spec.stop_grace_period_s)


def _watchdog_bites(turn: Turn, state: ServiceState, why: str) -> None:
    """SIGABRT, as systemd does, so that a core can tell where it hung; then the usual grace period."""
    _fail_life(turn, state, f"watchdog: {why}", int(signals.SIGABRT))


def on_reconsidered(turn: Turn, state: ServiceState, event: ev.Reconsidered) -> None:
    """Something around us changed. Three phases care: waiting, up (follow a dependency down), draining."""
    if state.phase is Phase.WAITING:
        if turn.world.is_shutting_down and not state.queue:
            state.desired = Desired.DOWN
            turn.enter(state, Phase.STOPPED, "the daemon is shutting down")
        else:
            try_start(turn, state)
    elif state.phase in (Phase.STARTING, Phase.RUNNING):
        _follow(turn, state)
    elif state.phase is Phase.DRAINING:
        _drain(turn, state)
    advance(turn, state, looks_around=event.is_settled)


def _follow(turn: Turn, state: ServiceState) -> None:
    seen = dict(state.seen)
    for dependency in turn.spec(state).depends_on:
        other = turn.world.states[dependency.name]
        other_spec = turn.world.specs[dependency.name]
        if ordering.must_follow(dependency, other_spec, other, seen.get(dependency.name)):
            state.by = f"dependency {dependency.name}"
            # Where the dependency is to stay down, so are we: those who need us come along.
            is_for_good = other.takes_dependants and other.phase in GOING_DOWN
            why = f"its dependency {dependency.name} goes down"
            go_down(turn, state, Goal.WAIT, why, takes_dependants=is_for_good)
            return


def _drain(turn: Turn, state: ServiceState) -> None:
    world = turn.world
    blocking = ordering.blockers(state, world.dependants.get(state.name, ()), world.specs, world.states)
    state.waiting_for = blocking
    if not blocking:
        _stop_main(turn, state)


def on_respecified(turn: Turn, state: ServiceState, event: ev.Respecified) -> None:
    """Changed in place. Deadlines already running keep their length; dependencies are looked at again."""
    if state.phase is Phase.RUNNING and turn.spec(state).watchdog_s <= 0:
        turn.clear_timer(state)
    if state.phase in (Phase.STARTING, Phase.RUNNING):
        state.seen = _now_seen(turn, state)
    on_reconsidered(turn, state, ev.Reconsidered(name=state.name))


def _now_seen(turn: Turn, state: ServiceState) -> tuple[tuple[str, int], ...]:
    """What was seen, and of dependencies that have become `restart: true` under a running life those that are up."""
    found = dict(state.seen)
    for dependency in turn.spec(state).depends_on:
        other = turn.world.states[dependency.name]
        if dependency.restart and other.phase in (Phase.STARTING, Phase.RUNNING):
            found.setdefault(dependency.name, other.generation)
    return tuple(found.items())


def ignore(turn: Turn, state: ServiceState, event: ev.Event) -> None:
    """The pair is possible and means nothing: a late event, or one that another phase waits for."""
