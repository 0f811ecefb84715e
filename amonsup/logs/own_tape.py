"""A file that a service writes by itself, with what was rotated away of it: FILE.2.gz, FILE.1 and FILE as one sequence.

There is no index beside such files, and whoever reads them asks nobody. What holds a place is an *anchor*: the inode of
a file and a checksum of how it begins. Rotations move a file (by rename, or packed) or take its head into another one,
which then begins as the file had begun; so the bytes behind an anchor are found again wherever they lie. Positions are
counted from the newest file that had something in it when we looked; the name of the log says from which
(`ce/var/log/ce/ce.log#ANCHOR`), and that makes cursors that last. An anchor that is gone leads to the oldest file there
is, so a cursor may give something twice, never too little.

The head of a file can be taken out (collapse) while it is read. So what was read of the current file counts only if the
file still begins as it did before; otherwise the place is looked for anew. Nothing is opened through a link; what is
not the service's own regular file is left out, and said.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from amonsup.logbook import index, names
from amonsup.logbook.files import File, look
from amonsup.logbook.gz import unpack
from amonsup.logbook.index import Marks
from amonsup.logbook.layout import Segment, stack
from amonsup.logbook.pieces import Note
from amonsup.logbook.tape import BLOCK, MOST_LOOKS, Block, Part, Tape
from amonsup.logs.cutting import SAFE, unfit

HEAD = 4096
BASE = 1 << 40
"""Where the oldest file begins at first: what is found before it later has room, too."""


class Anchor(NamedTuple):
    """The file that begins at `start`. As text: it stands in the name of the log."""

    inode: int
    length: int
    checksum: int
    start: int

    def __str__(self) -> str:
        return f"{self.inode:x}.{self.length}.{self.checksum:08x}.{self.start}"


def parse_anchor(text: str) -> Anchor | None:
    """None if it is none."""
    parts = text.split(".")
    try:
        found = Anchor(int(parts[0], 16), int(parts[1]), int(parts[2], 16), int(parts[3]))
    except (ValueError, IndexError):
        return None
    return found if 0 <= found.length <= HEAD and abs(found.start) < 1 << 60 else None


class OwnPart(Part):
    """An open file. `head`: how it began when it was opened."""

    __slots__ = ("_head", "modified")

    def __init__(self, fd: int, segment: Segment) -> None:
        super().__init__(fd, segment)
        self.modified = segment.file.modified
        self._head: bytes | None = None
        if self.is_current:
            self._head = os.pread(fd, HEAD, 0)

    @property
    def head(self) -> bytes:
        if self._head is None:
            self._head = self._unpacked_head() if self.is_packed else os.pread(self.fd, HEAD, 0)
        return self._head

    def is_unmoved(self) -> bool:
        """Whether it still begins as it did, so that offsets in it are what they were."""
        head = self.head
        return os.pread(self.fd, len(head), 0) == head

    def grow(self) -> None:
        """Take up what was appended; of a file that has just begun, more of its head."""
        self.end = max(self.end, self.start + os.fstat(self.fd).st_size)
        if len(self.head) < HEAD:
            head = os.pread(self.fd, HEAD, 0)
            if head.startswith(self.head):
                self._head = head

    def fits(self, anchor: Anchor) -> bool:
        head = self.head
        return len(head) >= anchor.length and zlib.crc32(head[: anchor.length]) == anchor.checksum

    def _unpacked_head(self) -> bytes:
        try:
            return next(unpack(self.fd), b"")[:HEAD]
        except (zlib.error, EOFError):
            return b""


class OwnTape(Tape):
    """`parts`, oldest first, are replaced whenever files have moved; positions stay what they are. Close it."""

    parts: list[OwnPart]  # type: ignore[assignment]

    def __init__(self, service: str, path: str) -> None:
        self.path = path
        self._key = names.own_log(service, path)
        super().__init__(self._key, Marks(b""), [], is_rebuilt=True)
        self._told: set[str] = set()
        self._bottom = BASE  # where everything ends if there is nothing
        self._seen: list[tuple[str, int]] = []
        self.renewals = 0
        self.anchor = Anchor(0, 0, 0, BASE)
        self.parts = self._opened()
        self._cast_anchor()
        try:
            reason = unfit(os.lstat(path))
        except OSError as error:
            reason = "is not there (yet)" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
        if reason and not self.current:
            self._tell(f"{path} {reason}")

    @property
    def end(self) -> int:
        return self.parts[-1].end if self.parts else self._bottom

    @property
    def spans(self) -> Marks:
        """When what was written, as far as the files' own times tell: a file begins when the one before it ended."""
        raw = bytearray()
        began = 0.0
        for part in self.parts:
            raw += index.encode(index.SEGMENT, part.start, began)
            began = part.modified
        return Marks(bytes(raw + index.encode(index.TIME, self.end, began)))

    @property
    def current(self) -> OwnPart | None:
        return self.parts[-1] if self.parts and self.parts[-1].is_current else None

    def position_of(self, cursors: dict[str, int]) -> int | None:
        """Where a cursor leads to; None if there is none for this log."""
        for log, position in cursors.items():
            key, _, text = log.rpartition(names.ANCHORED)
            if key == self._key:
                anchor = parse_anchor(text)
                found = _holding(self.parts, anchor) if anchor is not None else None
                return self.start if anchor is None or found is None else found.start + position - anchor.start
        return None

    def raw(self, start: int, end: int) -> Iterator[Block]:
        """(position, bytes) of what is there of [start, end)."""
        return self._bytes(start, end)

    def grow(self) -> None:
        """Take up what was appended."""
        current = self.current
        if current is not None and not current.head and os.fstat(current.fd).st_size:
            self.renew()  # it may have been full, and rotated, since it was seen empty
        elif current is not None:
            current.grow()
            if self.anchor.length < HEAD:
                self._cast_anchor()

    def has_moved(self) -> bool:
        """Whether the current file is not what it was, or another one has its name."""
        current = self.current
        try:
            status = os.lstat(self.path)
        except OSError:
            return False  # the next one is not there yet
        if current is not None and status.st_ino != current.inode:
            return True
        if (
            current is None or not current.head
        ):  # it is none of ours; or it may have been full, and emptied into another
            return self._seen != [(file.name, file.inode) for file in self._look(*os.path.split(self.path))]
        return os.fstat(current.fd).st_size < current.end - current.start or not current.is_unmoved()

    def renew(self) -> None:
        """Open what is there now; whatever is still there of what was, keeps its positions."""
        old, self._bottom = self.parts, self.end
        self.renewals += 1
        self.parts = self._opened()
        found = _holding(self.parts, self.anchor) if old else None
        if found is not None and not (found.is_current and _is_shorter(found, old[-1])):
            _shift(self.parts, self.anchor.start - found.start)
        else:
            self._lay_anew(old)
        self._cast_anchor()
        for part in old:
            os.close(part.fd)

    # -- inside --

    def _bytes_of(self, part: Part, low: int, high: int) -> Iterator[Block]:
        if part is not self.current:
            yield from super()._bytes_of(part, low, high)
            return
        at = low
        while at < high:
            data = os.pread(part.fd, min(BLOCK, high - at), at - part.start)
            if not data or not part.is_unmoved():
                self.renew()
                where = next((each.start for each in self.parts if at < each.end), self.end)
                if where > at:
                    self.notes.append(Note(f"{self.path} was emptied: {where - at} bytes are gone"))
                yield from self._bytes(at, high)
                return
            yield at, data
            at += len(data)

    def _lay_anew(self, old: list[OwnPart]) -> None:
        """The file we held on to is gone. What we do not know is new, so it begins behind all that was."""
        number = next((number for number, part in enumerate(self.parts) if not _is_known(part, old)), len(self.parts))
        known, new = self.parts[:number], self.parts[number:]
        if known:
            _shift(known, self.anchor.start - known[-1].end)
        if new:
            _shift(new, self._bottom - new[0].start)

    def _cast_anchor(self) -> None:
        """At the newest file that has anything in it."""
        part = next((part for part in reversed(self.parts) if part.end > part.start), None)
        if part is not None and part.head:
            self.anchor = Anchor(part.inode, len(part.head), zlib.crc32(part.head), part.start)
        elif not self.parts or part is None:
            self.anchor = Anchor(0, 0, 0, self.start)
        self.log = f"{self._key}{names.ANCHORED}{self.anchor}"

    def _opened(self) -> list[OwnPart]:
        """All files, none of them moved meanwhile; `notes` says what is left out."""
        directory, name = os.path.split(self.path)
        for number in range(MOST_LOOKS):
            files = self._look(directory, name)
            parts = self._open_all(directory, files)
            self._seen = [(file.name, file.inode) for file in files]
            is_settled = self._seen == [(file.name, file.inode) for file in self._look(directory, name)]
            if is_settled and all(part.is_unmoved() for part in parts[-1:] if part.is_current):
                return _without_prefix(parts)
            if number < MOST_LOOKS - 1:
                for part in parts:
                    os.close(part.fd)
        return _without_prefix(parts)

    @staticmethod
    def _look(directory: str, name: str) -> list[File]:
        """Newest first; behind the current one what an attendant has just cut off it (cutting.py)."""
        files = look(directory, name)
        copy = f".{name}.amonsup-cut"
        try:
            status = os.lstat(os.path.join(directory, copy))
        except OSError:
            return files
        first = 1 if files and files[0].number == 0 else 0
        return [*files[:first], File(copy, 1, False, status.st_ino, status.st_size, status.st_mtime), *files[first:]]

    def _open_all(self, directory: str, files: list[File]) -> list[OwnPart]:
        parts = []
        for segment in stack(files, BASE):
            path = os.path.join(directory, segment.file.name)
            fd = self._open(path, segment.file.inode)
            if fd >= 0:
                parts.append(OwnPart(fd, segment))
        return _stacked(parts)

    def _open(self, path: str, inode: int) -> int:
        """-1: it is not that file, or none that we may show."""
        try:
            reason = unfit(os.lstat(path))
            fd = os.open(path, os.O_RDONLY | SAFE) if not reason else -1
        except FileNotFoundError:
            return -1
        except OSError as error:
            reason, fd = error.strerror or str(error), -1
        if fd >= 0:
            status = os.fstat(fd)
            reason = unfit(status)
            if not reason and status.st_ino == inode:
                return fd
            os.close(fd)
        if reason:
            self._tell(f"{path} {reason}; it is left out")
        return -1

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.notes.append(Note(text))


