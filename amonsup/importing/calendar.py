"""OnCalendar= of a systemd timer (systemd.time(7), 'Calendar events') as five fields of cron, where that can be said.

What cron cannot say: years, seconds, the last days of a month, a time zone, and a day of the week *and* of the month at
once (cron takes either). Then there is no schedule, and the text says why; seconds are dropped, and that is said too.
"""

from __future__ import annotations

import re

import msgspec

SHORTHANDS = {
    "minutely": "* * * * *", "hourly": "0 * * * *", "daily": "0 0 * * *", "monthly": "0 0 1 * *",
    "weekly": "0 0 * * 1", "yearly": "0 0 1 1 *", "annually": "0 0 1 1 *", "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
}  # fmt: skip
INTERVALS = (
    (60, "* * * * *"), (300, "*/5 * * * *"), (600, "*/10 * * * *"), (900, "*/15 * * * *"), (1200, "*/20 * * * *"),
    (1800, "*/30 * * * *"), (3600, "0 * * * *"), (7200, "0 */2 * * *"), (10800, "0 */3 * * *"), (14400, "0 */4 * * *"),
    (21600, "0 */6 * * *"), (28800, "0 */8 * * *"), (43200, "0 */12 * * *"), (86400, "0 0 * * *"),
    (604800, "0 0 * * 1"),
)  # fmt: skip
_DAYS = {name: str(number) for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_TIME = re.compile(r"([0-9*,./]+):([0-9*,./]+)(?::([0-9*,./]+))?")
_DATE = re.compile(r"(?:([0-9*,./]+)-)?([0-9*,./]+)-([0-9*,./~]+)")
_PART = re.compile(r"(\*|[0-9]{1,2})(?:\.\.([0-9]{1,2}))?(?:/([0-9]{1,2}))?")
_ZONE = re.compile(r"UTC|[A-Za-z_]+/[A-Za-z0-9_+/-]+")


class Cron(msgspec.Struct, frozen=True):
    """`note`: what of the original it does not say."""

    schedule: str
    zone: str = ""
    note: str = ""


def cron(text: str) -> Cron:
    """The schedule of one OnCalendar=. ValueError: cron cannot say it, and why."""
    words = text.split()
    zone = words.pop() if words and _ZONE.fullmatch(words[-1]) and words[-1].lower() not in SHORTHANDS else ""
    if len(words) == 1 and words[0].lower() in SHORTHANDS:
        return Cron(SHORTHANDS[words[0].lower()], zone)
    days = _weekdays(words.pop(0)) if words and words[0][:1].isalpha() else "*"
    month = day = "*"
    hour = minute = second = "0"
    for word in words:
        if match := _TIME.fullmatch(word):
            hour, minute, second = _field(match[1], 23), _field(match[2], 59), match[3] or "0"
        elif match := _DATE.fullmatch(word):
            if match[1] not in (None, "*"):
                raise ValueError("cron knows no years")
            if "~" in match[3]:
                raise ValueError("cron cannot count days from the end of a month")
            month, day = _field(match[2], 12, 1), _field(match[3], 31, 1)
        else:
            raise ValueError(f"'{word}' is not understood")
    if not words and days == "*":
        raise ValueError("says nothing")
    if days != "*" and day != "*":
        raise ValueError("cron runs on the day of the week or of the month, not on both together")
    note = "" if set(second) <= {"0"} else f"at second 0, not {second}"
    return Cron(f"{minute} {hour} {day} {month} {days}", zone, note)


def every(span_s: float) -> str:
    """The schedule nearest to 'every SPAN after the last run', '' if there is none."""
    return next((schedule for length, schedule in INTERVALS if length == span_s), "")


def _weekdays(text: str) -> str:
    parts = []
    for part in text.rstrip(",").split(","):
        ends = [_DAYS.get(each[:3].lower(), "") for each in re.split(r"\.\.|-", part)]
        if not all(ends) or len(ends) > 2:
            raise ValueError(f"'{part}' is no day of the week")
        if len(ends) == 2 and ends[1] == "0":
            ends[1] = "7"
        parts.append("-".join(ends))
    return ",".join(parts)


def _field(text: str, most: int, least: int = 0) -> str:
    parts = []
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(f"'{part}' is not understood")
        start, end, step = match.groups()
        if any(each and each != "*" and not least <= int(each) <= most for each in (start, end)):
            raise ValueError(f"'{part}' is out of range")
        plain = "*" if start == "*" else str(int(start))
        if end:
            plain += f"-{int(end)}"
        if step:
            if int(step) == 0:
                raise ValueError(f"'{part}' is not understood")
            plain = "*" if start == "*" or (int(start) == least and not end) else plain if end else f"{plain}-{most}"
            plain += f"/{int(step)}"
        parts.append(plain)
    return ",".join(parts)
