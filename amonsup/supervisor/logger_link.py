"""Talking to the logger: what it is told of lives, settings and commands, and what it reports.

The logger is born with one end of a channel; our end is in the descriptor store, so a logger outlives a supervisor and
its successor goes on talking to it. Whoever is there first, a new logger or a new supervisor: everything is told again,
and the logger knows what of it is new. A command is kept until it is answered, and told again likewise.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Protocol

from amonsup.config.specs import Logging
from amonsup.loop import channel as channels
from amonsup.loop.channel import Channel, Message
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters.outputs import MERGED, STDERR, Outputs
from amonsup.supervisor.adapters.store import Store
from amonsup.supervisor.hearsay import Done, Drained, Trouble, heard, printable

LINK = "link:logger"
LINK_FD = 3
MOST_TROUBLES = 4000

Then = Callable[[str], None]
Send = Callable[[Message, tuple[int, ...]], None]


class Companion(Protocol):
    """Somebody else who talks with the logger over our channel: the messages of `kinds` are his."""

    kinds: frozenset[str]

    def connect(self, send: Send) -> None:
        """A logger is there; told before it is told of lives."""

    def disconnect(self) -> None: ...

    def told(self, message: Message, fds: list[int]) -> None:
        """Descriptors that are kept are taken out of `fds`."""


class LoggerLink:
    """The channel to whatever logger is alive. `say(kind, text)` makes an event; `settings_of` is asked by name."""

    def __init__(
        self,
        loop: Loop,
        store: Store,
        outputs: Outputs,
        settings_of: Callable[[str], Message],
        say: Callable[[str, str], None],
        companions: tuple[Companion, ...] = (),
    ) -> None:
        self._loop = loop
        self._store = store
        self._outputs = outputs
        self._settings_of = settings_of
        self._say = say
        self._companions = companions
        self._channel: Channel | None = None
        self._troubles: dict[str, str] = {}  # by log
        self._commands: dict[int, tuple[str, str, Then]] = {}
        self._last_command = 0
        outputs.settings_of = settings_of

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

    def changed(self, name: str) -> None:
        """The settings of a service have changed in place."""
        if self._channel is not None:
            self._channel.send({"do": "settings", "service": name, "settings": self._settings_of(name)})

    def command(self, verb: str, name: str, then: Then) -> None:
        """rotate or reopen; `then` gets an empty text, or why it failed."""
        self._last_command += 1
        self._commands[self._last_command] = verb, name, then
        self._tell(self._last_command)

    def warnings(self) -> list[str]:
        return [f"log of {printable(log.partition('.')[0])}: {text}" for log, text in self._troubles.items()]

    def _open(self, sock: socket.socket) -> None:
        self._channel = Channel(self._loop, sock, self._on_message, self._closed)
        for companion in self._companions:
            companion.connect(self._channel.send)
        self._outputs.connect(self._channel.send)
        for number in self._commands:
            self._tell(number)

    def _tell(self, number: int) -> None:
        if self._channel is not None:
            verb, name, _ = self._commands[number]
            message = {"do": verb, "id": number, "service": name, "settings": self._settings_of(name)}
            self._channel.send(message)

    def _on_message(self, message: Message, fds: list[int]) -> None:
        for companion in self._companions:
            if message["do"] in companion.kinds:
                companion.told(message, fds)
        channels.close_all(fds)
        if drained := heard(message, Drained):
            self._outputs.drained(drained.service, drained.generation, STDERR if drained.is_stderr else MERGED)
        elif trouble := heard(message, Trouble):
            self._trouble(trouble)
        elif done := heard(message, Done):
            command = self._commands.pop(done.id, None)
            if command is not None:
                command[2](done.text)

    def _trouble(self, trouble: Trouble) -> None:
        service, log, text, dropped = trouble.service, trouble.log, printable(trouble.text), trouble.dropped
        if text:
            is_new = log not in self._troubles
            if is_new and (len(self._troubles) >= MOST_TROUBLES or not log.startswith(f"{service}.")):
                return
            self._troubles[log] = text + (f"; {dropped} bytes dropped" if dropped else "")
            if is_new:
                self._say("log-trouble", f"{printable(service)}: {text}{printable(trouble.means)}")
        elif self._troubles.pop(log, None) is not None:
            self._say("log-recovered", f"{printable(service)}: {printable(log)}: written again" + _missing(dropped))

    def _closed(self) -> None:
        """The logger has ended; its pidfd says so too, and a new one will be made, with troubles of its own."""
        self._channel = None
        self._troubles.clear()
        self._outputs.disconnect()
        for companion in self._companions:
            companion.disconnect()
        self._store.drop(LINK)


def _missing(dropped: int) -> str:
    return f"; {dropped} bytes were dropped" if dropped else ""


def told(logging: Logging) -> Message:
    """What the logger needs to know of `logging:`."""
    return {
        "max_size": logging.max_size_bytes,
        "max_files": logging.max_files,
        "max_total": logging.max_total_bytes,
        "rotate": logging.rotate,
        "compress": logging.compress,
        "stderr": logging.stderr,
        "timestamps": logging.timestamps,
        "on_full": logging.on_full,
    }
