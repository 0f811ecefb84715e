"""release: the hold ends, and what it kept back is done."""

from __future__ import annotations

from amonsup.supervisor.core import holds
from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, mutating, select
from amonsup.supervisor.model.events import Released
from amonsup.verbs.release import Arguments
from amonsup.verbs.results import OperationResult, TargetOutcome


def handle(desk: Desk, call: Call) -> OperationResult | Refusal:
    args: Arguments = call.args
    names = select(desk, args.services)
    if isinstance(names, Refusal):
        return names
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    held = {name: hold for name in names if (hold := desk.fleet.states[name].hold) is not None}
    desk.post_all([Released(name=name, by=call.by) for name in held])
    results = tuple(
        TargetOutcome(name, True, f"was {holds.words(held[name])}" if name in held else "nobody held it")
        for name in names
    )
    return OperationResult(call.id, call.verb, True, results)
