"""reset: past failures forgotten, at once."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, mutating, select
from amonsup.supervisor.model.events import WasReset
from amonsup.supervisor.model.phases import PUBLIC
from amonsup.verbs.reset import Arguments
from amonsup.verbs.results import OperationResult, TargetOutcome


def handle(desk: Desk, call: Call) -> OperationResult | Refusal:
    args: Arguments = call.args
    names = select(desk, args.services)
    if isinstance(names, Refusal):
        return names
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    desk.post_all([WasReset(name=name, by=call.by) for name in names])
    results = tuple(TargetOutcome(name, True, PUBLIC[desk.fleet.states[name].phase].value) for name in names)
    return OperationResult(call.id, call.verb, True, results)
