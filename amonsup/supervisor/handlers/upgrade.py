"""upgrade: try the installed version, then become it."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import LATER, Call, Desk, Later, Refusal, mutating


def handle(desk: Desk, call: Call) -> Later | Refusal:
    refusal = mutating(desk)
    if refusal is not None and refusal.code == "shutting-down":
        return refusal
    desk.upgrade(call)
    return LATER
