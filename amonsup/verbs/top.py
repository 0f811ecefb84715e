"""top: a live page for a terminal."""

from __future__ import annotations

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Page
from amonsup.verbs.verb import Kind, Verb


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


def page(_: object) -> Page:
    """It draws itself."""
    return []


VERB = Verb(
    name="top",
    role=Role.VIEWER,
    kind=Kind.LOCAL,
    summary="A live page: states, cpu and memory with their history, events, logs; keys to start, stop, restart.",
    details=(
        "Keys: s start, t stop, r restart (stop and restart ask first), l log, e events, i show, / filter, T tree, "
        "? help, q quit. Needs a terminal; 80x24 is enough. What your role does not allow is refused, as everywhere."
    ),
    arguments=Arguments,
    answer=dict,
    page=page,
)
