"""Moments as people write them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.logbook import moments

NOW = datetime(2026, 11, 23, 15, 0, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("now", "2026-11-23T15:00:00+01:00"),
        ("10m", "2026-11-23T14:50:00+01:00"),
        ("2h ago", "2026-11-23T13:00:00+01:00"),
        ("1h30m", "2026-11-23T13:30:00+01:00"),
        ("10 s", "2026-11-23T14:59:50+01:00"),
        ("10 s ago", "2026-11-23T14:59:50+01:00"),
        ("1h 30 m  ago ", "2026-11-23T13:30:00+01:00"),
        ("2w", "2026-11-09T15:00:00+01:00"),
        ("999999999w", "1970-01-01T00:00:00+00:00"),
        ("today", "2026-11-23T00:00:00+01:00"),
        ("Yesterday", "2026-11-22T00:00:00+01:00"),
        ("14:59", "2026-11-23T14:59:00+01:00"),
        ("15:00:00", "2026-11-23T15:00:00+01:00"),
        ("15:01", "2026-11-22T15:01:00+01:00"),
        ("2026-11-23", "2026-11-23T00:00:00+01:00"),
        ("2026-11-23 10:00", "2026-11-23T10:00:00+01:00"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00+00:00"),
        ("2026-11-23T10:00:00.5-05:00", "2026-11-23T10:00:00.500000-05:00"),
    ],
)
def test_what_is_meant(text, means):
    assert moments.parse(text, NOW).isoformat() == means


@pytest.mark.parametrize(
    "text",
    ["", "soon", "10", "10x", "25:00", "12:60", "2026-13-01", "-5m", "10m later", "10 5m", "s", "5m 3", "\x1b[31m"],
)
def test_what_is_no_moment_says_what_is(text):
    with pytest.raises(ValueError, match=r"allowed: 10m, 2h ago, .* RFC 3339") as raised:
        moments.parse(text, NOW)
    assert str(raised.value).isprintable()


@given(st.text(max_size=20))
def test_nothing_else_is_ever_raised(text):
    try:
        assert moments.parse(text, NOW).tzinfo is not None
    except ValueError:
        pass
