"""Talking to the prober: which checks it is asked to make, and what it found.

The prober is born with one end of a channel; our end is in the descriptor store, so it outlives a supervisor. What a
predecessor had asked of it is asked anew by the engine, and an answer that nobody waits for any more is ignored.

A prober that hangs answers nothing at all, and nothing would be known of anybody's health: it has to go.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from amonsup.config.specs import Healthcheck
from amonsup.loop import channel as channels
from amonsup.loop.channel import Channel, Message
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters.store import Store
from amonsup.supervisor.hearsay import Verdict, heard, printable

LINK = "link:prober"
LINK_FD = 3
MOST_SAID = 400

PATIENCE_S = 1.0
"""How long a prober is still listened to that has missed a deadline: it may be we who are late."""


class ProberLink:
    """`on_verdict(service, ticket, failure, output)`; `on_gone`: what was asked is not answered any more;
    `on_hanging`: the prober does not answer anything.
    """

    def __init__(
        self,
        loop: Loop,
        store: Store,
        on_verdict: Callable[[str, int, str, str], None],
        on_gone: Callable[[], None],
        on_hanging: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._store = store
        self._on_verdict = on_verdict
        self._on_gone = on_gone
        self._on_hanging = on_hanging
        self._heard = 0.0  # when a prober last said something
        self._is_suspected = False
        self._channel: Channel | None = None

    def resume(self) -> None:
        """A predecessor's prober may still be there."""
        fd = self._store.descriptors.get(LINK)
        if fd is not None:
            self._channel = Channel(self._loop, socket.socket(fileno=os.dup(fd)), self._on_message, self._closed)

    def make(self) -> tuple[tuple[int, int], ...]:
        """A new channel for a prober about to be born: its end, and the number it gets."""
        ours, theirs = channels.pair()
        if self._channel is not None:
            self._channel.close()
        self._store.keep(LINK, os.dup(ours.fileno()))
        self._channel = Channel(self._loop, ours, self._on_message, self._closed)
        return ((theirs.detach(), LINK_FD),)

    def ask(self, name: str, ticket: int, check: Healthcheck) -> bool:
        """False: there is nobody to ask."""
        if self._channel is None or self._channel.is_closed:
            return False
        kind, target = ("http", check.http) if check.http else ("tcp", check.tcp)
        asked = {"do": "probe", "service": name, "token": ticket, "kind": kind, "target": target}
        self._channel.send({**asked, "timeout_s": check.timeout_s})
        return True

    def overdue(self, asked: float) -> None:
        """What was asked then has not been answered in time. If nothing else was either, it hangs."""
        if self._channel is None or self._heard >= asked or self._is_suspected:
            return
        suspect = self._channel

        def look() -> None:
            self._is_suspected = False
            if self._channel is suspect and self._heard < asked:
                self._on_hanging()

        self._is_suspected = True
        self._loop.call_at(self._loop.now() + PATIENCE_S, look)

    def _on_message(self, message: Message, fds: list[int]) -> None:
        channels.close_all(fds)
        self._heard = self._loop.now()
        verdict = heard(message, Verdict)
        if verdict is not None:
            said = printable(verdict.failure)[:MOST_SAID], printable(verdict.output)[:MOST_SAID]
            self._on_verdict(verdict.service, verdict.token, *said)

    def _closed(self) -> None:
        """The prober has ended; its pidfd says so too, and a new one will be made."""
        self._channel = None
        self._on_gone()
        self._store.drop(LINK)
