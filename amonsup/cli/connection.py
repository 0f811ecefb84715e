"""One connection to the supervisor's socket: bytes out, whole lines in.

Nothing here knows what a message means. A line is bounded, because what stands at the other end of a path
given on a command line may be anything.
"""

from __future__ import annotations

import os
import socket
import struct
import time

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of one line: some thousand services at their most talkative are a tenth of it."""

_CHUNK = 256 * 1024
_CONNECT_S = 1.0
_RIGHTS = socket.CMSG_SPACE(4 * 4)  # a few descriptors; only `logs` gets one


class LineTooLongError(Exception):
    """The peer sends without ever ending the line."""


class Connection:
    """Raises OSError if nobody is there; `receive` may raise TimeoutError and can be called again then."""

    def __init__(self, path: str) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self.descriptors: list[int] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # With a time limit a full backlog is EAGAIN instead of a wait that nobody could see.
            self._socket.settimeout(_CONNECT_S)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise

    def send(self, line: bytes, timeout_s: float) -> None:
        """A peer that is gone is no error here: what it said before is still to be read, then its end."""
        self._socket.settimeout(_limit(timeout_s))
        try:
            self._socket.sendall(line)
        except ConnectionError:
            pass

    def receive(self, timeout_s: float) -> bytes | None:
        """The next line without its newline; None: the connection has ended (a last half line is dropped)."""
        until = time.monotonic() + timeout_s  # a peer that sends byte by byte gets no more time than others
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched > MAX_ANSWER:
                raise LineTooLongError
            self._socket.settimeout(_limit(until - time.monotonic()))
            try:
                chunk, rights, _, _ = self._socket.recvmsg(_CHUNK, _RIGHTS, socket.MSG_CMSG_CLOEXEC)
                self._take(rights)
            except ConnectionError:
                chunk = b""
            if not chunk:
                return None
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def close(self) -> None:
        """Descriptors that nobody has taken out of the list are closed too."""
        self._socket.close()
        while self.descriptors:
            os.close(self.descriptors.pop())

    def _take(self, rights: list[tuple[int, int, bytes]]) -> None:
        for level, kind, raw in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.descriptors += struct.unpack(f"{len(raw) // 4}i", raw[: len(raw) // 4 * 4])


def _limit(timeout_s: float) -> float | None:
    """As sockets have it: None is no limit, and 0 would mean 'do not wait at all'."""
    return None if timeout_s == float("inf") else max(timeout_s, 0.001)
