"""check: conf.d, without touching anything."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Page, line
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: Annotated[str, describe("a conf.d file or directory; default: all of the site", metavar="[PATH]")] = ""


def page(result: Any) -> Page:
    return [line(str(result))]


VERB = Verb(
    name="check",
    role=Role.NONE,
    kind=Kind.LOCAL,
    summary="Check amonsup.yaml and conf.d: every error with file:line:column and what is allowed.",
    details="Needs no daemon. Exit status 0: valid; 2: not.",
    arguments=Arguments,
    answer=dict,
    page=page,
)
