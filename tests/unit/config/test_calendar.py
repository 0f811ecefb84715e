"""The calendar: what is understood, what is refused and how, and summer time as cron has it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.config import calendar
from amonsup.config.calendar import count_until, next_after, problem, zone_problem

BERLIN = "Europe/Berlin"


def moments(schedule: str, start: str, count: int, zone: str = BERLIN) -> list[str]:
    wall = datetime.fromisoformat(start).timestamp()
    found = []
    for _ in range(count):
        wall = next_after(schedule, zone, wall)
        found.append(datetime.fromtimestamp(wall, ZoneInfo(zone)).strftime("%m-%d %H:%M%z"))
    return found


@pytest.mark.parametrize(
    "schedule",
    [
        "*/10 * * * *",
        "0 0 * * MON#1",
        "0 0 L * *",
        "0 0 LW * *",
        "0 0 * * 5L",
        "5,10-20/2 1 1 jan sun",
        *calendar.MACROS,
    ],
)
def test_what_is_understood(schedule: str) -> None:
    assert problem(schedule) == ("", "")


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("", "has 0 fields"),
        ("* * *", "has 3 fields"),
        ("* * * * * *", "has 6 fields"),
        ("61 * * * *", "cannot be: minute '61'"),
        ("0 25 * * *", "cannot be: hour '25'"),
        ("0 0 30 2 *", "cannot be: day-of-month '30'"),
        ("0 0 * * 7-8", "cannot be: day-of-week '7-8'"),
        ("*/0 * * * *", "cannot be: minute '*/0'"),
        ("0 0 1 foo *", "cannot be: month 'foo'"),
        ("* * */20 * 1L", "never comes: there is no such day"),
        ("@dayly", "is no nickname of a schedule"),
        ("@reboot", "is no nickname of a schedule"),
        ("1," * 200 + "1 * * * *", "is longer than 200 characters"),
    ],
)
def test_what_is_refused(schedule: str, says: str) -> None:
    found, allowed = problem(schedule)
    assert found == says
    assert allowed


@given(st.text("0123456789*/,-LW#@ABCMONabc ?", max_size=40))
def test_no_text_is_too_strange(schedule: str) -> None:
    found, allowed = problem(schedule)
    assert bool(found) == bool(allowed)
    if not found:
        assert next_after(schedule, BERLIN, 1e9) > 1e9


@pytest.mark.parametrize("zone", ["", "UTC", BERLIN, "America/Argentina/Buenos_Aires"])
def test_zones(zone: str) -> None:
    assert zone_problem(zone) == ""


@pytest.mark.parametrize("zone", ["Europe/Berlinn", "../../etc/passwd", "/etc/localtime", "Europe", "\0", "x" * 500])
def test_zones_that_are_none(zone: str) -> None:
    assert zone_problem(zone) == "is unknown"


def test_the_machines_own_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("America/New_York", ":America/New_York"):
        monkeypatch.setenv("TZ", name)
        assert next_after("0 12 * * *", "", 0.0) == next_after("0 12 * * *", "America/New_York", 0.0)
    monkeypatch.delenv("TZ")
    monkeypatch.setattr(calendar, "LOCALTIME", "/nonexistent")
    assert next_after("0 12 * * *", "", 0.0) == next_after("0 12 * * *", "UTC", 0.0)


def test_a_daily_job_in_the_hour_that_is_skipped_comes_right_after_it() -> None:
    assert moments("30 2 * * *", "2026-03-28T00:00+01:00", 3) == [
        "03-28 02:30+0100",
        "03-29 03:00+0200",
        "03-30 02:30+0200",
    ]


def test_a_daily_job_in_the_hour_that_comes_twice_comes_once() -> None:
    expected = ["10-25 02:30+0200", "10-26 02:30+0100"]
    assert moments("30 2 * * *", "2026-10-24T12:00+02:00", 2) == expected
    assert moments("30 2 * * *", "2026-10-25T02:10+01:00", 1) == expected[1:], "asked within the second time round"


def test_a_frequent_job_goes_by_the_time_elapsed() -> None:
    assert moments("*/30 * * * *", "2026-10-25T02:00+02:00", 4) == [
        "10-25 02:30+0200",
        "10-25 02:00+0100",
        "10-25 02:30+0100",
        "10-25 03:00+0100",
    ]


@given(
    st.sampled_from(["*/10 * * * *", "30 2 * * *", "0 */2 * * *", "15 2,3 * * *", "0 0 L * *", "59 2 29 2 *"]),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(lambda at: at.replace(tzinfo=UTC).timestamp()),  # noqa: DTZ001
)
def test_the_next_is_always_later_and_they_are_in_order(schedule: str, zone: str, wall: float) -> None:
    first = next_after(schedule, zone, wall)
    second = next_after(schedule, zone, first)
    assert wall < first < second
    assert count_until(schedule, zone, wall, first, 100) == 1
    assert count_until(schedule, zone, wall, first - 1, 100) == 0


def test_counting_ends() -> None:
    assert count_until("* * * * *", "UTC", 0.0, 1e9, 100) == 100
