"""Protocol 1 between a client and the supervisor: newline-delimited JSON over amonsup.sock.

The server greets (`hello`). A client sends requests; each carries an id of the client's choosing, which for commands
is the idempotency key: the same id asked again, also of a successor, attaches to the same operation. A request is
answered by exactly one of

    answer      a reading verb: the result
    refused     nothing was done; why
    accepted    a command: it is on record and will be carried out, whatever happens to us;
                `finished` follows when it is over

and `events --follow` by `event` messages without end. Fields are only ever added; unknown ones are ignored; an
unknown type is refused by name. A line longer than MAX_LINE, or one that is not JSON, ends the connection.
"""

from __future__ import annotations

from typing import Any

import msgspec

PROTOCOL = 1
"""Version history: 1 - first."""

MAX_LINE = 64 * 1024
"""Bytes of one request, newline included."""

MAX_ID = 100


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The server's first line. `instance` changes when state was lost, `role` is what this caller may do."""

    protocol: tuple[int, int]  # oldest and newest understood
    version: str
    site: str
    instance: str
    role: str


class Caller(msgspec.Struct, frozen=True, omit_defaults=True):
    """For whom the control process asks: their address, and how they said it.

    `via`: chat, form (ad-hoc command) or room; `affiliation` is their standing in `room`, empty where that proves
    nothing; `age_s`: how long the command was under way, as far as a delay stamp tells.
    """

    jid: str
    via: str = "chat"
    room: str = ""
    affiliation: str = ""
    age_s: float = 0.0


class Request(msgspec.Struct, frozen=True, tag="request"):
    """The client asks for `verb`; which args it has stands in amonsup/verbs. Only the control process has callers."""

    id: str
    verb: str
    args: dict[str, Any] = {}
    caller: Caller | msgspec.UnsetType = msgspec.UNSET


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    id: str
    result: msgspec.Raw


class Refused(msgspec.Struct, frozen=True, tag="refused", omit_defaults=True):
    """Nothing was done. `code` is one of REFUSALS."""

    id: str
    code: str
    text: str


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """On record. `targets` are the services it concerns; `plan` is for an apply."""

    id: str
    targets: tuple[str, ...]


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The operation is over; `result` is a verbs.results.OperationResult."""

    id: str
    result: msgspec.Raw


class EventLine(msgspec.Struct, frozen=True, tag="event"):
    id: str
    event: msgspec.Raw


REFUSALS = {
    "bad-request": 2,  # not a message of this protocol, or wrong arguments
    "unknown-verb": 2,
    "unknown-service": 2,
    "invalid": 2,  # the configuration is
    "forbidden": 4,
    "held": 4,  # somebody works on it; with force it is done all the same
    "busy": 1,
    "shutting-down": 1,
    "watching-only": 1,
    "failed": 1,
}
"""Every refusal and the exit status it gives the command line."""

ServerMessage = Hello | Answer | Refused | Accepted | Finished | EventLine
ClientMessage = Request
