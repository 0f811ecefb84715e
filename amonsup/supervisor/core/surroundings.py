"""Rules for changes around a service: its dependencies, its dependants, its spec.

Nobody tells a service what to do about its neighbours' changes: it is only asked to look again, and may be asked once
too often. So these rules read what is, and do nothing where nothing has to follow.
"""

from __future__ import annotations

from amonsup.config.specs import ServiceType
from amonsup.supervisor.core import ascent, coming_up, commands, descent, health, ordering, plan
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import GOING_DOWN, Desired, Goal, Phase
from amonsup.supervisor.model.records import ServiceState, errand_in


def on_reconsidered(turn: Turn, state: ServiceState, event: ev.Reconsidered) -> None:
    """Something around us changed. Three phases care: waiting, up (follow a dependency down), draining."""
    if state.phase is Phase.WAITING:
        if turn.world.is_shutting_down and not state.queue:
            state.desired = Desired.DOWN
            turn.enter(state, Phase.STOPPED, "the daemon is shutting down")
        else:
            ascent.try_start(turn, state)
    elif state.phase in (Phase.STARTING, Phase.RUNNING):
        if state.hold is None:
            _follow(turn, state)
        if state.phase is Phase.STARTING and state.is_ready:
            coming_up.is_up(turn, state)  # a hold has kept the failure of its post_start from it
    elif state.phase is Phase.DRAINING:
        _drain(turn, state)
    commands.advance(turn, state, looks_around=event.is_settled)


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
            descent.go_down(turn, state, Goal.WAIT, why, takes_dependants=is_for_good)
            return


def _drain(turn: Turn, state: ServiceState) -> None:
    world = turn.world
    blocking = ordering.blockers(state, world.dependants.get(state.name, ()), world.specs, world.states)
    state.waiting_for = blocking
    if not blocking:
        descent.stop_main(turn, state)


def on_respecified(turn: Turn, state: ServiceState, event: ev.Respecified) -> None:
    """Changed in place. Deadlines already running keep their length; dependencies are looked at again.

    A life whose restart a hold or a preflight has kept back is judged by the new spec: if that is simple, nothing
    will ever say that it is up but time.
    """
    if state.phase is Phase.STARTING and state.pid and errand_in(state, "hook") is None:
        _judge_start_anew(turn, state)
    if state.phase is Phase.RUNNING and turn.spec(state).watchdog_s <= 0:
        turn.clear_timer(state)
    if state.phase is Phase.RUNNING:
        health.respecified(turn, state)
    if state.phase in (Phase.STARTING, Phase.RUNNING):
        state.seen = _now_seen(turn, state)
    if turn.spec(state).schedule or state.calendar:
        turn.read_clock(state)
    on_reconsidered(turn, state, ev.Reconsidered(name=state.name))


def _judge_start_anew(turn: Turn, state: ServiceState) -> None:
    """A simple service is up after a while, any other one has failed by then: not the one at the other's deadline."""
    spec = turn.spec(state)
    if spec.type is ServiceType.SIMPLE and not state.timer_at:
        turn.set_timer(state, spec.min_uptime_s)
    if state.digest == plan.digest(spec):
        return
    limit = spec.min_uptime_s if spec.type is ServiceType.SIMPLE else spec.start_timeout_s
    left = state.born + limit - turn.now
    if spec.type is ServiceType.SIMPLE:
        if turn.now + left < state.timer_at:
            turn.set_timer(state, max(0.0, left))
    elif limit <= 0:
        turn.clear_timer(state)
    elif state.timer_at and state.timer_at < turn.now + left:
        turn.set_timer(state, left)


def _now_seen(turn: Turn, state: ServiceState) -> tuple[tuple[str, int], ...]:
    """What was seen, and of dependencies that have become `restart: true` under a running life those that are up."""
    found = dict(state.seen)
    for dependency in turn.spec(state).depends_on:
        other = turn.world.states[dependency.name]
        if dependency.restart and other.phase in (Phase.STARTING, Phase.RUNNING):
            found.setdefault(dependency.name, other.generation)
    return tuple(found.items())
