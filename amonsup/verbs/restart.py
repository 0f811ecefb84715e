"""restart: a new life."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("names, @TAG, or all", metavar="SERVICE...", required="yes")]
    kill: Annotated[bool, describe("SIGKILL the old life at once")] = False
    force: Annotated[bool, describe("without its preflight, and although somebody holds it")] = False


VERB = Verb(
    name="restart",
    role=Role.OPERATOR,
    kind=Kind.OPERATION,
    summary="Stop and start services again; starts those that are stopped.",
    details=(
        "Dependants with `restart: true` go down before it and come back after it; others are left alone. "
        "If a running service has a preflight it comes first, and nothing is done if it fails."
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
