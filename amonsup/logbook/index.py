"""The index of a log: an append-only file of marks, each of which says what begins at a position.

    SEGM   a segment begins here; `mark` is the inode of its (unpacked) file, `time` when it was begun
    LIFE   what follows was written by life `generation`; `mark` tells lives with the same number apart (numbers begin
           again when the daemon does), `time` when the first of it was captured
    TIME   what follows was captured at `time` or later; marks are about a second apart in a flood, and at most
           TIME_APART_S apart in a trickle: what lies between two marks was captured within TIME_APART_S of the first
    DROP   `mark` bytes that should stand here were dropped, because they could not be written

A record has 32 bytes, little-endian: kind (4 letters), generation u32, mark u64, time f64 (Unix time), position u64.
Positions never decrease. Reading ends at the first record that cannot be one; times may go back with the clock.
"""

from __future__ import annotations

import os
import stat
import struct

RECORD = struct.Struct("<4sIQdQ")
SIZE = RECORD.size
_TIME = struct.Struct("<16xd")
_POSITION = struct.Struct("<24xQ")

SEGMENT = b"SEGM"
LIFE = b"LIFE"
TIME = b"TIME"
DROP = b"DROP"
KINDS = frozenset({SEGMENT, LIFE, TIME, DROP})

TIME_APART_S = 10.0
MOST_BYTES = 64 << 20
"""The two million records of years; whoever reads need not be who wrote."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Record = tuple[bytes, int, int, float, int]
else:
    Record = tuple


def encode(kind: bytes, position: int, time: float, *, generation: int = 0, mark: int = 0) -> bytes:
    """One record."""
    return RECORD.pack(kind, generation & 0xFFFFFFFF, mark & 0xFFFFFFFFFFFFFFFF, time, position)


class Marks:
    """A decoded index; looked up by bisection, never unpacked as a whole. `is_whole`: nothing of it was unreadable."""

    __slots__ = ("_count", "_raw", "is_whole")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._count = _valid_records(raw)
        self.is_whole = self._count * SIZE == len(raw)

    def __len__(self) -> int:
        return self._count

    @property
    def valid_bytes(self) -> int:
        return self._count * SIZE

    def raw(self) -> bytes:
        """The readable records as they stand in the file."""
        return self._raw[: self._count * SIZE]

    def record(self, number: int) -> Record:
        """(kind, generation, mark, time, position) of the record `number`, counted from 0."""
        return RECORD.unpack_from(self._raw, number * SIZE)

    @property
    def last_position(self) -> int:
        """Of the last record; 0 for an empty index."""
        return self.record(self._count - 1)[4] if self._count else 0

    def count_before(self, position: int) -> int:
        """How many records stand strictly before `position`."""
        return self._bisect(_POSITION, position)

    def count_until(self, position: int) -> int:
        """How many records stand at or before `position`."""
        return self._bisect(_POSITION, position + 1)

    def first_since(self, time: float) -> int:
        """The number of the first record not older than `time` (a clock that went back makes this approximate)."""
        return self._bisect(_TIME, time)

    def time_of(self, position: int) -> float:
        """When what stands at `position` was captured, at the earliest; 0.0 if nothing is known."""
        number = self.count_until(position)
        return self.record(number - 1)[3] if number else 0.0

    def of_kind(self, kind: bytes) -> list[Record]:
        """All records of a kind that is rare: SEGMENT, LIFE or DROP."""
        found = []
        at = self._raw.find(kind)
        while 0 <= at < self._count * SIZE:
            if at % SIZE == 0:
                found.append(RECORD.unpack_from(self._raw, at))
            at = self._raw.find(kind, at + 1)
        return found

    def life_at(self, position: int) -> Record | None:
        """The LIFE record that what stands at `position` belongs to."""
        found = None
        for record in self.of_kind(LIFE):
            if record[4] > position:
                break
            found = record
        return found

    def _bisect(self, field: struct.Struct, least: float) -> int:
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if field.unpack_from(self._raw, middle * SIZE)[0] < least:
                low = middle + 1
            else:
                high = middle
        return low


def read(path: str) -> Marks:
    """The index file, at most MOST_BYTES of it; an empty one if there is none or it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return Marks(b"")
            return Marks(file.read(MOST_BYTES) or b"")
    except OSError:
        return Marks(b"")


def _valid_records(raw: bytes) -> int:
    """How many records from the beginning can be ones."""
    count, last = 0, 0
    for kind, _, _, _, position in RECORD.iter_unpack(memoryview(raw)[: len(raw) - len(raw) % SIZE]):
        if kind not in KINDS or position < last:
            break
        last = position
        count += 1
    return count
