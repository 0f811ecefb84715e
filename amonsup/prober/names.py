"""Names to addresses without anybody waiting: each look-up in a thread, few at a time, shared by who asks the same.

getaddrinfo(3) is the only call of the prober that can block, for as long as a name server pleases. A literal address
needs none of it, and is the better thing to check.
"""

from __future__ import annotations

import _thread
import os
import socket
from collections.abc import Callable

from amonsup.loop.loop import Loop

MOST_THREADS = 8

Address = tuple[int, tuple]  # type: ignore[type-arg]
"""(family, what connect(2) takes)."""

Then = Callable[[list[Address], str], None]


class Names:
    """`look_up` calls `then(addresses, what went wrong)` once, possibly at once."""

    def __init__(self, loop: Loop) -> None:
        self._asked: dict[tuple[str, int], list[Then]] = {}
        self._queue: list[tuple[str, int]] = []
        self._busy = 0
        self._found: list[tuple[tuple[str, int], list[Address], str]] = []  # append and pop are atomic
        self._wake, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        loop.watch(self._wake, lambda _mask: self._collect())

    def look_up(self, host: str, port: int, then: Then) -> None:
        literal = _literal(host, port)
        if literal is not None:
            then([literal], "")
            return
        key = host, port
        if key in self._asked:
            self._asked[key].append(then)
            return
        self._asked[key] = [then]
        self._queue.append(key)
        self._begin()

    def _begin(self) -> None:
        while self._queue and self._busy < MOST_THREADS:
            self._busy += 1
            _thread.start_new_thread(self._resolve, (self._queue.pop(0),))

    def _resolve(self, key: tuple[str, int]) -> None:
        """In a thread of its own."""
        addresses: list[Address] = []
        failure = ""
        try:
            for family, _, _, _, address in socket.getaddrinfo(*key, type=socket.SOCK_STREAM):
                addresses.append((family, address))
        except (OSError, ValueError, OverflowError) as error:
            failure = f"{key[0]}: {getattr(error, 'strerror', None) or error}"
        self._found.append((key, addresses[:8], failure))
        os.write(self._bell, b"\1")

    def _collect(self) -> None:
        os.read(self._wake, 4096)
        while self._found:
            key, addresses, failure = self._found.pop(0)
            self._busy -= 1
            for then in self._asked.pop(key, ()):
                then(addresses, failure)
        self._begin()


def _literal(host: str, port: int) -> Address | None:
    for family, address in ((socket.AF_INET, (host, port)), (socket.AF_INET6, (host, port, 0, 0))):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family, address
    return None
