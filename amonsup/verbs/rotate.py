"""rotate: begin new log files."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("names, @TAG, or all; default: all")] = ()


VERB = Verb(
    name="rotate",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="Begin a new log file for services, now: SERVICE.log becomes SERVICE.log.1.",
    details=(
        "A file that is empty stays. A line that is not yet complete goes on in the new file. Works for services that "
        "are down, too. Files that a service writes by itself follow a moment later."
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