def _without_prefix(parts: list[OwnPart]) -> list[OwnPart]:
    """Without a copy that is still being made: its bytes are in the current file yet."""
    if len(parts) < 2 or not parts[-1].is_current or not parts[-2].name.endswith(".amonsup-cut"):
        return parts
    copy = parts[-2]
    if not parts[-1].head.startswith(copy.head) and copy.inode not in [part.inode for part in parts[:-2]]:
        return parts
    os.close(copy.fd)
    return _stacked([*parts[:-2], parts[-1]])


def _stacked(parts: list[OwnPart]) -> list[OwnPart]:
    """End to end: some may have been left out."""
    at = BASE
    for part in parts:
        _shift([part], at - part.start)
        at = part.end
    return parts


def _shift(parts: list[OwnPart], delta: int) -> None:
    for part in parts:
        part.start += delta
        part.end += delta


def _is_shorter(part: OwnPart, before: OwnPart) -> bool:
    return part.inode == before.inode and part.end - part.start < before.end - before.start


def _holding(parts: list[OwnPart], anchor: Anchor) -> OwnPart | None:
    """The file that the anchor speaks of."""
    if not anchor.length:
        return parts[0] if parts else None  # nothing was there: all of it is behind
    for part in parts:
        if not part.is_packed and part.inode == anchor.inode and part.fits(anchor):
            return part
    for is_packed in (False, True):
        for part in parts:
            if part.is_packed == is_packed and part.fits(anchor):
                return part
    return None


def _is_known(part: OwnPart, old: list[OwnPart]) -> bool:
    return any(part.head == each.head for each in old if not each.is_current)
