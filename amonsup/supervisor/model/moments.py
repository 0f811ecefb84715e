"""A moment of the wall clock as text. The engine may not ask the clock, so it does not import what could."""

from __future__ import annotations


def utc(wall: float) -> str:
    """`2026-11-23 17:00:00 UTC` out of Unix seconds from 1970 on; 0 is 'never'.

    Days to a date as Howard Hinnant's chrono-compatible algorithms have it: years begin in March, so that the day
    that some have and others have not is the last.
    """
    if not wall:
        return "never"
    days, seconds = divmod(int(wall), 86400)
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march + 2) // 5 + 1
    month = march + 3 if march < 10 else march - 9
    year = year_of_era + era * 400 + (month <= 2)
    hour, minute = seconds // 3600, seconds // 60 % 60
    return f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{seconds % 60:02} UTC"
