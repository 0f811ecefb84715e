"""A person's request to the supervisor, and its reply in words; the lines of logs come by a descriptor.

`logs` is answered with one end of a reader process, for a person as for the command line. What is read from it is cut
to what a phone shows: the last lines, and of each its beginning. A reader that is killed is replaced once or twice.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import msgspec

from amonsup.control.core import wording
from amonsup.control.core.records import Priority
from amonsup.control.desk import Desk
from amonsup.verbs.results import LogsResult
from amonsup.verbs.verb import Kind, Verb
from amonsup.wire.messages import Accepted, Answer, Caller, Refused

MOST_READERS = 3
MOST_READ = 16 * 1024 * 1024
"""Bytes from a reader. Those of a service's own files run as that service's user, who could say anything."""

READING_S = 30.0
"""Longer than one form waits: the end then comes as a message."""

_CHUNK = 256 * 1024


def priority(verb: Verb) -> Priority:
    """Of an answer: lines of logs are the longest and let all else pass."""
    return Priority.LOG if verb.kind is Kind.READING else Priority.ANSWER


async def ask(
    desk: Desk,
    verb: Verb,
    args: dict[str, object],
    caller: Caller,
    accepted: Callable[[Accepted], None] | None = None,
) -> wording.Words:
    """What to say, and whether it is an error."""
    if verb.kind is Kind.READING:
        return await _read(desk, verb, args, caller)
    return wording.reply(verb, await desk.supervisor.request(verb.name, args, caller, accepted=accepted))


async def _read(desk: Desk, verb: Verb, args: dict[str, object], caller: Caller) -> wording.Words:
    wanted = args.get("lines")
    is_bounded = isinstance(wanted, int) and 0 <= wanted <= wording.MOST_LINES
    # One more than is shown, to know whether there is more.
    query = args if is_bounded else {**args, "lines": wording.MOST_LINES + 1}
    for _ in range(MOST_READERS):
        ends: list[int] = []
        reply = await desk.supervisor.request(verb.name, query, caller, on_descriptor=ends.append)
        if not isinstance(reply, Answer) or not ends:
            text = Refused("-", "failed", "the log cannot be read just now")
            return wording.reply(verb, text if isinstance(reply, Answer) else reply)
        services = msgspec.json.decode(reply.result, type=LogsResult).services
        found = wording.LogLines(is_named=len(services) > 1)
        with socket.socket(fileno=ends.pop()) as reader:
            if await _listen(reader, found):
                return wording.Words(found.text(), is_error=found.is_refused)
    return wording.Words("failed: the readers of the log ended in mid-word; try again", is_error=True)


async def _listen(reader: socket.socket, found: wording.LogLines) -> bool:
    """Take what the reader says; False: it ended before it had said all."""
    from amonsup.logbook.frames import FrameError, Frames
    from amonsup.logbook.pieces import Note, Piece, ReadError

    frames, loop = Frames(), asyncio.get_running_loop()
    left = MOST_READ
    reader.setblocking(False)
    try:
        async with asyncio.timeout(READING_S):
            while not frames.is_ended:
                data = await loop.sock_recv(reader, _CHUNK)
                left -= len(data)
                for item in frames.feed(data):
                    if isinstance(item, Piece):
                        found.add(item.log, item.data)
                    elif isinstance(item, Note):
                        found.say(item.text)
                if frames.is_ended:
                    break
                if left < 0:
                    found.say("that is too much to read from afar; narrow it (since, until, lines)")
                    break
                if not data:
                    return False
    except TimeoutError:
        found.say(f"not all was read in {READING_S:.0f} s; narrow it (since, until)")
    except ReadError as error:
        found.refuse(f"{error.code}: {error.text}")
    except FrameError:
        found.refuse("failed: the reader of the log said what is no line")
    except ConnectionError:
        return False
    return True
