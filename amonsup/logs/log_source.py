"""The bytes of a captured log by position, for who reads along behind the writer: watch rules.

Reads go to the file that holds the position; it stays open, so a rotation meanwhile changes nothing. Only when it has
nothing more does one look where the log goes on: in the file that followed it, or nowhere yet. A line that is longer
than a file may be lies in several; so does the beginning of one whose end came after a death. It is given in one piece.
"""

from __future__ import annotations

import errno
import os
import zlib
from bisect import bisect_right

from amonsup.logbook import index, names
from amonsup.logbook.layout import Segment, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_LOOKS = 5
AT_ONCE = 2048 * index.SIZE
OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LogSource:
    """One captured log."""

    def __init__(self, log_dir: str, log: str) -> None:
        self._log_dir = log_dir
        self._log = log
        self._plain: Any = None
        self._file: Any = None  # the same, or what unpacks it
        self._start = 0
        self._end = 0
        self._lives = Lives(names.index_path(log_dir, log))

    def read(self, position: int, size: int) -> tuple[int, bytes]:
        """Bytes at `position`, and where they really begin: behind it, if what stood there is gone. Raises OSError.

        Never a part of a line because a file ends there: who waits for the line's end would wait for ever.
        """
        position, found = self._read(position, size)
        while found and len(found) < size and b"\n" not in found and self._is_followed():
            at, more = self._read(position + len(found), size - len(found))
            if at != position + len(found):
                return at, more  # the line's end is gone, and with it the line
            if not more:
                break
            found += more
        return position, found

    def _read(self, position: int, size: int) -> tuple[int, bytes]:
        """The same, from one file."""
        if self._file is not None and self._start <= position < self._end:
            found = self._read_file(position, size)
            if found:
                return position, found
        for _ in range(MOST_LOOKS):
            look = layout(self._log_dir, self._log)
            segment = look.segment_at(position)
            if segment is None:
                return position, b""
            position = max(position, segment.start)
            if self._open(look.path(segment), segment):
                found = self._read_file(position, size)
                if found or segment.file.number == 0:
                    return position, found
                position = segment.end
        return position, b""

    def _is_followed(self) -> bool:
        """Whether the file that is open is not the one that is written to."""
        try:
            return os.lstat(os.path.join(self._log_dir, self._log)).st_ino != os.fstat(self._plain.fileno()).st_ino
        except OSError:
            return True

    def end(self) -> int:
        """Where the next byte will stand."""
        return layout(self._log_dir, self._log).end

    def generation(self, position: int) -> int:
        """The life that wrote what stands there; 0 if nobody knows, or if it was an earlier daemon's."""
        return self._lives.generation(position)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._plain.close()  # gzip closes only what it has opened itself
            self._file = self._plain = None

    def _open(self, path: str, segment: Segment) -> bool:
        """False: it has been renamed since the look."""
        self.close()
        try:
            fd = os.open(path, OPEN)
        except FileNotFoundError:
            return False
        if os.fstat(fd).st_ino != segment.file.inode:
            os.close(fd)
            return False
        self._file = self._plain = open(fd, "rb", buffering=0)  # noqa: SIM115 - stays open
        if segment.file.is_packed:
            import gzip

            self._file = gzip.GzipFile(fileobj=self._plain)
        self._start = segment.start
        # The current file grows; what it holds in the end is known once it is no longer current.
        self._end = segment.end if segment.file.number else 1 << 62
        return True

    def _read_file(self, position: int, size: int) -> bytes:
        try:
            self._file.seek(position - self._start)
            found: bytes = self._file.read(min(size, self._end - position)) or b""
        except (EOFError, zlib.error):
            raise OSError(errno.EIO, f"{self._log}: a packed file is damaged") from None
        return found


class Lives:
    """Where lives begin in a log, by its index, of which only what has come since is read: it may have become long."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._size = 0  # of what was read
        self._last = b""  # the last record of that
        self._records: list[index.Record] = []

    def generation(self, position: int) -> int:
        """As LogSource.generation."""
        try:
            self._read_on()
        except OSError:
            return 0
        number = bisect_right(self._records, position, key=lambda record: record[4])
        life = self._records[number - 1] if number else None
        return life[1] if life is not None and life[2] == self._records[-1][2] else 0

    def _read_on(self) -> None:
        fd = os.open(self._path, OPEN)
        try:
            if self._size and os.pread(fd, index.SIZE, self._size - index.SIZE) != self._last:
                self._size = 0  # it was written anew
                self._records.clear()
            while self._size < index.MOST_BYTES:
                marks = index.Marks(os.pread(fd, AT_ONCE, self._size))
                if not marks:
                    break
                self._records += marks.of_kind(index.LIFE)
                self._size += marks.valid_bytes
                self._last = marks.raw()[-index.SIZE :]
        finally:
            os.close(fd)
