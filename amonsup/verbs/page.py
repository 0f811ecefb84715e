"""An answer as a person reads it, before it is known whether there is a terminal, a chat or a pipe.

A page is a list of blocks: lines of text and tables. A cell has a tone, which a terminal shows as a colour and
everything else ignores. No escape sequences here, ever.
"""

from __future__ import annotations

import enum

import msgspec


class Tone(enum.Enum):
    PLAIN = "plain"
    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    FAINT = "faint"
    STRONG = "strong"


class Cell(msgspec.Struct, frozen=True):
    text: str
    tone: Tone = Tone.PLAIN


class Table(msgspec.Struct, frozen=True):
    """`right` names the columns that are aligned to the right; the last column takes what room is left.

    `is_brief`: a terminal cuts what does not fit, because one row is one line; otherwise the last column wraps.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    right: tuple[str, ...] = ()
    is_brief: bool = False


class Line(msgspec.Struct, frozen=True):
    cells: tuple[Cell, ...]


Block = Table | Line
Page = list[Block]


def line(*parts: str | Cell) -> Line:
    return Line(tuple(part if isinstance(part, Cell) else Cell(part) for part in parts))


STATE_TONES = {
    "running": Tone.GOOD,
    "exited": Tone.FAINT,
    "stopped": Tone.FAINT,
    "starting": Tone.BUSY,
    "stopping": Tone.BUSY,
    "waiting": Tone.BUSY,
    "backoff": Tone.BAD,
    "unhealthy": Tone.BAD,
    "fatal": Tone.BAD,
}


def state(word: str) -> Cell:
    return Cell(word, STATE_TONES.get(word, Tone.PLAIN))


def duration(seconds: float | None) -> str:
    """Two units at most: 250ms, 4.2s, 3m12s, 5h03m, 12d4h."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def size(number: int | None) -> str:
    """Binary units, three digits: 5.2M."""
    if number is None:
        return "-"
    value = float(number)
    for unit in ("B", "K", "M", "G", "T"):
        if value < 1024 or unit == "T":
            return f"{value:.0f}{unit}" if value >= 10 or unit == "B" else f"{value:.1f}{unit}"
        value /= 1024
    return "-"
