"""The calendar of `schedule:` and `time_zone:`: when a scheduled service is due, as pure functions of the wall clock.

Cron's five fields, as Debian's cron understands them, are the library cronsim's (docs/decisions/0007); zones are
zoneinfo's. Both are imported by the first question only: most sites have no schedule. Wall times are Unix seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""crontab(5)'s nicknames; the library has none. @reboot is not a time, `autostart` is."""

FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L (the last), LW (the last weekday)",
    "month": "1-12, JAN-DEC",
    "day-of-week": "0-7 (0 and 7: Sunday), SUN-SAT, 5L (the last Friday), MON#1 (the first Monday)",
}
ALLOWED = f"five fields as in crontab(5): minute hour day month weekday; or {', '.join(MACROS)}"
LONGEST = 200
LOCALTIME = "/etc/localtime"


def problem(schedule: str) -> tuple[str, str]:
    """What is wrong with a schedule, and what is allowed there; ('', '') if nothing is."""
    from cronsim import CronSimError

    if len(schedule) > LONGEST:
        return f"is longer than {LONGEST} characters", ALLOWED
    if schedule.startswith("@"):
        return ("", "") if schedule in MACROS else ("is no nickname of a schedule", ", ".join(MACROS))
    count = len(schedule.split())
    if count != len(FIELDS):
        return f"has {count} field{'' if count == 1 else 's'}", ALLOWED
    try:
        is_ever_due = next_after(schedule, "UTC", 0.0) > 0
    except CronSimError as wrong:
        field = str(wrong).removeprefix("Bad ")
        written = schedule.split()[list(FIELDS).index(field)] if field in FIELDS else schedule
        return f"cannot be: {field} {written!r}", f"{FIELDS.get(field, ALLOWED)}; lists, ranges and steps of them"
    if not is_ever_due:
        return "never comes: there is no such day", ALLOWED
    return "", ""


def zone_problem(time_zone: str) -> str:
    """What is wrong with the name of a time zone; empty if nothing is."""
    from zoneinfo import ZoneInfoNotFoundError

    try:
        _zone(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "is unknown"
    return ""


def next_after(schedule: str, time_zone: str, wall: float) -> float:
    """The first moment due after `wall`; 0.0 if none comes within fifty years. An empty zone is the machine's own."""
    return next(_moments(schedule, time_zone, wall), 0.0)


def count_until(schedule: str, time_zone: str, after: float, until: float, most: int) -> int:
    """How many moments are due after `after` and not after `until`; counting ends at `most`."""
    count = 0
    for moment in _moments(schedule, time_zone, after):
        if moment > until or count >= most:
            break
        count += 1
    return count


def _moments(schedule: str, time_zone: str, wall: float) -> Iterator[float]:
    from cronsim import CronSim

    begin = datetime.fromtimestamp(wall, _zone(time_zone))
    for moment in CronSim(MACROS.get(schedule, schedule), begin):
        at = moment.timestamp()
        # In the hour that a clock set back repeats, the library names moments of the first time round.
        if at > wall:
            yield at


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    name = name or os.environ.get("TZ", "").removeprefix(":")
    if name == "UTC":
        return UTC  # the one that needs no files
    if name:
        return ZoneInfo(name)
    try:
        with open(LOCALTIME, "rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC
