"""Our own processes as services: the same engine looks after them, in a fleet of their own.

So far there is the logger (control and prober will join it). It is born with one end of a channel; our end is in the
descriptor store, so a logger outlives a supervisor and its successor goes on talking to it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from amonsup import boot
from amonsup.config.specs import Backoff, ServiceSpec, SiteSpec
from amonsup.loop import channel as channels
from amonsup.loop.channel import Channel, Message
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters.outputs import Outputs
from amonsup.supervisor.adapters.store import Store

LOGGER = "logger"
LINK = f"link:{LOGGER}"
LINK_FD = 3


def logger_spec(site: SiteSpec) -> ServiceSpec:
    """Always back at once; a logger that cannot live comes back once a second."""
    return ServiceSpec(
        name=LOGGER,
        description="writes what services say into their logs",
        command=tuple(boot.command_line("logger", {"log_dir": site.log_dir, "run_dir": site.run_dir})),
        user=site.log_user,
        min_uptime_s=0.0,
        backoff=Backoff(initial_s=0.0, step_s=0.1, max_s=1.0, jitter=0.0, reset_after_s=5.0),
        stop_grace_period_s=5.0,
    )


class LoggerLink:
    """The channel to whatever logger is alive."""

    def __init__(self, loop: Loop, store: Store, outputs: Outputs, on_trouble: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._store = store
        self._outputs = outputs
        self._on_trouble = on_trouble
        self._channel: Channel | None = None

    def resume(self) -> None:
        """A predecessor's logger may still be there."""
        fd = self._store.descriptors.get(LINK)
        if fd is not None:
            self._open(socket.socket(fileno=os.dup(fd)))

    def make(self) -> tuple[tuple[int, int], ...]:
        """A new channel for a logger about to be born: its end, and the number it gets."""
        ours, theirs = channels.pair()
        if self._channel is not None:
            self._channel.close()
        self._store.keep(LINK, os.dup(ours.fileno()))
        self._open(ours)
        return ((theirs.detach(), LINK_FD),)

    def _open(self, sock: socket.socket) -> None:
        self._channel = Channel(self._loop, sock, self._on_message, self._closed)
        self._outputs.connect(self._channel.send)

    def _on_message(self, message: Message, fds: list[int]) -> None:
        channels.close_all(fds)
        if message["do"] == "drained":
            self._outputs.drained(message["service"], message["generation"])
        elif message["do"] == "trouble":
            self._on_trouble(message["service"], message["text"])

    def _closed(self) -> None:
        """The logger has ended; its pidfd says so too, and a new one will be made."""
        self._channel = None
        self._outputs.disconnect()
        self._store.drop(LINK)
