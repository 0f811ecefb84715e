"""Who depends on whom, whether a dependency is met, and who must go down before whom.

The graph is kept in both directions and rebuilt only by an apply. A dependency is judged by the dependency's own
state alone, so the answer needs no history: the same question may be asked again at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amonsup.config.specs import Condition, Dependency, ServiceSpec, ServiceType
from amonsup.supervisor.model.phases import GOING_DOWN, LIVE, Desired, Goal, Phase
from amonsup.supervisor.model.records import ServiceState, errand_in


def dependants_of(specs: Iterable[ServiceSpec]) -> dict[str, tuple[str, ...]]:
    """For each service that is depended on: the names of those that depend on it, in configuration order."""
    graph: dict[str, list[str]] = {}
    for spec in specs:
        for dependency in spec.depends_on:
            graph.setdefault(dependency.name, []).append(spec.name)
    return {name: tuple(dependants) for name, dependants in graph.items()}


def is_met(dependency: Dependency, spec: ServiceSpec, state: ServiceState) -> bool:
    """Whether the dependency, with its own `spec` and `state`, is as the dependant needs it."""
    if dependency.condition is Condition.COMPLETED:
        return state.phase is Phase.EXITED and state.goal is Goal.DONE
    if dependency.condition is Condition.HEALTHY:
        return state.phase is Phase.RUNNING and (spec.healthcheck is None or state.health == "healthy")
    if state.phase is Phase.RUNNING:
        return True
    if spec.type is ServiceType.ONESHOT:
        return state.phase is Phase.EXITED and state.goal is Goal.DONE
    # A simple service has started once it was spawned; one that notifies says so itself, one with post_start runs it.
    is_simple = spec.type is ServiceType.SIMPLE and not spec.post_start
    return state.phase is Phase.STARTING and state.pid > 0 and is_simple


def has_missed_its_deadline(spec: ServiceSpec, state: ServiceState) -> bool:
    """Whether its start took too long and was left alone, because it is held."""
    if state.phase is not Phase.STARTING or state.timer_at or state.is_ready or errand_in(state, "hook") is not None:
        return False
    return spec.type is not ServiceType.SIMPLE and spec.start_timeout_s > 0


def is_hopeless(spec: ServiceSpec, state: ServiceState, condition: Condition) -> bool:
    """Whether the dependency will not come by itself: given up, ended, held, or down because somebody wants it so."""
    if state.phase in (Phase.FATAL, Phase.QUARANTINED):
        return True
    if state.phase is Phase.RUNNING:
        return condition is Condition.HEALTHY and state.health == "unhealthy"
    if state.phase is Phase.EXITED:
        return condition is not Condition.COMPLETED or state.goal is not Goal.DONE
    if state.hold is not None:
        # Held back, or left alone: up but for a post_start that has failed and is made again only when the hold ends,
        # or not up within start_timeout. Such a start has failed, as in systemd; should it come all the same, whoever
        # waits for it starts.
        is_half_up = state.phase is Phase.STARTING and state.is_ready and errand_in(state, "hook") is None
        is_late = (state.pid > 0 or state.has_forked) and has_missed_its_deadline(spec, state)
        if is_half_up or is_late or state.phase in (Phase.WAITING, Phase.BACKOFF):
            return True
    return state.phase is Phase.STOPPED and state.desired is Desired.DOWN


def hopeless_dependency(
    name: str, specs: Mapping[str, ServiceSpec], states: Mapping[str, ServiceState]
) -> ServiceState | None:
    """The dependency, direct or of a waiting dependency, that keeps `name` waiting for ever; None: there is hope."""
    for dependency in specs[name].depends_on:
        other = states[dependency.name]
        if is_hopeless(specs[other.name], other, dependency.condition):
            return other
        if other.phase is Phase.WAITING:
            deeper = hopeless_dependency(other.name, specs, states)
            if deeper is not None:
                return deeper
    return None


def must_follow(dependency: Dependency, spec: ServiceSpec, state: ServiceState, seen: int | None) -> bool:
    """Whether a live dependant has to go down because of what its dependency, with its `spec` and `state`, does.

    A dependency that is to stay down takes along everybody, and one that drains for a restart those with `restart:
    true`. With `restart: true` a dependency that died, or lives a later life than the one seen, is followed too; one
    that was never seen (an apply has just added it) is not. A oneshot is not expected to live on.
    """
    if dependency.condition is Condition.COMPLETED:
        return False
    if state.takes_dependants and state.phase in GOING_DOWN:
        return True
    if not dependency.restart:
        return False
    if state.phase is Phase.DRAINING:
        return True
    if seen is None:
        return False
    is_up = state.phase in (Phase.STARTING, Phase.RUNNING) or spec.type is ServiceType.ONESHOT
    return not is_up or state.generation != seen


def blockers(
    state: ServiceState,
    dependants: Iterable[str],
    specs: Mapping[str, ServiceSpec],
    states: Mapping[str, ServiceState],
) -> tuple[str, ...]:
    """The live dependants that a draining service waits for; one that is held stays as it is."""
    blocking = []
    for name in dependants:
        other, spec = states.get(name), specs.get(name)
        if other is None or spec is None or other.phase not in LIVE or other.hold is not None:
            continue
        if any(d.name == state.name and must_follow(d, specs[d.name], state, None) for d in spec.depends_on):
            blocking.append(name)
    return tuple(blocking)


def is_leaned_on(
    name: str, dependants: Iterable[str], specs: Mapping[str, ServiceSpec], states: Mapping[str, ServiceState]
) -> bool:
    """Whether somebody who needs the service to be up is alive, although it may be away itself just now."""
    return any(
        states[dependant].phase in LIVE
        and any(d.name == name and d.condition is not Condition.COMPLETED for d in specs[dependant].depends_on)
        for dependant in dependants
        if dependant in states and dependant in specs
    )


def layers(specs: Mapping[str, ServiceSpec]) -> list[list[str]]:
    """Names grouped so that each group depends only on earlier ones (for `tree`, and orderly listings)."""
    left = {name: {d.name for d in spec.depends_on if d.name in specs} for name, spec in specs.items()}
    result: list[list[str]] = []
    while left:
        group = [name for name, needs in left.items() if not needs]
        if not group:  # cannot be: the door refuses cycles
            return [*result, list(left)]
        result.append(group)
        for name in group:
            del left[name]
        done = set(group)
        for needs in left.values():
            needs -= done
    return result
