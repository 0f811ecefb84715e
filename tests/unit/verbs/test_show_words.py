"""How `show` and `events` read."""

from __future__ import annotations

from typing import Any

import pytest

from amonsup.cli.plain import render
from amonsup.verbs import events, show
from amonsup.verbs.results import EventsResult, ExitRow, Happening, ShowResult, StatusRow

AT = "2026-01-02T03:04:05.000Z"


def shown(spec: dict[str, Any], *exits: ExitRow) -> list[str]:
    row = StatusRow(name="ce", state="running", pid=7, uptime_s=1.0, restarts=0, since=AT, exit=None)
    result = ShowResult(row, spec, exits, (), "", (), (), (), (), "", {})
    return [text.strip() for text in render(show.page(result)).splitlines()]


@pytest.mark.parametrize(
    ("mute", "line"),
    [
        ({}, None),
        ({"muted_until": AT, "muted_by": "eve", "muted_why": "new release"}, f"until {AT} (by eve): new release"),
        ({"muted_until": AT, "muted_by": "eve"}, f"until {AT} (by eve)"),
        ({"muted_until": AT}, f"until {AT}"),
    ],
)
def test_a_mute_says_how_long_who_and_why(mute: dict[str, Any], line: str | None) -> None:
    row = StatusRow(name="ce", state="running", pid=7, uptime_s=1.0, restarts=0, since=AT, exit=None, **mute)
    text = render(show.page(ShowResult(row, {}, (), (), "", (), (), (), (), "", {})))
    found = [each.split("no alerts ")[1] for each in text.splitlines() if "muted" in each]
    assert found == ([line] if line else [])


LIMITS = 'ulimits: {"nofile":64,"core":{"soft":0,"hard":"unlimited"},"data":"unlimited"}'


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"watchdog": 2.0}, "watchdog: 2s"),
        ({"stop_grace_period": 0.25}, "stop_grace_period: 0.25s"),
        ({"backoff": {"max": 300.0, "factor": 2.0}}, 'backoff: {"max":"300s","factor":2.0}'),
        ({"mem_limit": 50 << 20}, "mem_limit: 50MiB"),
        ({"environment": [["A", "1"], ["B", "2"]]}, 'environment: {"A":"1","B":"2"}'),
        ({"ulimits": [["nofile", 64, 64], ["core", 0, -1], ["data", -1, -1]]}, LIMITS),
        ({"mem_limit": 1000}, "mem_limit: 1000B"),
        ({"logging": {"watch": [{"match": "x", "every": 600.0}]}}, 'logging: {"watch":[{"match":"x","every":"600s"}]}'),
        ({"cpus": 0.5}, "cpus: 0.5"),
        ({"command": ["sleep", "1"]}, 'command: ["sleep","1"]'),
        ({"autostart": False}, "autostart: false"),
        ({"environment": {"max": "5"}}, 'environment: {"max":"5"}'),
    ],
)
def test_a_value_stands_there_with_its_unit(spec: dict[str, Any], line: str) -> None:
    assert line in shown(spec)


def test_who_commanded_an_end_is_named_once() -> None:
    ordered = ExitRow(0, None, False, "exit 0 (stopped by eve (uid 7))", AT, 2, by="eve (uid 7)")
    assert shown({}, ordered)[-1] == f"{AT}  life 2: exit 0 (stopped by eve (uid 7))"
    plain = ExitRow(0, None, False, "exit 0", AT, 2, by="eve (uid 7)")
    assert shown({}, plain)[-1] == f"{AT}  life 2: exit 0, by eve (uid 7)"


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        ("stopped", "stopped by eve (uid 7)", "ce  stopped  stopped by eve (uid 7)"),
        ("started", "pid 8", "ce  started  pid 8  (eve (uid 7))"),
        ("reset", "", "ce  reset  (eve (uid 7))"),
    ],
)
def test_who_did_it_is_named_once_in_events_too(kind: str, text: str, line: str) -> None:
    page = events.page(EventsResult((Happening(1, AT, kind, "ce", text, "eve (uid 7)"),)))
    assert render(page) == f"{AT}  {line}\n"
