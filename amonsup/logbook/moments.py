"""Moments as people write them: `2026-11-23T10:00:00Z`, `10m`, `2h ago`, `today`, `15:30`.

What has no zone is meant in the zone of whoever reads it here; so a client makes a moment absolute before it asks
somebody elsewhere.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

ALLOWED = "10m, 2h ago, 1h30m, today, yesterday, 15:30, 2026-11-23, or RFC 3339: 2026-11-23T15:30:00Z"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"(?:\d{1,9}\s*[smhdw]\s*)+")
_PART = re.compile(r"(\d+)\s*([smhdw])")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DAYS = {"today": 0, "yesterday": 1}


def parse(text: str, now: datetime) -> datetime:
    """The moment meant, with its zone. `now` has a zone, which holds where the text names none. Raises ValueError.

    A clock time is the latest one that is not in the future.
    """
    words = text.strip().lower()
    if words == "now":
        return now
    span = words.removesuffix("ago")
    if _SPAN.fullmatch(span):
        seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(span))
        try:
            return now - timedelta(seconds=seconds)
        except OverflowError:
            return datetime.fromtimestamp(0, UTC)
    if words in _DAYS:
        day = (now - timedelta(days=_DAYS[words])).date()
        return datetime.combine(day, time(), now.tzinfo)
    clock = _CLOCK.fullmatch(words)
    try:
        if clock:
            moment = datetime.combine(now.date(), time(int(clock[1]), int(clock[2]), int(clock[3] or 0)), now.tzinfo)
            return moment if moment <= now else moment - timedelta(days=1)
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=now.tzinfo)
    except (ValueError, OverflowError):
        shown = "".join(c if c.isprintable() else "?" for c in text[:40])
        raise ValueError(f"{shown!r} is no moment; allowed: {ALLOWED}") from None


def here() -> datetime:
    """Now, in the zone of this machine."""
    return datetime.now().astimezone()


def rfc3339(at: float) -> str:
    """Unix time as text, UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
