"""reload: one task for every selected service."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, mutating, operation, select
from amonsup.supervisor.model.records import Operation
from amonsup.verbs.reload import Arguments


def handle(desk: Desk, call: Call) -> Operation | Refusal:
    args: Arguments = call.args
    names = select(desk, args.services)
    if isinstance(names, Refusal):
        return names
    return mutating(desk) or operation(desk, call, names, force=args.force)
