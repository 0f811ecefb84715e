"""`timestamps: true`: what a service writes goes raw into a spool file, and from there, stamped, into the log.

Reading from a FIFO and writing what was made of it would leave a moment in which a kill loses or doubles lines. So the
raw bytes are spliced into the spool, where they stay until it is on record that they are in the log: the head of the
spool holds, in one small write, up to which of its bytes the log is made, and up to which position the log reached by
that. Whoever comes after a kill cuts the log back to that position and goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time

from amonsup.logbook import names
from amonsup.logs.sink import CHUNK, FLAGS, Sink
from amonsup.logs.stamps import fitting, stamp, stamped

HEAD = struct.Struct("<4s?3xQQ")
MAGIC = b"SPL1"
BEGIN = 64
PIECE = 256 * 1024
"""As much is stamped at a time: what is larger costs memory, and is no faster."""


class Spool:
    """The spool of one log. Everything may raise OSError; then `close`, and make a new one."""

    __slots__ = ("done", "fd", "is_at_start", "path", "position", "size")

    def __init__(self, log_dir: str, sink: Sink) -> None:
        self.path = names.spool_path(log_dir, sink.log)
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.join(log_dir, names.SPOOL_DIR), 0o750)
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | FLAGS, 0o640)
        self.is_at_start = True
        self.done = self.size = BEGIN
        self.position = 0  # of the log, as recorded
        try:
            self._recover(sink)
        except OSError:
            self.close()
            raise

    @property
    def is_empty(self) -> bool:
        return self.done >= self.size

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def remove(self) -> None:
        """It is empty and no longer wanted."""
        self.close()
        os.unlink(self.path)

    def fill(self, source: int) -> int:
        """Move what a FIFO has, at most CHUNK. Raises BlockingIOError if it is empty."""
        moved = os.splice(source, self.fd, CHUNK, offset_dst=self.size, flags=os.SPLICE_F_NONBLOCK)
        self.size += moved
        return moved

    def pour(self, sink: Sink) -> int:
        """What is here, stamped, into the log, as far as its file has room; returns how many raw bytes that were.

        0: the log's file is full. All of it is one step: that it is in the log is recorded at its end.
        """
        if self.position != sink.end:  # somebody has written there, or cut it: that is not to be taken back
            self._record(sink.end)
        begin, was_at_start = self.done, self.is_at_start
        mark = stamp(time.time())
        try:
            while not self.is_empty and (used := self._pour_piece(sink, mark)):
                self.done += used
        except OSError:
            self.done, self.is_at_start = begin, was_at_start  # as it is on record
            raise
        poured = self.done - begin
        if poured:
            self._record(sink.end)
        if self.is_empty:
            self._empty(sink)
        return poured

    def _pour_piece(self, sink: Sink, mark: bytes) -> int:
        room = max(0, sink.settings.max_size - sink.offset)
        raw = os.pread(self.fd, min(PIECE, self.size - self.done, room), self.done)
        used = fitting(raw, mark, self.is_at_start, room)
        if used == 0:
            used = self._split(raw, mark, sink, room)
        if used:
            sink.write(stamped(raw[:used], mark, self.is_at_start))
            self.is_at_start = raw[used - 1 : used] == b"\n"
        return used

    def _split(self, raw: bytes, mark: bytes, sink: Sink, room: int) -> int:
        """No whole line fits into the file. Only a line that has the whole file to itself is split."""
        if sink.offset and (self.is_at_start or sink.has_whole_line()):
            return 0
        return max(0, min(len(raw), room - (len(mark) if self.is_at_start else 0)))

    def _empty(self, sink: Sink) -> None:
        """Everything is in the log: begin the file again. Cut first: a `done` behind the end means 'all done'."""
        os.ftruncate(self.fd, BEGIN)
        self.done = self.size = BEGIN
        self._record(sink.end)

    def discard(self, sink: Sink) -> int:
        """Give up what waits here, and the part of it that got into the log; how many raw bytes that were.

        On a full disk it is in its own way: what it takes is what the log would need.
        """
        sink.cut(self.position)
        count = self.size - self.done
        os.ftruncate(self.fd, BEGIN)
        with contextlib.suppress(OSError):  # it is gone, and counts, on record or not
            self._empty(sink)
        return count

    def _record(self, position: int) -> None:
        self.position = position
        os.pwrite(self.fd, HEAD.pack(MAGIC, self.is_at_start, self.done, position), 0)

    def _recover(self, sink: Sink) -> None:
        self.size = max(BEGIN, os.fstat(self.fd).st_size)
        raw = os.pread(self.fd, HEAD.size, 0)
        if len(raw) < HEAD.size or raw[:4] != MAGIC:
            self._empty(sink)
            return
        _, self.is_at_start, self.done, self.position = HEAD.unpack(raw)
        if self.done > self.size:
            self._empty(sink)
        elif not self.is_empty:
            sink.cut(self.position)
