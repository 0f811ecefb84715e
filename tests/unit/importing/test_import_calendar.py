"""OnCalendar= as five fields."""

from __future__ import annotations

import pytest

from amonsup.importing.calendar import Cron, cron, every


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("daily", "0 0 * * *"),
        ("weekly", "0 0 * * 1"),
        ("*-*-* 06:25:00", "25 6 * * *"),
        ("*:0/10", "*/10 * * * *"),
        ("*:5/10", "5-59/10 * * * *"),
        ("*-*-* 07..23:30", "30 7-23 * * *"),
        ("*-*-1 06:52:00", "52 6 1 * *"),
        ("*-*-01", "0 0 1 * *"),
        ("Sat,Sun 3:00", "0 3 * * 6,0"),
        ("Mon..Fri 18:00", "0 18 * * 1-5"),
        ("Sat..Sun 1:05", "5 1 * * 6-7"),
        ("*-1,7-1", "0 0 1 1,7 *"),
        ("2:00:00", "0 2 * * *"),
    ],
)
def test_what_cron_can_say(text: str, fields: str) -> None:
    assert cron(text) == Cron(fields)


def test_zone_and_seconds() -> None:
    assert cron("*-*-* 4:00 Europe/Berlin") == Cron("0 4 * * *", "Europe/Berlin")
    assert cron("*-*-* 23:59:40").note == "at second 0, not 40"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2025-*-* 1:00", "years"),
        ("*-*~1 1:00", "end of a month"),
        ("Sun *-*-1..7 1:00:00", "both"),
        ("25:00", "out of range"),
        ("noon", "no day"),
        ("", "nothing"),
        ("*:0/0", "not understood"),
    ],
)
def test_what_it_cannot_say(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        cron(text)


def test_intervals() -> None:
    assert (every(600), every(86400), every(7)) == ("*/10 * * * *", "0 0 * * *", "")
