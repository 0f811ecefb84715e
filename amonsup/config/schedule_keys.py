"""Readers of `schedule` and `time_zone`: text that the calendar understands, or what is wrong with which field."""

from __future__ import annotations

from typing import Any

from amonsup.config import calendar
from amonsup.config.errors import shown
from amonsup.config.fields import TEXT_FORM, Reader, Scope, scalar_text
from amonsup.config.strict_yaml import Node

_ZONE_ALLOWED = "a name of the time zone database such as UTC or Europe/Berlin"


class Schedule(Reader, frozen=True):
    """Five fields as cron has them, or a nickname; kept as written, but for the spaces."""

    def read(self, node: Node, path: str, scope: Scope) -> str:
        schedule = " ".join(scalar_text(node, path, scope, calendar.ALLOWED).split())
        wrong, allowed = calendar.problem(schedule)
        if wrong:
            hint = scope.hint(schedule, list(calendar.MACROS)) if schedule.startswith("@") else ""
            scope.refuse(node, path, f"{shown(schedule)} {wrong}", "" if hint else allowed, hint)
        return schedule

    def form(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^ *({'|'.join(calendar.MACROS)}|\S+( +\S+){{4}}) *$"}


class TimeZone(Reader, frozen=True):
    """A name that this machine's time zone database (or the one that came with us) has."""

    def read(self, node: Node, path: str, scope: Scope) -> str:
        name = scalar_text(node, path, scope, _ZONE_ALLOWED)
        if not name or calendar.zone_problem(name):
            scope.refuse(node, path, f"{shown(name)} is not a time zone", _ZONE_ALLOWED)
        return name

    def form(self) -> dict[str, Any]:
        return {**TEXT_FORM, "minLength": 1}
