"""The verbs: one file each, declared once; the doors (socket, command line, later chat) are generated from them."""

from __future__ import annotations

import importlib

from amonsup.verbs.verb import Verb

GROUPS = (
    (
        "look",
        (
            "status",
            "show",
            "logs",
            "events",
            "top",
            "tree",
            "blocking",
        ),
    ),
    (
        "command",
        (
            "start",
            "stop",
            "restart",
            "reload",
            "signal",
            "scale",
            "reset",
            "enable",
            "disable",
            "hold",
            "release",
            "mute",
            "rotate",
            "reopen",
        ),
    ),
    (
        "configure",
        (
            "check",
            "apply",
            "import",
            "schema",
            "completion",
        ),
    ),
    (
        "the daemon itself",
        (
            "shutdown",
            "upgrade",
            "audit",
            "room",
        ),
    ),
)
"""(what they are for, their names), in the order in which help lists them."""

NAMES = tuple(name for _, names in GROUPS for name in names)


def load(name: str) -> Verb | None:
    """The declaration of one verb, imported only now (a client needs one, not all); None: there is no such verb."""
    if name not in NAMES:
        return None
    verb: Verb = importlib.import_module(f"amonsup.verbs.{name}").VERB
    return verb


def load_all() -> list[Verb]:
    return [verb for name in NAMES if (verb := load(name)) is not None]
