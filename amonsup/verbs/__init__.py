"""The verbs: one file each, declared once; the doors (socket, command line, later chat) are generated from them."""

from __future__ import annotations

import importlib

from amonsup.verbs.verb import Verb

NAMES = (
    "status",
    "show",
    "start",
    "stop",
    "restart",
    "signal",
    "enable",
    "disable",
    "reset",
    "scale",
    "hold",
    "release",
    "check",
    "apply",
    "tree",
    "blocking",
    "events",
    "logs",
    "top",
    "rotate",
    "reopen",
    "import",
    "schema",
    "completion",
    "shutdown",
    "upgrade",
)
"""In the order in which help lists them."""


def load(name: str) -> Verb | None:
    """The declaration of one verb, imported only now (a client needs one, not all); None: there is no such verb."""
    if name not in NAMES:
        return None
    verb: Verb = importlib.import_module(f"amonsup.verbs.{name}").VERB
    return verb


def load_all() -> list[Verb]:
    return [verb for name in NAMES if (verb := load(name)) is not None]
