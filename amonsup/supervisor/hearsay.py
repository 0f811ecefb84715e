"""What our processes without rights may tell the supervisor: each message a record, checked before anything is done.

Logger, prober and control have other users than we; an attendant even has a service's, so any process of that service
can speak in its place (ptrace(2)). None of them may end the supervisor, lead it to a path, or make it keep without
bound: what is not exactly one of these records is not heard at all.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec

from amonsup.loop.channel import Message
from amonsup.wire.turned_away import Reason

MOST_FILES = 100
"""Files and directories of one service: what an honest attendant looks after at most (logs/attendant.py)."""

Name = Annotated[str, msgspec.Meta(max_length=100)]
Log = Annotated[str, msgspec.Meta(max_length=300)]
Path = Annotated[str, msgspec.Meta(max_length=4096)]
Text = Annotated[str, msgspec.Meta(max_length=5000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
Inode = Annotated[int, msgspec.Meta(ge=0)]


class _Spoken(msgspec.Struct, frozen=True, tag_field="do"):
    """Whatever is said; further fields are not heard."""


# -- the logger --


class Drained(_Spoken, frozen=True, tag="drained"):
    service: Name
    generation: Count
    is_stderr: bool = False


class Trouble(_Spoken, frozen=True, tag="trouble"):
    service: Name
    log: Log
    text: Text
    dropped: Count
    means: Text = ""


class Done(_Spoken, frozen=True, tag="done"):
    """A command: rotate or reopen."""

    id: int
    service: Name
    text: Text


class Remark(_Spoken, frozen=True, tag="remark"):
    service: Name
    text: Text


class Told(_Spoken, frozen=True, tag="match"):
    """A match: docs/protocol.md."""

    service: Name
    log: Log
    epoch: Annotated[str, msgspec.Meta(max_length=64)]
    number: Count
    position: Count
    generation: Count
    rules: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1000)]
    suppressed: tuple[Count, ...]
    late: bool
    text: str
    path: Path = ""


class Attend(_Spoken, frozen=True, tag="attend"):
    service: Name
    wanted: Annotated[tuple[tuple[Inode, Inode], ...], msgspec.Meta(max_length=200)] = ()


class WantsCut(_Spoken, frozen=True, tag="cut"):
    service: Name
    path: Path
    dev: Inode
    ino: Inode
    by: Name = ""


class Following(_Spoken, frozen=True, tag="following"):
    service: Name
    files: Annotated[tuple[tuple[Path, Inode, Inode], ...], msgspec.Meta(max_length=MOST_FILES)]


# -- an attendant --


class FoundFile(msgspec.Struct, frozen=True):
    path: Path
    dev: Inode
    ino: Inode
    watch: int
    former: bool
    size: Count = 0


class Files(_Spoken, frozen=True, tag="files"):
    files: Annotated[tuple[FoundFile, ...], msgspec.Meta(max_length=64)]
    directories: Annotated[tuple[tuple[int, Path], ...], msgspec.Meta(max_length=MOST_FILES)]
    problems: Annotated[tuple[tuple[Path, Text], ...], msgspec.Meta(max_length=MOST_FILES)]
    first: bool
    last: bool


class WasCut(_Spoken, frozen=True, tag="cut"):
    ok: bool
    bytes: Count = 0
    text: Text = ""
    unsupported: bool = False


# -- control and the prober --


class SessionSays(_Spoken, frozen=True, tag="session"):
    name: Text
    text: Annotated[str, msgspec.Meta(max_length=20_000)]


class HasSeen(_Spoken, frozen=True, tag="seen"):
    seq: Annotated[int, msgspec.Meta(ge=0)]


class WantsSecrets(_Spoken, frozen=True, tag="secrets"):
    """A login was refused: has the password changed?"""


class TurnedAway(_Spoken, frozen=True, tag="turned-away"):
    """Whom control has refused by itself, and how often since it last said so."""

    by: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    reason: Reason
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class Answered(_Spoken, frozen=True, tag="done"):
    number: int
    text: Annotated[str, msgspec.Meta(max_length=20_000)]


class Verdict(_Spoken, frozen=True, tag="verdict"):
    service: Name
    token: int
    failure: Text
    output: Text


Spoken = TypeVar("Spoken", bound=_Spoken)


def heard(message: Message, kind: type[Spoken]) -> Spoken | None:
    """The message as that record; None: it is none."""
    try:
        return msgspec.convert(message, kind)
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError, RecursionError):
        return None


def printable(text: str) -> str:
    """For events and warnings: nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def plain(spoken: Any) -> Message:
    """The record as a message again: with nothing in it but what was checked."""
    made: Message = msgspec.to_builtins(spoken)
    return made
