"""schedule, time_zone, catch_up as conf.d writes them: what comes of them, and each mistake at its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amonsup.config.specs import Loaded, ServiceSpec

ONESHOT = "type: oneshot"


def test_a_schedule_is_kept_as_it_is_written(service: Callable[..., ServiceSpec]) -> None:
    spec = service(ONESHOT, 'schedule: "  */10  *   * * * "', "time_zone: Europe/Berlin", "catch_up: yes")
    assert (spec.schedule, spec.time_zone, spec.catch_up) == ("*/10 * * * *", "Europe/Berlin", True)
    assert service(ONESHOT, 'schedule: "@daily"').schedule == "@daily"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('schedule: "0 99 * * *"', "'0 99 * * *' cannot be: hour '99'; allowed: 0-23"),
        ('schedule: "0 0 30 2 *"', "cannot be: day-of-month '30'"),
        ('schedule: "@dayly"', "did you mean '@daily'?"),
        ('schedule: "@reboot"', "is no nickname of a schedule; allowed: @hourly"),
        ('schedule: "* * * *"', "has 4 fields; allowed: five fields as in crontab(5)"),
        ("schedule: [1]", "expected one value, found a list"),
        ('schedule: "* * */20 * 1L"', "never comes"),
        ("time_zone: Mars/Olympus", "'Mars/Olympus' is not a time zone; allowed: a name"),
        ("time_zone: ../../etc/passwd", "is not a time zone"),
        ("time_zone: UTC", "says nothing without 'schedule'"),
        ("catch_up: yes", "says nothing without 'schedule'"),
        ("catch_up: 2", "'2' is neither true nor false"),
    ],
)
def test_a_mistake_is_told_at_its_place(errors: Callable[..., list[str]], line: str, words: str) -> None:
    found = errors(f"services:\n  s:\n    command: /bin/true\n    {ONESHOT}\n    {line}\n")
    assert any(words in each for each in found), found
    assert all(each.startswith("a.yaml:5:") for each in found)


def test_only_a_oneshot_has_a_schedule(errors: Callable[..., list[str]]) -> None:
    found = errors('services:\n  s: {command: /bin/true, schedule: "@daily"}\n')
    assert found == ["a.yaml:2:37: services.s.schedule: needs 'type: oneshot'"]


@pytest.mark.parametrize(("line", "is_warned"), [("start_timeout: 12h", False), ("min_uptime: 1s", True)])
def test_how_long_a_run_may_take_should_be_said(site: Callable[..., Any], line: str, is_warned: bool) -> None:
    body = f'services:\n  s:\n    command: /bin/true\n    {ONESHOT}\n    schedule: "@daily"\n    {line}\n'
    outcome = site(body)
    assert isinstance(outcome, Loaded)
    assert any("a run is ended after 90 s" in each for each in outcome.warnings) is is_warned
