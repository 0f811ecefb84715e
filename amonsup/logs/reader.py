"""A reader: reads logs for one client who may not read the files, and says what it finds through a socket.

The supervisor starts it with the query (logbook/reading.py) on stdin and one end of a socket pair at descriptor 3; the
client got the other end. For what was captured it runs as the logger's user; for files that a service writes by itself
(own_shelf.py) as that service's, so that it is led nowhere where the service could not go. It ends with its work, when
nobody listens any more, and when the supervisor ends: then the client asks the successor, with a cursor. A client that
does not read keeps only its reader waiting.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time
from typing import Any

import msgspec

from amonsup.logbook import frames
from amonsup.logbook.moments import here
from amonsup.logbook.pieces import Idle, Item, ReadError, Scanned
from amonsup.logbook.reading import Captured, Query, Reading, Shelf

LINK_FD = 3
MAX_QUERY = 1024 * 1024
NICE = 5
FLUSH_AT = 256 * 1024
PROGRESS_S = 0.2


class GoneError(Exception):
    """Nobody listens, or our supervisor has ended."""


class Outlet:
    """The way to the client."""

    def __init__(self, sock: socket.socket, supervisor: int) -> None:
        """`supervisor` is a pidfd."""
        self._sock = sock
        self._supervisor = supervisor
        self._waiting = bytearray()
        self._next_progress = 0.0
        sock.setblocking(False)

    def put(self, item: Item) -> None:
        """Raises GoneError."""
        if isinstance(item, Scanned):
            self.flush()
            self._look(0)
            now = time.monotonic()
            if 0 < item.done < item.total and now < self._next_progress:
                return
            self._next_progress = now + PROGRESS_S
        self._waiting += frames.encode(item)
        if isinstance(item, Idle) or len(self._waiting) >= FLUSH_AT:
            self.flush()

    def say(self, frame: bytes) -> None:
        self._waiting += frame
        self.flush()

    def wait(self, fd: int) -> bool:
        """Until the descriptor is readable. Raises GoneError."""
        self._look(None, fd)
        return True

    def flush(self) -> None:
        while self._waiting:
            try:
                sent = self._sock.send(self._waiting, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._look(None, self._sock.fileno(), select.POLLOUT)
                continue
            except OSError:
                raise GoneError from None
            del self._waiting[:sent]

    def _look(self, timeout_ms: int | None, fd: int = -1, mask: int = select.POLLIN) -> None:
        """Wait for the descriptor, at most so long; GoneError if it is over."""
        poll = select.poll()
        poll.register(self._supervisor, select.POLLIN)
        poll.register(self._sock, select.POLLRDHUP)
        if fd >= 0:
            poll.register(fd, mask | (select.POLLRDHUP if fd == self._sock.fileno() else 0))
        for ready, found in poll.poll(timeout_ms):
            over = select.POLLRDHUP | select.POLLHUP | select.POLLERR
            if ready == self._supervisor or (ready == self._sock.fileno() and found & over):
                raise GoneError


def main(options: dict[str, Any]) -> int:
    """options: `log_dir`, or `files`: the patterns of logging.files."""
    os.nice(NICE)
    for signum in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(signum, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    outlet = Outlet(socket.socket(fileno=LINK_FD), os.pidfd_open(os.getppid()))
    query = msgspec.json.decode(os.pread(0, MAX_QUERY, 0), type=Query)
    with contextlib.suppress(GoneError):
        try:
            _read(_shelf(options, query), query, outlet)
        except ReadError as error:
            outlet.say(frames.refusal(error))
        except MemoryError:
            outlet.say(frames.refusal(ReadError("failed", "the reader ran out of memory")))
    return 0


def _shelf(options: dict[str, Any], query: Query) -> Shelf:
    if "files" not in options:
        return Captured(options["log_dir"])
    from amonsup.logs.own_shelf import OwnShelf

    return OwnShelf(query.services[0], options["files"], query.file)


def _read(shelf: Shelf, query: Query, outlet: Outlet) -> None:
    reading = Reading(shelf, query, here())
    try:
        for item in reading.items(outlet.wait):
            outlet.put(item)
    finally:
        reading.close()
    outlet.say(frames.END)
