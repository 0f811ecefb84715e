"""enable: written down for the next boot; nothing happens now."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, enabling
from amonsup.verbs.results import OperationResult


def handle(desk: Desk, call: Call) -> OperationResult | Refusal:
    return enabling(desk, call, is_enabled=True)
