"""Where a client gets log lines from: the files themselves, or a reader process of the daemon.

Who may read the files does so, and needs no daemon. Everybody else asks it, and gets a descriptor with the answer,
through which a process of the logger's user speaks. If that process, or the supervisor, is killed, the same is asked
again of the successor, from the cursor of the last line that came: nothing is lost or shown twice.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

import msgspec

from amonsup.cli.ask import new_request
from amonsup.cli.connection import Connection
from amonsup.cli.conversation import Conversation
from amonsup.cli.errors import FAILED, CommandError, ProtocolError
from amonsup.cli.progress import NEVER, Progress
from amonsup.config import own_processes
from amonsup.logbook.frames import FrameError, Frames
from amonsup.logbook.moments import here
from amonsup.logbook.pieces import Idle, Item, Piece, ReadError, Scanned, cursor, keep_position
from amonsup.logbook.reading import Captured, Query, Reading
from amonsup.verbs.results import LogsResult, StatusResult
from amonsup.verbs.verb import Verb
from amonsup.wire.messages import REFUSALS, Answer, Refused

Source = Callable[[Query], tuple[list[str], Iterable[Item]]]
"""A query -> the names of the services that were meant, and the items."""

MOST_TRIES = 5
"""Readers in a row that ended before they had said anything."""

_CHUNK = 256 * 1024


class NobodyListensError(Exception):
    """Whoever read what we write has gone."""


def from_files(log_dir: str, query: Query, listener: int) -> Iterator[Item]:
    """`listener` is the descriptor we write to: an end there is the end."""
    try:
        reading = Reading(Captured(log_dir), query, here())
    except ReadError as error:
        raise refused(error.code, error.text) from None
    try:
        yield from reading.items(lambda fd: _wait(fd, listener))
    except ReadError as error:
        raise refused(error.code, error.text) from None
    finally:
        reading.close()


Ask = Callable[[Query], tuple[list[str], socket.socket]]


def from_daemon(query: Query, ask: Ask, path: str, listener: int) -> tuple[list[str], Iterator[Item]]:
    """The names of the services that were meant, and the items. `path` is for what is said of errors."""
    services, sock = ask(query)
    return services, _items(query, ask, sock, path, listener)


def _items(query: Query, ask: Ask, sock: socket.socket, path: str, listener: int) -> Iterator[Item]:
    """Over as many readers as it takes."""
    positions: dict[str, int] = {}
    tries = 0
    while True:
        frames = Frames()
        before = dict(positions)
        with sock:
            while _wait(sock.fileno(), listener):
                try:
                    data = sock.recv(_CHUNK)
                    items = frames.feed(data)
                except ConnectionError:
                    break
                except ReadError as error:
                    raise refused(error.code, error.text) from None
                except FrameError as wrong:
                    raise ProtocolError(path, f"a reader's word: {wrong}") from None
                for item in items:
                    _remember(item, positions)
                    yield item
                if frames.is_ended:
                    return
                if not data:
                    break
            else:
                return
        tries = 0 if positions != before else tries + 1
        if tries >= MOST_TRIES:
            raise CommandError("failed", f"{tries} readers in a row ended without a word", FAILED)
        query = _continued(query, positions)
        _, sock = ask(query)


def names_by_daemon(words: list[str], path: str, timeout_s: float) -> list[str]:
    """The services that the daemon takes these words for. Raises CommandError."""
    from amonsup import verbs

    verb = verbs.load("status")
    assert verb is not None
    conversation = Conversation(path, Progress(None, lambda: 0.0), timeout_s)
    with closing(conversation.messages(new_request(verb, {"services": words}), is_command=False)) as messages:
        for message in messages:
            if isinstance(message, Refused):
                raise refused(message.code, message.text)
            if isinstance(message, Answer):
                names = [row.name for row in msgspec.json.decode(message.result, type=StatusResult).services]
                own = own_processes.NAMES.intersection(names)
                if own:
                    raise refused("unknown-service", own_processes.no_service(min(own)))
                return names
    raise AssertionError("messages end only after an answer")


def refused(code: str, text: str) -> CommandError:
    return CommandError(code, text, REFUSALS.get(code, FAILED))


def asking(verb: Verb, path: str, timeout_s: float) -> Ask:
    """How a query is put to the daemon."""
    return lambda query: _asked(verb, query, path, timeout_s)


def _asked(verb: Verb, query: Query, path: str, timeout_s: float) -> tuple[list[str], socket.socket]:
    """The names of the services, and a reader's other end."""
    connections: list[Connection] = []

    def connect(at: str) -> Connection:
        connections.append(Connection(at))
        return connections[-1]

    conversation = Conversation(path, Progress(None, lambda: 0.0), timeout_s or NEVER, connect=connect)
    args: dict[str, Any] = msgspec.to_builtins(query)
    with closing(conversation.messages(new_request(verb, args), is_command=False)) as messages:
        for message in messages:
            if isinstance(message, Refused):
                raise refused(message.code, message.text)
            if isinstance(message, Answer):
                if not connections[-1].descriptors:
                    raise ProtocolError(path, "no descriptor came with the answer")
                services = list(msgspec.json.decode(message.result, type=LogsResult).services)
                return services, socket.socket(fileno=connections[-1].descriptors.pop())
    raise AssertionError("messages end only after an answer")


def _remember(item: Item, positions: dict[str, int]) -> None:
    if isinstance(item, Piece):
        keep_position(positions, item.log, item.end)
    elif isinstance(item, Scanned):
        keep_position(positions, item.log, max(item.position, positions.get(item.log, 0)))
    elif isinstance(item, Idle):
        for log, position in item.positions.items():
            keep_position(positions, log, position)


def _continued(query: Query, positions: dict[str, int]) -> Query:
    """The same from where we are. What only said where to begin is done with."""
    if not positions:
        return query
    cursors = ",".join(cursor(log, position) for log, position in positions.items())
    return msgspec.structs.replace(query, cursor=cursors, lines=-1, since="", life="" if query.follow else query.life)


def _wait(fd: int, listener: int, poll: Callable[[], select.poll] = select.poll) -> bool:
    """Until the descriptor is readable; False: nobody listens to us any more."""
    waiting = poll()
    waiting.register(fd, select.POLLIN)
    if listener >= 0 and listener != fd:
        waiting.register(listener, 0)  # only its end is of interest: POLLERR, POLLHUP
    return all(ready == fd for ready, _ in waiting.poll())


def own_output() -> int:
    """The descriptor whose end ends us; -1 if it cannot have one."""
    try:
        os.fstat(1)
    except OSError:
        return -1
    return 1
