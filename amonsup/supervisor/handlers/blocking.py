"""blocking: what the commands under way, and services on their way, wait for."""

from __future__ import annotations

from amonsup.supervisor.handlers import blockers
from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, select
from amonsup.supervisor.model.phases import AT_REST, GOING_DOWN, Phase, public
from amonsup.supervisor.model.records import Operation, ServiceState
from amonsup.verbs.blocking import Arguments
from amonsup.verbs.results import BlockedService, BlockingResult, OpenOperation


def handle(desk: Desk, call: Call) -> BlockingResult | Refusal:
    args: Arguments = call.args
    names = select(desk, args.services or ("all",))
    if isinstance(names, Refusal):
        return names
    fleet, chosen = desk.fleet, set(names)
    operations = [_open(desk, operation) for operation in fleet.operations.open()]
    services = [
        BlockedService(name, public(state.phase, state.health).value, blockers.of(desk, fleet, state))
        for name, state in fleet.states.items()
        if name in chosen and _is_under_way(state)
    ]
    is_down = fleet.is_shutting_down and all(state.phase in AT_REST for state in fleet.states.values())
    return BlockingResult(
        operations=tuple(each for each in operations if not args.services or not chosen.isdisjoint(each.left)),
        services=tuple(services),
        logs=tuple(desk.lives.undrained()) if is_down else (),
    )


def _open(desk: Desk, operation: Operation) -> OpenOperation:
    left = tuple(name for name in operation.tasks if name not in operation.outcomes)
    since_s = round(max(0.0, desk.now() - operation.accepted), 3)
    return OpenOperation(operation.id, operation.verb, operation.by, since_s, left, len(operation.outcomes))


def _is_under_way(state: ServiceState) -> bool:
    return bool(state.queue) or state.phase in GOING_DOWN or state.phase is Phase.STARTING
