"""shutdown: a stop for everything; the daemon follows once nothing is left."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, operation
from amonsup.supervisor.model.records import Operation


def handle(desk: Desk, call: Call) -> Operation | Refusal:
    if desk.fleet.is_shutting_down:
        return Refusal("shutting-down", "amonsupd is shutting down already")
    return operation(desk, call, list(desk.fleet.states), verb="stop")
