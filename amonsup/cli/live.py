"""The site as it is, and as it changes: one connection that follows the events and asks for the rows of status.

Nothing is polled for state: the rows are asked for again when something happened (at most every `calm_s`, so that a
storm of events is a few questions), and every `refresh_s` for who shows figures that move by themselves (cpu, uptime).
When the connection ends it is made anew, which `Lost` tells, and what happened in between is asked for by number.

The way messages take is in `Exchange`, which is pure: message and time in, requests and updates out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

import msgspec

from amonsup import verbs
from amonsup.cli.ask import new_request, parsed, refusal
from amonsup.cli.conversation import Conversation
from amonsup.cli.progress import NEVER
from amonsup.verbs.results import EventsResult, Happening, StatusResult
from amonsup.wire.codec import encode
from amonsup.wire.messages import Answer, EventLine, Refused, Request, ServerMessage

ANSWER_S = 30.0
"""How long an answer may take once we are connected."""


class Rows(msgspec.Struct, frozen=True):
    """`raw` is the answer as it came, with what a newer daemon added."""

    result: StatusResult
    raw: msgspec.Raw


class Happened(msgspec.Struct, frozen=True):
    """New entries of the journal, oldest first."""

    events: tuple[Happening, ...]


class Lost(msgspec.Struct, frozen=True):
    """The connection has ended; it is being made anew."""


Update = Rows | Happened | Lost


class Exchange:
    """What is asked when. `last_seq` is the last event seen, -1: none, so only the last `lines` are wanted."""

    def __init__(
        self, path: str, args: dict[str, Any], *, refresh_s: float = NEVER, calm_s: float = 0.0, lines: int = 0
    ) -> None:
        self._path, self._args, self._lines = path, args, lines
        self._refresh_s, self._calm_s = refresh_s, calm_s
        self._last_seq = -1
        self._instance = ""
        self._events_id = self._status_id = ""
        self._asked_at = -NEVER
        self._answered_at = -NEVER
        self._is_dirty = True

    def begin(self, instance: str) -> Request:
        """On a new connection: the request that follows the events. Another daemon numbers them anew."""
        if instance != self._instance:
            self._instance, self._last_seq = instance, -1
        self._status_id, self._is_dirty = "", True
        wanted: dict[str, Any] = {"follow": True, "lines": self._lines}
        if self._last_seq >= 0:
            wanted = {"follow": True, "after": self._last_seq}
        # Not only those of the services shown: what happens to others may change how these are.
        request = _request("events", wanted)
        self._events_id = request.id
        return request

    def due(self, now: float) -> Request | None:
        """The question for the rows, if it is time for it."""
        if self._status_id or now < self.next_at():
            return None
        self._is_dirty = False
        request = _request("status", self._args)
        self._status_id, self._asked_at = request.id, now
        return request

    def next_at(self) -> float:
        """When something is to be done although nobody says anything."""
        if self._status_id:
            return self._asked_at + ANSWER_S
        if self._is_dirty:
            return self._answered_at + self._calm_s
        return self._answered_at + self._refresh_s

    def is_overdue(self, now: float) -> bool:
        """The daemon listens and does not answer."""
        return bool(self._status_id) and now >= self._asked_at + ANSWER_S

    def take(self, message: ServerMessage, now: float) -> Update | None:
        """What a message means. Raises CommandError for a refusal, ProtocolError for nonsense."""
        if isinstance(message, Refused) and message.id in (self._events_id, self._status_id, "", "-"):
            raise refusal(message)
        if isinstance(message, Answer) and message.id == self._status_id:
            self._status_id, self._answered_at = "", now
            return Rows(parsed(message.result, StatusResult, self._path), message.result)
        if isinstance(message, Answer) and message.id == self._events_id:
            return self._happened(parsed(message.result, EventsResult, self._path).events)
        if isinstance(message, EventLine) and message.id == self._events_id:
            return self._happened((parsed(message.event, Happening, self._path),))
        return None

    def _happened(self, events: tuple[Happening, ...]) -> Update | None:
        new = tuple(event for event in events if event.seq > self._last_seq)
        if not new:
            return None
        self._last_seq = new[-1].seq
        self._is_dirty = True
        return Happened(new)


def updates(
    conversation: Conversation, exchange: Exchange, clock: Callable[[], float] = time.monotonic
) -> Generator[Update, None, None]:
    """For ever, or until a CommandError: refused, or the daemon is gone for good."""
    while True:
        with closing(conversation.opened()) as connection:
            connection.send(encode(exchange.begin(conversation.instance)), ANSWER_S)
            while not exchange.is_overdue(clock()):
                request = exchange.due(clock())
                if request is not None:
                    connection.send(encode(request), ANSWER_S)
                try:
                    message = conversation.next(connection, max(0.0, exchange.next_at() - clock()))
                except TimeoutError:
                    continue
                if message is None:
                    break
                update = exchange.take(message, clock())
                if update is not None:
                    yield update
        yield Lost()
        conversation.rest()


def _request(name: str, args: dict[str, Any]) -> Request:
    verb = verbs.load(name)
    assert verb is not None
    return new_request(verb, args)
