"""A channel between two of our own processes: JSON messages, each may carry descriptors.

A SOCK_SEQPACKET socket keeps message and descriptors together (unix(7), SCM_RIGHTS), so neither a half message nor a
descriptor without its meaning can be seen. Sending never blocks: what the peer is not ready for waits in a queue.
What was sent before the sender was killed still arrives. A closed peer is reported once, by `on_close`; so is one that
sends what is no message: both ends are ours, but not all of us have the same rights.

Each message is an object with the key "do"; which ones there are stands in docs/protocol.md.
"""

from __future__ import annotations

import array
import contextlib
import errno
import json
import os
import socket
from collections import deque
from collections.abc import Callable

from amonsup.loop.loop import READ, WRITE, Loop

MAX_MESSAGE = 60 * 1024
MAX_FDS = 64
FLUSH_S = 5.0

TYPE_CHECKING = False  # typing itself costs each of our small processes a megabyte
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]
else:
    Message = dict


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, both close-on-exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)


class Channel:
    """One end. `on_message(message, fds)` owns the descriptors it is given."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        on_message: Callable[[Message, list[int]], None],
        on_close: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._on_message = on_message
        self._on_close = on_close
        self._queue: deque[tuple[bytes, list[int]]] = deque()
        self.is_closed = False
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._ready)

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send now, or as soon as the peer reads. The descriptors may be closed by the caller right after.

        Does nothing once the peer is gone. Raises ValueError for a message over MAX_MESSAGE.
        """
        if self.is_closed:
            return
        raw = json.dumps(message, separators=(",", ":")).encode()
        if len(raw) > MAX_MESSAGE:
            raise ValueError(f"message of {len(raw)} bytes: {raw[:80]!r}")
        if self._queue or not self._try_send(raw, list(fds)):
            self._queue.append((raw, [os.dup(fd) for fd in fds]))
            self._loop.watch(self._sock.fileno(), self._ready, READ | WRITE)

    def close(self) -> None:
        """Stop watching and close; queued messages are lost. May be called twice."""
        if self.is_closed:
            return
        self.is_closed = True
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
        for _, fds in self._queue:
            for fd in fds:
                os.close(fd)
        self._queue.clear()

    def flush_now(self) -> None:
        """Wait until the peer has taken what is queued, at most FLUSH_S: for last words."""
        self._sock.settimeout(FLUSH_S)
        try:
            self._flush()
        finally:
            if not self.is_closed:
                self._sock.setblocking(False)

    def receive_now(self) -> None:
        """Handle what has already arrived, without waiting."""
        while not self.is_closed and self._receive():
            pass

    def _try_send(self, raw: bytes, fds: list[int]) -> bool:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._sock.sendmsg([raw], ancillary, socket.MSG_NOSIGNAL)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError as error:
            # Too many descriptors in flight: later. Anything else: the peer is gone, and reading will say so.
            return error.errno not in (errno.ENOBUFS, errno.ETOOMANYREFS)
        return True

    def _ready(self, mask: int) -> None:
        if mask & WRITE:
            self._flush()
        if mask & ~WRITE and not self.is_closed:
            self._receive()

    def _flush(self) -> None:
        while self._queue:
            raw, fds = self._queue[0]
            if not self._try_send(raw, fds):
                return
            self._queue.popleft()
            for fd in fds:
                os.close(fd)
        self._loop.watch(self._sock.fileno(), self._ready, READ)

    def _receive(self) -> bool:
        """One message; False if there was none."""
        try:
            raw, ancillary, flags, _ = self._sock.recvmsg(
                MAX_MESSAGE + 1, socket.CMSG_SPACE(MAX_FDS * 4), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return False
        except ConnectionError:
            raw, ancillary, flags = b"", [], 0
        fds = _descriptors(ancillary)
        message = _message(raw) if raw and not flags & socket.MSG_TRUNC else None
        if message is None:
            close_all(fds)
            self.close()
            self._on_close()
            return False
        # MSG_CTRUNC: our own descriptor limit is reached; what is missing is missed by name, later.
        self._on_message(message, fds)
        return True


def _message(raw: bytes) -> Message | None:
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("do"), str) else None


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(payload[: len(payload) - len(payload) % found.itemsize])
    return list(found)


def close_all(fds: list[int]) -> None:
    """Close descriptors that came with a message nobody wanted."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
