"""reopen: the logger closes log files; the next line opens what has the name then."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import Call, Desk, Later, Refusal
from amonsup.supervisor.handlers.rotate import command


def handle(desk: Desk, call: Call) -> Later | Refusal:
    return command(desk, call)
