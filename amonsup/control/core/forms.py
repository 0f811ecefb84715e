"""Forms of ad-hoc commands, generated from the verbs' declarations (XEP-0050, XEP-0004); pure.

A verb that only looks and needs nothing is answered at once; any other asks with one form, and its answer is the end:
whoever tries what is in a client's menu changes nothing by that. Where there is a dry run it is ticked. Sessions
belong to the full address that opened them, end by themselves, and are bounded in number, in all and for each person.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, get_type_hints

from amonsup.config.roles import Role
from amonsup.control.core.options import HIDDEN, described, help_of, needed
from amonsup.verbs.verb import Verb

TTL_S = 300.0
MOST = 100
MOST_PER_PERSON = 5
LONGEST_VALUE = 200
MOST_VALUES = 200

_SERVICES, _SERVICE = "services, or all of them", "service"
"""A form lists them: what the declarations say of names and tags is for who types them."""

TICKED = frozenset({"dry_run"})
"""Flags that a form begins with, and that hold good unless they are taken away: a client may send nothing at all."""


@dataclass(frozen=True)
class Field:
    """One field. kind: list-multi, list-single, boolean, text-single."""

    var: str
    kind: str
    label: str
    is_required: bool
    options: tuple[str, ...] = ()
    is_ticked: bool = False


def fields(verb: Verb, services: tuple[str, ...]) -> list[Field]:
    """The form of a verb, for the services there are."""
    hints = get_type_hints(verb.arguments, include_extras=True)
    struct = verb.arguments
    required = needed(verb)
    found = []
    for name in struct.__struct_fields__:
        if name in HIDDEN:
            continue
        kind, extra = described(hints[name])
        label = help_of(hints[name])
        is_required = name in required or "required" in extra
        if name == "services":
            found.append(Field(name, "list-multi", _SERVICES, is_required, ("all", *services)))
        elif name == "service":
            found.append(Field(name, "list-single", _SERVICE, is_required, services))
        else:
            as_text = "boolean" if kind is bool else "text-single"
            found.append(Field(name, as_text, label, is_required, is_ticked=name in TICKED))
    return found


def needs_form(verb: Verb) -> bool:
    """Whether there is anything that must be asked first: what is missing, or whether it is meant at all."""
    return verb.role >= Role.OPERATOR or any(field.is_required for field in fields(verb, ()))


def arguments(verb: Verb, values: dict[str, list[str]]) -> dict[str, Any] | str:
    """What was filled in, as the verb's arguments; or what is wrong, in words."""
    hints = get_type_hints(verb.arguments, include_extras=True)
    args: dict[str, Any] = {}
    for field in fields(verb, ()):
        given = [value.strip()[:LONGEST_VALUE] for value in values.get(field.var, ()) if value.strip()][:MOST_VALUES]
        if not given:
            if field.is_required:
                return f"{field.var} is missing"
            if field.is_ticked:
                args[field.var] = True
            continue
        kind, _ = described(hints[field.var])
        if field.kind == "list-multi":
            args[field.var] = given
        elif kind is bool:
            args[field.var] = given[0] in ("1", "true")
        elif kind is int:
            if not given[0].lstrip("-").isdigit():
                return f"{field.var}: a number is expected"
            args[field.var] = int(given[0])
        else:
            args[field.var] = given[0]
    return args


@dataclass(frozen=True)
class Session:
    """A form that is being filled in."""

    id: str
    opener: str
    verb: str
    expires_at: float


class Sessions:
    """All that are open. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Session] = OrderedDict()

    def has_room(self, opener: str, now: float) -> bool:
        """Whether a new one of this person ends no other."""
        self._expire(now)
        return len(self._open) < MOST and len(self._of(opener)) < MOST_PER_PERSON

    def _of(self, opener: str) -> list[Session]:
        person = opener.partition("/")[0]
        return [each for each in self._open.values() if each.opener.partition("/")[0] == person]

    def open(self, opener: str, verb: str, now: float) -> Session:
        """A new one. The oldest of this person ends if he has too many, the oldest of all if there are too many."""
        self._expire(now)
        if len(mine := self._of(opener)) >= MOST_PER_PERSON:
            self._open.pop(mine[0].id)
        if len(self._open) >= MOST:
            self._open.popitem(last=False)
        session = Session(secrets.token_hex(16), opener, verb, now + TTL_S)
        self._open[session.id] = session
        return session

    def take(self, key: str, sender: str, verb: str, now: float) -> Session | None:
        """End one, if it is there and the sender's own, and for this verb; otherwise it stays as it is."""
        self._expire(now)
        session = self._open.get(key)
        if session is None or session.opener != sender or session.verb != verb:
            return None
        return self._open.pop(key)

    def __len__(self) -> int:
        return len(self._open)

    def _expire(self, now: float) -> None:
        while self._open and next(iter(self._open.values())).expires_at <= now:
            self._open.popitem(last=False)
