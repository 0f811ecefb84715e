"""What a verb is. Each is declared once, in its own file; every door is generated from the declaration.

`arguments` is a record; its field annotations say how a person gives them: a field of type tuple[str, ...] called
`services` takes service names, `all` and `@TAG`; bools are flags; a `help` text stands in the Meta. The answer is a
record too; `page` turns it into what a person reads.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Page


class Kind(enum.Enum):
    READ = "read"  # answered at once
    OPERATION = "operation"  # accepted, then finished
    STREAM = "stream"  # answered, then followed by events if asked to
    READING = "reading"  # answered with a descriptor through which the rest comes; by the client itself where it may
    LOCAL = "local"  # needs no daemon: done by the client


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """The declaration. `summary` is one line, `details` teaches: what it waits for, examples, exit status.

    `plan`: what an operation answers with that was only asked what it would do.
    """

    name: str
    role: Role
    kind: Kind
    summary: str
    details: str = ""
    arguments: type[msgspec.Struct]
    answer: type[Any]
    plan: type[Any] | None = None
    page: Callable[[Any], Page]

    def expected(self, *, is_at_once: bool) -> type[Any]:
        """The record in an answer: an operation that is answered at once was not carried out."""
        return self.plan if self.plan is not None and is_at_once else self.answer


def describe(text: str, **extra: str) -> msgspec.Meta:
    """The help of an argument. extra: metavar, short (one letter), choice, afar (the help in chat and forms)."""
    return msgspec.Meta(description=text, extra=dict(extra))
