"""What a reading of logs is made of: pieces of lines, and a few words in between.

A piece is a run of bytes as they stand in the log, whole lines as a rule: it ends without a newline only where the
log has none (its end, the end of a life that stopped in mid-line) or where a line is longer than anybody should hold
in memory. Whoever wants single lines takes pieces apart.

The cursor of a place in a log is the log's name and a position: `ce.log:123`. It stays valid over rotation and
compression, because positions count all bytes that were ever written.
"""

from __future__ import annotations

import msgspec

from amonsup.logbook import names


class Piece(msgspec.Struct):
    """`at` (Unix time) and `life` are those of the first byte; 0 where nothing is known, or nobody asked.

    `is_context`: it is shown for a match near it.
    """

    log: str
    position: int
    data: bytes
    at: float = 0.0
    life: int = 0
    is_context: bool = False

    @property
    def end(self) -> int:
        return self.position + len(self.data)


class Note(msgspec.Struct, frozen=True):
    """Something to be told beside the lines: bytes that are lost, a file that cannot be read."""

    text: str


class Scanned(msgspec.Struct, frozen=True):
    """Everything of a log before `position` was said, and nothing from before `at` will come of it any more.

    `done` of `total` bytes that are to be looked at.
    """

    log: str
    position: int
    at: float
    done: int
    total: int


class Idle(msgspec.Struct, frozen=True):
    """Everything there is was said; who follows is about to wait. How far it is, for the logs where that changed."""

    positions: dict[str, int]


Item = Piece | Note | Scanned | Idle


class ReadError(Exception):
    """A reading that cannot be done. `code` is one of wire.messages.REFUSALS."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def cursor(log: str, position: int) -> str:
    return f"{log}:{position}"


def keep_position(positions: dict[str, int], log: str, position: int) -> None:
    """How far a log was read. One place each: those of a service's own files may be named from a new anchor."""
    if log not in positions:
        key = names.without_anchor(log)
        for other in [each for each in positions if names.without_anchor(each) == key]:
            del positions[other]
    positions[log] = position


def parse_cursors(text: str) -> dict[str, int]:
    """`ce.log:12,db.log:5` -> positions by log. Raises ReadError."""
    found: dict[str, int] = {}
    for part in text.split(","):
        log, colon, digits = part.strip().rpartition(":")
        if not colon or not log or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
            shown = "".join(c if c.isprintable() else "?" for c in part[:60])
            allowed = "as --json gives them, LOG:POSITION, with a comma between two"
            raise ReadError("bad-request", f"cursor: {shown!r} is none; allowed: {allowed}")
        found[log] = int(digits)
    return found
