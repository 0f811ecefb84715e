"""The growing end of one log, over rotation, truncation, removal and whatever else happens to its files.

The index is believed first: once it names a new segment, what belongs to the old one is asked of it anew. A file is
held open, so what was written to it is read to its end under whatever name it has by then; only then the next one is
looked for. A file that somebody else cut or removed is noticed by its size or its inode; the logger goes on in a new
segment, and so do we.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from amonsup.logbook import index, names
from amonsup.logbook.index import Marks
from amonsup.logbook.inotify import OF_FILE, Inotify
from amonsup.logbook.lines import Lines
from amonsup.logbook.pieces import Note
from amonsup.logbook.span import Labels
from amonsup.logbook.tape import BLOCK, Block, Part, Tape, open_tape

MOST_AT_ONCE = 4 * 1024 * 1024
"""Bytes taken from one log before others get their turn."""

_MOST_RECORDS = 2048
_KEPT_RECORDS = 64


class Tail(Lines):
    """`look` gives what is new. `position` is where the first line begins that was not given yet."""

    def __init__(self, log_dir: str, log: str, position: int, inotify: Inotify, wall: Callable[[], float]) -> None:
        super().__init__(position)
        self.log = log
        self.notes: list[Note] = []
        self.labels = Labels(log, Marks(b""))
        self.watch = -1
        self.has_more = False  # there is more to be had at once
        self._log_dir = log_dir
        self._inotify = inotify
        self._wall = wall
        self._growth = _Growth(names.index_path(log_dir, log))
        self._part: Part | None = None
        self._unpacking: Iterator[Block] | None = None

    def close(self) -> None:
        if self.watch >= 0:
            self._inotify.unwatch(self.watch)
            self.watch = -1
        if self._part is not None:
            os.close(self._part.fd)
            self._part = self._unpacking = None

    def look(self) -> list[Block]:
        """Whole lines, in order."""
        self._growth.look()
        if self._growth.has_begun or self._part is None:
            self._growth.has_begun = False
            self._open()
        found = self._lines()
        if found:
            self._growth.look()  # what marks these lines was written after them
            self.labels = Labels(self.log, self._growth.marks, self._wall())
        return found

    # -- inside --

    def _lines(self) -> list[Block]:
        found: list[Block] = []
        taken = 0
        has_moved = False
        while taken < MOST_AT_ONCE:
            data = self._read()
            if data:
                taken += len(data)
                has_moved = False
                self.cut(data, found)
            elif has_moved or self._is_current() or not self._open():
                self.has_more = False
                return found
            else:
                has_moved = True
        self.has_more = True
        return found

    def _read(self) -> bytes:
        part = self._part
        if part is None:
            return b""
        if self._unpacking is not None:
            return next(self._unpacking, (0, b""))[1]
        most = BLOCK if part.is_current else min(BLOCK, part.end - self.at)
        return os.pread(part.fd, most, self.at - part.start) if most > 0 else b""

    def _is_current(self) -> bool:
        """Whether what is open is where the next line will be written, as far as anybody can see."""
        part = self._part
        if part is None or not part.is_current:
            return False
        try:
            status = os.lstat(os.path.join(self._log_dir, self.log))
        except OSError:
            return False
        return status.st_ino == part.inode and status.st_size >= self.at - part.start

    def _open(self) -> bool:
        """Find the file in which to go on; False: there is none but the one that is open."""
        tape = open_tape(self._log_dir, self.log)
        part = self._choose(tape)
        if part is None:
            tape.close()
            return False
        old = self._part
        is_same = old is not None and (part.inode, part.start, part.end) == (old.inode, old.start, old.end)
        tape.parts.remove(part)
        tape.close()
        if old is None or old.inode != part.inode:
            self.close()
            self.watch = self._inotify.watch(part.fd, OF_FILE)
        else:
            os.close(old.fd)  # the watch is on the file, and stays
        self._part = part
        self._unpacking = Tape(self.log, tape.marks, [part]).blocks(self.at, part.end) if part.is_packed else None
        return not is_same

    def _choose(self, tape: Tape) -> Part | None:
        if tape.is_rebuilt and self._part is not None:
            self._follow_inode(tape, self._part)
        for part in tape.parts:
            if part.is_current or self.at < part.end:
                if part.start > self.at:
                    self._miss(part.start)
                return part
        return None

    def _follow_inode(self, tape: Tape, old: Part) -> None:
        """Positions are not what they were: the file that is open says where we are."""
        for part in tape.parts:
            if part.inode == old.inode and part.start + self.at - old.start <= part.end:
                self.position += part.start - old.start
                return
        if tape.parts:
            self.skip_to(tape.parts[-1].start)

    def _miss(self, position: int) -> None:
        self.notes.append(Note(f"{self.log}: {position - self.at} bytes are gone before they could be read"))
        self.skip_to(position)


class _Growth:
    """What comes to an index, read as it comes; of what was there before only the end is kept.

    `has_begun`: a segment has, or it is another index; whoever acts on it takes it back.
    """

    def __init__(self, path: str) -> None:
        self.marks = Marks(b"")
        self.has_begun = False
        self._path = path
        self._inode = 0
        self._size = 0
        self._raw = b""
        self._last_segment = (0, 0)

    def look(self) -> None:
        """Read on."""
        try:
            status = os.stat(self._path)
            if (status.st_ino, status.st_size) == (self._inode, self._size):
                return
            if status.st_ino != self._inode or status.st_size < self._size:
                self._inode, self._size, self._raw = status.st_ino, 0, b""
                self.has_begun = True
            with open(self._path, "rb", buffering=0) as file:
                file.seek(self._size)
                more = file.readall() or b""
        except OSError:
            return
        whole = len(more) - len(more) % index.SIZE
        self._size += whole
        self._raw += more[:whole]
        self.marks = Marks(self._raw)
        segments = self.marks.of_kind(index.SEGMENT)
        newest = (segments[-1][4], segments[-1][2]) if segments else self._last_segment
        self.has_begun |= newest != self._last_segment
        self._last_segment = newest
        self._shorten()

    def _shorten(self) -> None:
        """Keep the latest life, and the last marks."""
        if len(self._raw) <= _MOST_RECORDS * index.SIZE:
            return
        end = self._raw[-_KEPT_RECORDS * index.SIZE :]
        lives = self.marks.of_kind(index.LIFE)
        life = index.RECORD.pack(*lives[-1]) if lives else b""
        self._raw = end if index.LIFE in end else life + end
        self.marks = Marks(self._raw)
