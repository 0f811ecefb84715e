"""A man in the middle whose certificate is believed: he relays a session with its login, and then speaks himself."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from support.doorway import Doorway

LENGTH = struct.Struct("Q")


class Middle(Doorway):
    """Between clients and `port` of loopback; `self.port` is the end to connect to.

    `rewrite` is what becomes of what the server says.
    """

    def __init__(
        self, port: int, certificate: tuple[Path, Path], rewrite: Callable[[bytes], bytes] = lambda said: said
    ) -> None:
        self._rewrite = rewrite
        self._to = port
        self._theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._theirs.load_cert_chain(*certificate)
        self._ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ours.check_hostname, self._ours.verify_mode = False, ssl.CERT_NONE
        self._mouth: socket.socket | None = None
        self._speaking = threading.Lock()
        super().__init__()

    def say(self, text: bytes) -> None:
        """To whoever is connected, as if the server had said it. That they do not listen to the end is no matter."""
        assert self._mouth is not None
        with self._speaking, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._mouth.sendall(LENGTH.pack(len(text)) + text)

    def close(self) -> None:
        super().close()
        if self._mouth is not None:
            self._mouth.close()

    def _meet(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._to), 5) as far, near:
            if not _until_encrypted(near, far):
                return
            far.settimeout(None)
            inner = self._ours.wrap_socket(far)
            outer = self._theirs.wrap_socket(near, server_side=True)
            mouth, ear = socket.socketpair()
            self._mouth = mouth
            try:
                with ear, inner, outer:
                    _relay(inner, outer, ear, self._rewrite)
            finally:
                self._shut(mouth)

    def _shut(self, mouth: socket.socket) -> None:
        """Nobody hears it any more, so who speaks into it is about to find out; not before that is it closed."""
        with self._speaking:
            mouth.close()


def _relay(inner: ssl.SSLSocket, outer: ssl.SSLSocket, ear: socket.socket, rewrite: Callable[[bytes], bytes]) -> None:
    """In one thread: two must not use one connection of TLS at a time."""
    others = {inner: outer, outer: inner}
    while True:
        ready = [sock for sock in (inner, outer) if sock.pending()] or _readable([inner, outer, ear])
        for sock in ready:
            if sock is ear:
                _repeat(ear, outer)
                continue
            sock.settimeout(0.0)
            try:
                chunk = sock.recv(65536)
            except ssl.SSLWantReadError:
                continue  # it was something of TLS's own
            finally:
                sock.settimeout(None)
            if not chunk:
                return
            others[sock].sendall(rewrite(chunk) if sock is inner else chunk)


def _repeat(ear: socket.socket, outer: ssl.SSLSocket) -> None:
    """All of one saying: nothing of the server's own may come in between."""
    (left,) = LENGTH.unpack(ear.recv(LENGTH.size, socket.MSG_WAITALL))
    while left:
        chunk = ear.recv(min(left, 65536))
        outer.sendall(chunk)
        left -= len(chunk)


def _readable(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Those that have something to be read, once there are any; for numbers beyond select(2) as well."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    numbers = {number for number, _ in poll.poll()}
    return [each for each in sockets if each.fileno() in numbers]


def _until_encrypted(near: socket.socket, far: socket.socket) -> bool:
    """Hand on what is said in clear until the server has said that TLS begins."""
    said = b""
    while b"<proceed" not in said:
        for sock in _readable([near, far]):
            chunk = sock.recv(4096)
            if not chunk:
                return False
            (far if sock is near else near).sendall(chunk)
            if sock is far:
                said += chunk
    return True
