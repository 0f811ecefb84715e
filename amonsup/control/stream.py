"""A stream to one supervisor: whole lines out, whole lines in, and the descriptors that come with some of them.

A descriptor comes with the first byte of its message (unix(7), SCM_RIGHTS), one a message, and what is received at once
ends behind the bytes that one came with: so descriptors come in the order of the messages they belong to. One that
the kernel could not give us keeps its place in that order: otherwise a person would get what another one asked for.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable

MAX_LINE = 64 * 1024 * 1024
NONE = -1
"""In place of a descriptor that was lost."""

_CHUNK = 256 * 1024
_RIGHTS = socket.CMSG_SPACE(4 * 4)


class Stream:
    """`on_line` gets the stream and each line; `on_end` is called once, when nobody is at the other end."""

    def __init__(
        self, sock: socket.socket, on_line: Callable[[Stream, bytes], None], on_end: Callable[[Stream], None]
    ) -> None:
        self._sock = sock
        self._on_line = on_line
        self._on_end = on_end
        self._in = bytearray()
        self._searched = 0
        self._out = bytearray()
        self._descriptors: list[int] = []
        self._loop = asyncio.get_running_loop()
        self.is_closed = False
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._read)

    def write(self, line: bytes) -> None:
        """What does not go at once goes later; nothing, if nobody is there."""
        if self.is_closed:
            return
        was_empty = not self._out
        self._out += line
        if was_empty:
            self._flush()

    def take_descriptor(self) -> int:
        """That of the line at hand, for whoever takes it to close; NONE if there is none."""
        return self._descriptors.pop(0) if self._descriptors else NONE

    def close(self) -> None:
        """Descriptors that nobody has taken are closed too. `on_end` is not called any more."""
        if self.is_closed:
            return
        self.is_closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for fd in self._descriptors:
            if fd != NONE:
                os.close(fd)
        self._descriptors.clear()

    def _end(self) -> None:
        self.close()
        self._on_end(self)

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._out, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._out.clear()  # what was said last is still to be read; then comes the end
            self._loop.remove_writer(self._sock.fileno())
            return
        del self._out[:sent]
        if self._out:
            self._loop.add_writer(self._sock.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._sock.fileno())

    def _read(self) -> None:
        try:
            chunk, ancillary, flags, _ = self._sock.recvmsg(_CHUNK, _RIGHTS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            chunk, ancillary, flags = b"", [], 0
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self._descriptors += struct.unpack(f"{len(raw) // 4}i", raw[: len(raw) // 4 * 4])
        if flags & socket.MSG_CTRUNC:
            self._descriptors.append(NONE)
        self._in += chunk
        while not self.is_closed and (end := self._in.find(b"\n", self._searched)) >= 0:
            line = bytes(self._in[: end + 1])
            del self._in[: end + 1]
            self._searched = 0
            self._on_line(self, line)
        self._searched = len(self._in)
        if not self.is_closed and (not chunk or len(self._in) > MAX_LINE):
            self._end()
