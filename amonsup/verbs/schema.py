"""schema: the JSON Schema of conf.d."""

from __future__ import annotations

from typing import Any

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Page, line
from amonsup.verbs.verb import Kind, Verb


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


def page(result: Any) -> Page:
    text = msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
    return [line(each) for each in text.splitlines()]


VERB = Verb(
    name="schema",
    role=Role.NONE,
    kind=Kind.LOCAL,
    summary="Print the JSON Schema of a conf.d file, for editors.",
    details="In an editor with the YAML language server:  # yaml-language-server: $schema=amonsup.schema.json",
    arguments=Arguments,
    answer=dict,
    page=page,
)
