"""When and how files move up: pure rules.

Files are shifted by one, the highest number first, up to the first number that is free. So a logger killed between two
renames leaves a free number, never a file that is overwritten, and the next shift fills it: nothing has to remember
how far the last one came.
"""

from __future__ import annotations

import math
import time

from amonsup.logs.settings import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    Rotated = tuple[int, bool, int]  # number, is_packed, bytes on disk
    Named = tuple[int, bool]

_DAYS = {"daily": 1, "weekly": 7}


def shift(files: list[Rotated], max_files: int, max_bytes: int) -> tuple[list[Named], list[Named]]:
    """What a rotation deletes and what it renames to the number above, each in the order in which to do it.

    `files` are the rotated ones, in any order. Afterwards the current file can become number 1, there are at most
    `max_files` rotated ones, and they take at most `max_bytes` together with it (0: no bound; `files` may contain it
    as number 0, for its size).
    """
    present = {number for number, _, _ in files}
    free = next(number for number in range(1, len(present) + 2) if number not in present)
    room = 0
    deleted, kept = [], []
    for number, is_packed, size in sorted(files):
        room += size
        moved = number + 1 if number < free else number
        if number and (moved > max_files or (max_bytes and room > max_bytes)):
            deleted.append((number, is_packed))
        else:
            kept.append((number, is_packed))
    renamed = [(number, is_packed) for number, is_packed in reversed(kept) if 0 < number < free]
    return deleted[::-1], renamed


def next_boundary(kind: str, after: float) -> float:
    """When a file whose first byte came at `after` (Unix time) is to be rotated: the next full hour, midnight, or
    midnight before Monday, in local time. Infinity for 'never'."""
    if kind == NEVER:
        return math.inf
    local = time.localtime(after)
    if kind == "hourly":
        return math.floor(after) - local.tm_min * 60 - local.tm_sec + 3600.0
    days = _DAYS[kind] if kind == "daily" else 7 - local.tm_wday
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday + days, 0, 0, 0, 0, 0, -1))


def next_look(due: float, wall: float) -> float:
    """When to look whether `due` has come, at the moment `wall` (both Unix time): then, but at every full hour before.

    Nobody tells the logger of a clock that is set, or of a machine that slept; a timer that counts the seconds to
    midnight would be late by as much. At full hours, so that all who wait wake it once.
    """
    return min(due, next_boundary("hourly", wall))
