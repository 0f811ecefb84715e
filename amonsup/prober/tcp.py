"""A check over TCP: whoever accepts the connection is healthy.

Also what the other kinds begin with. The addresses of a name are tried in turn until one accepts; nothing is sent.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

from amonsup.loop.loop import WRITE, Loop
from amonsup.prober.names import Address, Names

Done = Callable[[str, str], None]
"""done(failure, output): an empty failure is health."""


class Connecting:
    """One connection on its way. `then` gets the connected socket, which is its from then on, or what went wrong."""

    def __init__(self, loop: Loop, names: Names, then: Callable[[socket.socket | None, str], None]) -> None:
        self._loop = loop
        self._names = names
        self._then = then
        self._left: list[Address] = []
        self._sock: socket.socket | None = None
        self._is_over = False

    def begin(self, host: str, port: int) -> None:
        self._names.look_up(host, port, self._found)

    def cancel(self) -> None:
        self._is_over = True
        self._close()

    def _found(self, addresses: list[Address], failure: str) -> None:
        if self._is_over:
            return
        self._left = addresses
        self._next(failure or "the name has no address")

    def _next(self, failure: str) -> None:
        while self._left:
            family, address = self._left.pop(0)
            number = self._connect(family, address)
            if number in (0, errno.EINPROGRESS):
                return
            failure = f"{address[0]}: {os.strerror(number)}"
        self._is_over = True
        self._then(None, failure)

    def _connect(self, family: int, address: tuple) -> int:  # type: ignore[type-arg]
        """The error of connect(2), if it could not be begun."""
        try:
            self._sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            number = self._sock.connect_ex(address)
        except (OSError, OverflowError) as error:
            self._close()
            return getattr(error, "errno", None) or errno.EINVAL
        if number not in (0, errno.EINPROGRESS):
            self._close()
            return number
        self._loop.watch(self._sock.fileno(), lambda _mask: self._ready(address), WRITE)
        return number

    def _ready(self, address: tuple) -> None:  # type: ignore[type-arg]
        assert self._sock is not None
        number = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._close()
            self._next(f"{address[0]}: {os.strerror(number)}")
            return
        sock, self._sock = self._sock, None
        self._loop.unwatch(sock.fileno())
        self._is_over = True
        self._then(sock, "")

    def _close(self) -> None:
        if self._sock is not None:
            self._loop.unwatch(self._sock.fileno())
            self._sock.close()
            self._sock = None


class TcpProbe:
    """target: HOST:PORT, an IPv6 address in brackets."""

    def __init__(self, loop: Loop, names: Names, target: str, done: Done) -> None:
        self._done = done
        self._connecting = Connecting(loop, names, self._connected)
        host, _, port = target.rpartition(":")
        self._connecting.begin(host.strip("[]"), int(port))

    def late(self) -> str:
        """What to say when the time is over."""
        return "no connection"

    def cancel(self) -> None:
        self._connecting.cancel()

    def _connected(self, sock: socket.socket | None, failure: str) -> None:
        if sock is not None:
            sock.close()
        self._done(failure, "" if failure else "connected")
