"""The steps up: a life is begun, has to wait, is tried again later, or never again.

Steps move the phase and order effects; they neither know of commands nor settle them. Rules call them and look at
the queue afterwards (`commands.advance`).
"""

from __future__ import annotations

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.core import holds, ordering, restart
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model.effects import Spawn
from amonsup.supervisor.model.phases import Desired, Goal, Phase
from amonsup.supervisor.model.records import ServiceState

TRANSIENT_RETRY_S = 1.0
"""How soon a spawn is tried again that failed for a lack of *our* resources."""


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
    if state.hold is not None and holds.keeps_down(state):
        _wait(turn, state, (), holds.words(state.hold))
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
    state.is_ready = state.was_up = state.is_swept = state.has_forked = state.is_reloading = False
    state.seen = ()
    if spec.depends_on:
        state.seen = tuple((d.name, states[d.name].generation) for d in spec.depends_on if d.restart)
    if spec.pre_start:
        turn.run_errand(state, "pre_start")
    else:
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


def retry_soon(turn: Turn, state: ServiceState, why: str) -> None:
    """We lacked something: that is no fault of the service, and counts as none."""
    turn.enter(state, Phase.BACKOFF, f"{why}; tried again in {TRANSIENT_RETRY_S:g} s")
    turn.set_timer(state, TRANSIENT_RETRY_S)
