"""release: a hold ends before its time."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("names, @TAG, or all", metavar="SERVICE...", required="yes")]


VERB = Verb(
    name="release",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="End the hold of services now; what the restart policy wanted meanwhile is done.",
    details=("Whoever may hold a service may release it. Nothing happens to a service that nobody holds."),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
