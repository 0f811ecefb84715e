"""Our side of the guardian: the descriptor store, the exits it has reaped, and its signals.

What stands in the store is held by us *and* by the guardian, under one name. The order matters for crash safety: a
descriptor is in the store before anything depends on it, and dropped only when nothing does.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable

from amonsup.loop.channel import Channel, Message, close_all
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters.watch import Ended

PATIENCE_S = 0.05


class Store:
    """The guardian's link. `on_exit(pid, ticks, ended, trace)` and `on_signal(name)` are called as it tells."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        on_exit: Callable[[int, int, Ended, str], None],
        on_signal: Callable[[str], None],
        on_orphaned: Callable[[], None],
    ) -> None:
        self.descriptors: dict[str, int] = {}
        self.is_watch_only = False
        self.deaths = 0
        self._has_begun = False
        self._loop = loop
        self._on_exit = on_exit
        self._on_signal = on_signal
        self._pending: list[str] = []
        self._channel = Channel(loop, sock, self._on_message, on_orphaned)

    def greet(self) -> None:
        """Ask for everything a predecessor left, and wait for it: nothing may happen before it is known."""
        self._channel.send({"do": "hello"})
        while not self._has_begun and not self._channel.is_closed:
            self._loop.turn()

    def deliver_pending(self) -> None:
        """Signals that came while there was no supervisor."""
        pending, self._pending = self._pending, []
        for name in pending:
            self._on_signal(name)

    def keep(self, name: str, fd: int) -> None:
        """Hold `fd` (ours from now on) under `name`, here and in the guardian; replaces an earlier one."""
        old = self.descriptors.get(name)
        self.descriptors[name] = fd
        self._channel.send({"do": "keep", "name": name}, (fd,))
        if old is not None and old != fd:
            os.close(old)

    def settle(self) -> None:
        """Wait until the guardian has been sent everything: what is kept is then kept whatever becomes of us."""
        if not self._channel.is_closed:
            self._channel.flush_now()

    def drop(self, name: str) -> None:
        fd = self.descriptors.pop(name, None)
        if fd is not None:
            self._channel.send({"do": "drop", "name": name})
            os.close(fd)

    def acknowledge(self, pid: int, ticks: int) -> None:
        """An exit that the guardian told is on record."""
        self._channel.send({"do": "ack", "exits": [[pid, ticks]]})

    def taken(self, name: str) -> None:
        """What the signal asked for is under way, and on record: the guardian need not repeat it to a successor."""
        self._channel.send({"do": "taken", "name": name})

    def listen_briefly(self) -> None:
        """Take in what the guardian has just sent, or is about to send: at most PATIENCE_S."""
        select.select([self._channel.fileno()], [], [], PATIENCE_S)
        self._channel.receive_now()

    def announce_upgrade(self) -> None:
        self._channel.send({"do": "upgrade"})
        self._channel.flush_now()

    def announce_down(self, code: int) -> None:
        """Everything is stopped: once we exit, the guardian exits too, with `code`."""
        self._channel.send({"do": "down", "code": code})
        self._channel.flush_now()

    def _on_message(self, message: Message, fds: list[int]) -> None:
        kind = message["do"]
        if kind == "store":
            for name in message["names"][: len(fds)]:
                self.descriptors[name] = fds.pop(0)
        elif kind == "exit":
            ended = Ended(message["status"], message["cpu"], message["rss"])
            self._on_exit(message["pid"], message["ticks"], ended, message.get("trace", ""))
        elif kind == "signal":
            self._on_signal(message["name"])
        elif kind == "begin":
            self.is_watch_only, self.deaths = message["watch_only"], message["deaths"]
            self._pending = message["pending"]
            self._has_begun = True
        close_all(fds)
