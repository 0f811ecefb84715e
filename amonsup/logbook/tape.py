"""One log, opened: the bytes of its rotated, packed and current files as one sequence.

All files are opened at once and held, so a rotation, a compression or a removal that comes later takes nothing away
and doubles nothing. Only what is asked for is read: the end of a log does not cost its beginning, except that a packed
file can only be unpacked from its start. Memory is a block, and one line.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator

from amonsup.logbook import names
from amonsup.logbook.gz import unpack
from amonsup.logbook.index import Marks
from amonsup.logbook.layout import Layout, Segment, layout
from amonsup.logbook.pieces import Note, ReadError

BLOCK = 256 * 1024
MAX_LINE = 4 * 1024 * 1024
"""A longer line comes in parts."""

MOST_LOOKS = 20
BELIEVED_DOUBTS = 3


class Part:
    """An open file that covers [start, end); the current one, which grows, at least that."""

    __slots__ = ("end", "fd", "inode", "is_current", "is_packed", "name", "start")

    def __init__(self, fd: int, segment: Segment) -> None:
        file = segment.file
        self.name = file.name
        self.fd = fd
        self.inode = file.inode
        self.is_packed = file.is_packed
        self.is_current = file.number == 0
        self.start = segment.start
        self.end = max(segment.end, segment.start + os.fstat(fd).st_size) if self.is_current else segment.end


Block = tuple[int, bytes]


class Tape:
    """`log` is its name (`ce.log`). `notes` collects what could not be read. Close it.

    `is_rebuilt`: there is no index that fits the files; positions and times are guesses.
    """

    def __init__(self, log: str, marks: Marks, parts: list[Part], *, is_rebuilt: bool = False) -> None:
        self.log = log
        self.marks = marks
        self.parts = parts
        self.is_rebuilt = is_rebuilt
        self.notes: list[Note] = []

    @property
    def start(self) -> int:
        return self.parts[0].start if self.parts else self.end

    @property
    def spans(self) -> Marks:
        """When what was written, for `since` and `until`."""
        return self.marks

    @property
    def end(self) -> int:
        return self.parts[-1].end if self.parts else self.marks.last_position

    def close(self) -> None:
        _close(self.parts)
        self.parts.clear()

    def blocks(self, start: int, end: int, *, keeps_rest: bool = False) -> Iterator[Block]:
        """(position, whole lines) from `start`, where a line begins, up to `end`.

        The last line comes without its newline if the log has none there; with `keeps_rest` it does not come at all.
        """
        rest_at, rest = start, b""
        for position, data in self._bytes(start, end):
            if rest and rest_at + len(rest) != position:
                yield rest_at, rest  # its end is lost
                rest = b""
            if not rest:
                rest_at = position
            cut = data.rfind(b"\n") + 1
            if cut:
                yield rest_at, rest + data[:cut] if rest else data[:cut]
                rest_at, rest = position + cut, data[cut:]
            else:
                rest += data
            if len(rest) >= MAX_LINE:
                yield rest_at, rest
                rest_at, rest = rest_at + len(rest), b""
        if rest and not keeps_rest:
            yield rest_at, rest

    def line_start(self, position: int) -> int:
        """`position` if a line begins there, else where the next one does (or the end)."""
        if position <= self.start:
            return position
        at = position - 1
        for begin, data in self._bytes(at, self.end):
            found = data.find(b"\n")
            if found >= 0:
                return begin + found + 1
        return self.end

    def last_lines(self, count: int, start: int, end: int) -> int:
        """Where the last `count` lines of [start, end) begin."""
        if count <= 0:
            return end
        wanted = count  # newlines to be passed backwards
        is_first = True
        for part in reversed(self.parts):
            low, high = max(start, part.start), min(end, part.end)
            if low >= high:
                continue
            if is_first:
                wanted += self._byte_at(part, high - 1) == b"\n"
                is_first = False
            look = self._from_packed if part.is_packed else self._from_plain
            passed, place = look(part, low, high, wanted)
            if place >= 0:
                return place
            wanted -= passed
        return max(start, min(self.start, end))

    # -- inside --

    def _from_plain(self, part: Part, low: int, high: int, wanted: int) -> tuple[int, int]:
        """(newlines passed, position behind the wanted one or -1), from the end."""
        passed = 0
        at = high
        while at > low:
            begin = max(low, at - BLOCK)
            data = os.pread(part.fd, at - begin, begin - part.start)
            here = data.count(b"\n")
            if passed + here >= wanted:
                place = len(data)
                for _ in range(wanted - passed):
                    place = data.rfind(b"\n", 0, place)
                return wanted, begin + place + 1
            passed += here
            at = begin
        return passed, -1

    def _from_packed(self, part: Part, low: int, high: int, wanted: int) -> tuple[int, int]:
        """The same; once through to count, and once more to find the place."""
        total = sum(data.count(b"\n") for _, data in self._bytes_of(part, low, high))
        if total < wanted:
            return total, -1
        skip = total - wanted
        for begin, data in self._bytes_of(part, low, high):
            here = data.count(b"\n")
            if here > skip:
                place = -1
                for _ in range(skip + 1):
                    place = data.find(b"\n", place + 1)
                return wanted, begin + place + 1
            skip -= here
        return wanted, low

    def _byte_at(self, part: Part, position: int) -> bytes:
        if not part.is_packed:
            return os.pread(part.fd, 1, position - part.start)
        last = b""
        for _, data in self._bytes_of(part, position, position + 1):
            last = data
        return last

    def _bytes(self, start: int, end: int) -> Iterator[Block]:
        for part in self.parts:
            low, high = max(start, part.start), min(end, part.end)
            if low < high:
                yield from self._bytes_of(part, low, high)

    def _bytes_of(self, part: Part, low: int, high: int) -> Iterator[Block]:
        if part.is_packed:
            yield from self._unpacked(part, low, high)
            return
        at = low
        while at < high:
            data = os.pread(part.fd, min(BLOCK, high - at), at - part.start)
            if not data:
                self.notes.append(Note(f"{part.name} was cut: {high - at} bytes are gone"))
                return
            yield at, data
            at += len(data)

    def _unpacked(self, part: Part, low: int, high: int) -> Iterator[Block]:
        at = part.start
        try:
            for data in unpack(part.fd):
                end = at + len(data)
                if end > low:
                    begin = max(at, low)
                    yield begin, data[begin - at : high - at]
                at = end
                if at >= high:
                    return
        except (zlib.error, EOFError) as error:
            self.notes.append(
                Note(f"{part.name} is damaged after {at - part.start} bytes: {error}; the rest is left out")
            )
            return
        if at < high:
            self.notes.append(Note(f"{part.name} is {high - at} bytes shorter than it was"))


def open_tape(log_dir: str, log: str) -> Tape:
    """Every file that is there of a log; none of them is no error. Raises ReadError."""
    index = names.index_path(log_dir, log)
    doubts = 0
    for number in range(MOST_LOOKS):
        before = _state_of(index)
        found = layout(log_dir, log)
        parts = _open_all(found)
        if parts is None:
            continue
        # A rotation while we looked can make a good index look like one that does not fit.
        doubts += found.is_rebuilt
        is_sure = _state_of(index) == before and (not found.is_rebuilt or doubts >= BELIEVED_DOUBTS)
        if is_sure or number == MOST_LOOKS - 1:
            return Tape(log, found.marks, parts, is_rebuilt=found.is_rebuilt)
        _close(parts)
    raise ReadError("busy", f"{log}: its files change faster than they can be opened")


def _state_of(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_ino, status.st_size


def _close(parts: list[Part]) -> None:
    for part in parts:
        os.close(part.fd)


def _open_all(found: Layout) -> list[Part] | None:
    """None if one of them is not what it was a moment ago."""
    parts: list[Part] = []
    for segment in found.segments:
        fd = _open(found.path(segment), segment.file.inode)
        if fd < 0:
            _close(parts)
            return None
        parts.append(Part(fd, segment))
    return parts


def _open(path: str, inode: int) -> int:
    """Never through a link, never something that blocks; -1 if it is not that file. Raises ReadError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise ReadError("forbidden", f"{path}: {error.strerror}") from None
    except OSError:
        return -1
    status = os.fstat(fd)
    if status.st_ino != inode or not stat.S_ISREG(status.st_mode):
        os.close(fd)
        return -1
    return fd


def may_read(log_dir: str, log: str) -> bool:
    """Whether this process can read all of a log by itself: its directory, files and index."""
    if not os.access(log_dir, os.R_OK | os.X_OK):
        return False
    files = [os.path.join(log_dir, entry) for entry in os.listdir(log_dir) if names.parse(log, entry)]
    return not any(_is_closed(path) for path in (names.index_path(log_dir, log), *files))


def _is_closed(path: str) -> bool:
    """It is there, or may be, and is not for us."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return not os.access(path, os.R_OK)
