"""A log being written: its current file, where in the log that lies, its rotation.

Opening is recovering: whatever an earlier logger was killed in, or somebody did to the files in between, is looked at
and put right then, so after any error the sink is closed and opened anew. The offset is the file's size: what was moved
into it is written, what was not is still where it came from.

A rotation is decided by one append to the index. Before it, a file for the next segment lies ready in the index's
directory; in it is what the current file has behind its last line's end, so that every file ends on a whole line. (So
there is no need to look into a FIFO before splicing: up to the limit everything is moved, and the piece of a line is
carried over.) The record names that file by its inode. From then on the rotation is carried out, by this logger or the
next: the current file is cut, the files move up, the next one takes its name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time

from amonsup.logbook import index, names
from amonsup.logbook.gz import ISIZE, unpacked_size
from amonsup.logbook.layout import Layout, layout, marks_of
from amonsup.logs import marking
from amonsup.logs.rotation import next_boundary, shift
from amonsup.logs.settings import NEVER, Settings

CHUNK = 1 << 20
MAX_CARRIED = 1 << 20
"""A longer piece of a line is split where it is."""

MARK_S, MARK_BYTES = 1.0, 512
FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class Sink:
    """One log. Everything may raise OSError; then `close`, and make a new one."""

    __slots__ = (
        "due",
        "fd",
        "is_unpacked",
        "life",
        "log",
        "log_dir",
        "marked_at",
        "marked_position",
        "offset",
        "opened_at",
        "settings",
        "start",
    )

    def __init__(self, log_dir: str, log: str, settings: Settings, entries: list[str] | None = None) -> None:
        """`entries`: a fresh listing of the directory, as far as it concerns this log, if there is one."""
        self.log_dir = log_dir
        self.log = log
        self.settings = settings
        self.fd = -1
        self.start = 0  # the position of the file's first byte
        self.offset = 0
        self.opened_at = 0  # the position of the first byte that we write ourselves
        self.life = (-1, 0)
        self.marked_at = 0.0
        self.marked_position = -1
        self.is_unpacked = False  # whether, when it was opened, files lay there that a logger had not come to pack
        self.due = 0.0  # Unix time of the next rotation by time; 0: none
        try:
            self._open(entries)
        except OSError:
            self.close()
            raise
        self.opened_at = self.end

    @property
    def end(self) -> int:
        """The position of the next byte."""
        return self.start + self.offset

    @property
    def path(self) -> str:
        return os.path.join(self.log_dir, self.log)

    @property
    def index(self) -> str:
        return names.index_path(self.log_dir, self.log)

    @property
    def is_full(self) -> bool:
        return self.offset >= self.settings.max_size

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    # -- writing --

    def check(self) -> None:
        """Follow what somebody did to the file: removed it, cut it, wrote into it."""
        status = os.fstat(self.fd)
        if status.st_nlink == 0:
            self._begin_file(self.end)
        elif status.st_size < self.offset:
            # What is left of it comes to lie behind everything known: positions never go back.
            marking.begin_segment(self.index, self.end, time.time(), status.st_ino)
            self.start, self.offset = self.end, status.st_size
        else:
            self.offset = status.st_size

    def begin_life(self, generation: int, instance: int) -> None:
        """What comes now is written by this life: marked before its first byte, once."""
        if self.life != (generation, instance):
            marking.append(
                self.index, index.encode(index.LIFE, self.end, time.time(), generation=generation, mark=instance)
            )
            self.life = (generation, instance)
            self.marked_position = self.end

    def splice(self, source: int) -> int:
        """Move what a FIFO has, as much as fits, at most CHUNK. Raises BlockingIOError if it is empty."""
        most = min(CHUNK, self.settings.max_size - self.offset)
        moved = os.splice(source, self.fd, most, offset_dst=self.offset, flags=os.SPLICE_F_NONBLOCK)
        self.offset += moved
        return moved

    def write(self, content: bytes) -> None:
        """All of it, or an error; then there may be a part of it."""
        left = memoryview(content)
        while left:
            written = os.pwrite(self.fd, left, self.offset)
            self.offset += written
            left = left[written:]

    def cut(self, position: int) -> None:
        """Take back what was written behind `position`, if that is in the current file."""
        if self.start <= position < self.end:
            os.ftruncate(self.fd, position - self.start)
            self.offset = position - self.start
            self.opened_at = min(self.opened_at, position)

    def mark_time(self, position: int, now: float) -> None:
        """Note that what begins at `position` came now (monotonic time), if the last note is old enough.

        Of a file that is to be rotated by time, the first byte is always noted: its time counts.
        """
        is_first = self.settings.rotate != NEVER and self.marked_position <= self.start == position
        since = now - self.marked_at
        is_due = since >= index.TIME_APART_S or (since >= MARK_S and position - self.marked_position >= MARK_BYTES)
        if is_due or is_first:
            wall = time.time()
            marking.append(self.index, index.encode(index.TIME, position, wall))
            self.marked_at, self.marked_position = now, position
            if is_first:
                self.due = next_boundary(self.settings.rotate, wall)

    def mark_dropped(self, count: int) -> None:
        """Something is missing before the first byte that we wrote: until then nothing could be written."""
        at = self.opened_at
        marking.insert(self.index, at, index.encode(index.DROP, at, time.time(), mark=count))

    # -- rotating --

    def set(self, settings: Settings) -> None:
        """They have changed."""
        was, self.settings = self.settings.rotate, settings
        if settings.rotate != was:
            self.due = self._due_by_index()

    def rotate(self, *, is_forced: bool) -> bool:
        """Begin a new file, behind the last whole line. False if there is none and a line is not to be split.

        `is_forced`: the file is full, so it is done even if its only line is split.
        """
        carried = self._behind_last_line()
        if carried is None:
            if not is_forced or self.offset == 0:
                return False
            carried = b""
        self._go_on_in_next(carried)
        return True

    def _go_on_in_next(self, carried: bytes) -> None:
        boundary = self.end - len(carried)
        fd = os.open(self._next_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | FLAGS, 0o640)
        try:
            if carried and os.pwrite(fd, carried, 0) != len(carried):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            marking.begin_segment(self.index, boundary, time.time(), os.fstat(fd).st_ino)
            if carried:
                os.ftruncate(self.fd, self.offset - len(carried))
            self._move_up()
        except OSError:
            os.close(fd)
            raise
        os.close(self.fd)
        self.fd, self.start, self.offset = fd, boundary, len(carried)
        self.marked_position = boundary
        self.postpone()

    def reopen(self) -> bool:
        """If somebody has moved the file away, begin a new one, behind the old one's last whole line.

        An empty one that he has put in its place gives way. False: something else stands there, to be opened.
        """
        self.check()
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(self.path)
            if status.st_ino == os.fstat(self.fd).st_ino:
                return True
            if status.st_size or not stat.S_ISREG(status.st_mode):
                return False
            os.unlink(self.path)
        carried = self._behind_last_line()
        if carried is None:
            carried = os.pread(self.fd, self.offset, 0) if self.offset < MAX_CARRIED else b""
        self._go_on_in_next(carried)
        return True

    def postpone(self) -> None:
        """The next rotation by time: counted from now if there is something in the file."""
        is_wanted = self.offset > 0 and self.settings.rotate != NEVER
        self.due = next_boundary(self.settings.rotate, time.time()) if is_wanted else 0.0

    def has_whole_line(self) -> bool:
        return self._behind_last_line() is not None

    @property
    def _next_path(self) -> str:
        return f"{self.index}.next"

    def _behind_last_line(self) -> bytes | None:
        """The piece of a line at the end of the file; None if the file has no whole line, or the piece is too long."""
        step = 4096
        while True:
            begin = max(0, self.offset - step)
            raw = os.pread(self.fd, self.offset - begin, begin)
            newline = raw.rfind(b"\n")
            if newline >= 0:
                return raw[newline + 1 :]
            if begin == 0 or step >= MAX_CARRIED:
                return None
            step *= 16

    def _move_up(self) -> None:
        """The chain: what is too old goes, files move up, the next one becomes the current one."""
        if os.path.lexists(self.path):
            self._shift()
            with contextlib.suppress(FileNotFoundError):  # just moved away by somebody
                os.rename(self.path, self._named(1, False))
        os.rename(self._next_path, self.path)

    def _shift(self) -> None:
        settings = self.settings
        files = [(0, False, os.fstat(self.fd).st_size if self.fd >= 0 else settings.max_size)]
        number = 1
        while found := self._rotated(number):
            files += found
            number += 1
        budget = settings.max_total - settings.max_size if settings.max_total else 0
        deleted, renamed = shift(files, settings.max_files, budget)
        for which in deleted:
            os.unlink(self._named(*which))
        for number, is_packed in renamed:
            os.rename(self._named(number, is_packed), self._named(number + 1, is_packed))
        if deleted:
            marking.trim(self.index, len(files) - len(deleted) + 1)

    def _rotated(self, number: int) -> list[tuple[int, bool, int]]:
        found = []
        for is_packed in (False, True):
            with contextlib.suppress(FileNotFoundError):
                found.append((number, is_packed, os.lstat(self._named(number, is_packed)).st_size))
        return found

    def _named(self, number: int, is_packed: bool) -> str:
        return os.path.join(self.log_dir, names.rotated_name(self.log, number, is_packed=is_packed))

    # -- opening --

    def _open(self, entries: list[str] | None) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.join(self.log_dir, names.INDEX_DIR), 0o750)
        if self._finish_rotation():
            entries = None
        found = layout(self.log_dir, self.log, entries)
        self._settle_twins([segment.file.number for segment in found.segments])
        self.is_unpacked = any(segment.file.number > 1 and not segment.file.is_packed for segment in found.segments)
        if found.is_rebuilt:
            marking.replace(self.index, bytes(marks_of(found.segments)))
        elif not found.marks.is_whole:
            marking.replace(self.index, found.marks.raw())
        lives = found.marks.of_kind(index.LIFE)
        if lives:
            self.life = lives[-1][1], lives[-1][2]
        current = found.segments[-1] if found.segments else None
        if current is None or current.file.number != 0:
            self._begin_file(max(found.end, self._end_of_missing(found)))
            return
        self.fd = os.open(self.path, os.O_RDWR | FLAGS)
        status = os.fstat(self.fd)
        self.start, self.offset = current.start, status.st_size
        if not current.is_certain and not found.is_rebuilt:
            self.start = max(self.start, self._end_of_missing(found))
            marking.begin_segment(self.index, self.start, time.time(), status.st_ino)
        self.marked_position = max(found.marks.last_position, self.start)
        self.due = self._due_by_index()

    def _end_of_missing(self, found: Layout) -> int:
        """Up to where the file that was written to last may have come, if it is no longer there; 0: it is.

        Marks do not tell that to the byte, and positions that somebody has read up to must not come again.
        """
        begins = found.marks.of_kind(index.SEGMENT)
        if not begins or any(each.is_certain and each.start == begins[-1][4] for each in found.segments):
            return 0
        start, size = begins[-1][4], -1
        fd = self._open_moved(begins[-1][2])
        if fd >= 0:
            size = os.fstat(fd).st_size
            os.close(fd)
        return start + (size if start + size >= found.end else self.settings.max_size)

    def _open_moved(self, inode: int) -> int:
        """A file that is or was ours, under whatever name in the same directory; -1: there is none. Raises OSError."""
        with os.scandir(self.log_dir) as entries:
            paths = [each.path for each in entries if each.inode() == inode and each.is_file(follow_symlinks=False)]
        for path in paths:
            with contextlib.suppress(FileNotFoundError, PermissionError):  # moved on, or given to somebody else
                return os.open(path, os.O_RDWR | os.O_NONBLOCK | FLAGS)
        return -1

    def _begin_file(self, position: int) -> None:
        """A new current file: an empty one, or what somebody has put there."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(self.path).st_mode):
                raise OSError(errno.ELOOP, "something that is not a regular file stands in its place")
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | FLAGS, 0o640)
        status = os.fstat(fd)
        self.close()
        self.fd = fd
        self.start, self.offset = position, status.st_size
        self.marked_position = position
        marking.begin_segment(self.index, position, time.time(), status.st_ino)

    def _finish_rotation(self) -> bool:
        """One that an earlier logger was killed in: carried out if it was decided, otherwise taken back."""
        try:
            inode = os.stat(self._next_path, follow_symlinks=False).st_ino
        except FileNotFoundError:
            return False
        begins = index.read(self.index).of_kind(index.SEGMENT)
        if not begins or begins[-1][2] != inode:
            os.unlink(self._next_path)
            return True
        if len(begins) > 1:
            self._cut_left(begins[-2][2], begins[-1][4] - begins[-2][4])
        self._move_up()
        return True

    def _cut_left(self, inode: int, length: int) -> None:
        """The file that was current may still end in what the next one begins with.

        It may have been moved away, and its number may be another's by now: what is cut off must be just that.
        """
        fd = self._open_moved(inode)
        if fd < 0:
            return
        try:
            carried = self._read_next()
            is_left = os.fstat(fd).st_size == length + len(carried)
            if is_left and os.pread(fd, len(carried), length) == carried:
                os.ftruncate(fd, length)
        finally:
            os.close(fd)

    def _read_next(self) -> bytes:
        fd = os.open(self._next_path, os.O_RDONLY | FLAGS)
        try:
            return os.pread(fd, os.fstat(fd).st_size, 0)
        finally:
            os.close(fd)

    def _settle_twins(self, numbers: list[int]) -> None:
        """Plain and packed side by side: the packed one was complete when it got its name, unless the machine died."""
        for number in numbers:
            plain, packed = self._named(number, False), self._named(number, True)
            if number == 0 or not (os.path.exists(plain) and os.path.exists(packed)):
                continue
            fd = os.open(packed, os.O_RDONLY | FLAGS)
            try:
                is_complete = (unpacked_size(fd) - os.stat(plain).st_size) % ISIZE == 0
            finally:
                os.close(fd)
            os.unlink(plain if is_complete else packed)

    def _due_by_index(self) -> float:
        """When the current file is to be rotated by time, by when its first byte came."""
        if self.settings.rotate == NEVER or self.offset == 0:
            return 0.0
        marks = index.read(self.index)
        first = marks.count_before(self.start)
        times = (marks.record(number) for number in range(first, len(marks)))
        began = next((record[3] for record in times if record[0] != index.SEGMENT), 0.0)
        return next_boundary(self.settings.rotate, began or marks.time_of(self.start) or time.time())
