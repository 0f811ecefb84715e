"""Lines with the time in front: pure bytes to bytes.

A stamp stands where a line begins, whenever the first byte of that line came; `is_at_start` carries over from one piece
to the next whether a line is to begin. RFC 3339 in UTC with milliseconds, then a blank.
"""

from __future__ import annotations

import time


def stamp(at: float) -> bytes:
    """`2026-11-23T15:04:05.123Z ` for a Unix time."""
    milliseconds = int(at * 1000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{whole}.{milliseconds % 1000:03d}Z ".encode()


def stamped(raw: bytes, mark: bytes, is_at_start: bool) -> bytes:
    """`raw` with `mark` before every line that begins in it."""
    if not raw:
        return b""
    ends = raw.endswith(b"\n")
    body = raw[:-1] if ends else raw
    marked = body.replace(b"\n", b"\n" + mark) + (b"\n" if ends else b"")
    return mark + marked if is_at_start else marked


def fitting(raw: bytes, mark: bytes, is_at_start: bool, room: int) -> int:
    """How many bytes of `raw` can be stamped into `room`: whole lines only, so it may be 0."""
    if len(raw) + (raw.count(b"\n") + 1) * len(mark) <= room:
        return len(raw)
    used = taken = 0
    while True:
        end = raw.find(b"\n", taken) + 1
        if end == 0:
            return taken
        used += end - taken + (len(mark) if taken or is_at_start else 0)
        if used > room:
            return taken
        taken = end
