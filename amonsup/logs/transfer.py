"""The transfer pipe: in a flood, what a service writes goes from its FIFO through this pipe into the log.

A splice into a file copies into the page cache, and holds the FIFO's lock while it does: the writer waits. From pipe
to pipe only page references move, so the FIFO is empty again at once, and the copying is done out of a pipe that
nobody else waits for.

What is in the pipe belongs to one life of one log. Which, stands in a small memory file (memfd_create(2)), written
while the pipe is empty, before the first byte goes in. Both are held by the descriptor store like the FIFOs: whoever
comes after a kill of everybody else finds content and owner, and writes that first, before that log's FIFO is read
further. While a log that cannot be written has something in here, other floods go from FIFO to file without it.
"""

from __future__ import annotations

import os
import struct

from amonsup.logs.life import ROOMY, Life, waiting
from amonsup.logs.sink import CHUNK, Sink

RECORD = struct.Struct("<QQ255p")  # generation, instance, log


class Transfer:
    """The pipe, open for reading and writing, and the file that says whose content it has. Raises OSError."""

    __slots__ = ("_pipe", "_record", "count", "generation", "instance", "log")

    def __init__(self, pipe: int, record: int) -> None:
        """Both descriptors are ours from now on."""
        self._pipe = pipe
        self._record = record
        self.count = waiting(pipe)  # bytes in the pipe
        self.log = ""  # whose they are, or were last
        self.generation = self.instance = 0
        raw = os.pread(record, RECORD.size, 0)
        if len(raw) == RECORD.size:
            self.generation, self.instance, log = RECORD.unpack(raw)
            self.log = log.decode()

    def holds(self, log: str) -> bool:
        """Whether something of this log is in the pipe."""
        return self.count > 0 and self.log == log

    def may_take(self, life: Life) -> bool:
        return self.count == 0 and life.is_flooding

    def fill(self, life: Life, log: str) -> int:
        """Move what a life's FIFO has; the pipe is empty. Raises BlockingIOError if there is nothing."""
        if (self.log, self.generation, self.instance) != (log, life.generation, life.instance):
            raw = RECORD.pack(life.generation, life.instance, log.encode())
            os.pwrite(self._record, raw, 0)
            self.log, self.generation, self.instance = log, life.generation, life.instance
        self.count = os.splice(life.fd, self._pipe, ROOMY, flags=os.SPLICE_F_NONBLOCK)
        return self.count

    def pour(self, sink: Sink) -> int:
        """One splice into the log: as much as fits into its file. There is something in the pipe."""
        moved = sink.splice(self._pipe)
        self.count -= moved
        return moved

    def throw_away(self, null: int) -> int:
        """What is in the pipe is not wanted; how many bytes that were."""
        moved = os.splice(self._pipe, null, CHUNK, flags=os.SPLICE_F_NONBLOCK)
        self.count -= moved
        return moved
