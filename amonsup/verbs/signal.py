"""signal: send a signal to main processes."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signal: Annotated[str, describe("a name or number: HUP, SIGUSR1, 10", metavar="SIGNAL")]
    services: Annotated[tuple[str, ...], describe("names, @TAG, or all", metavar="SERVICE...", required="yes")]


VERB = Verb(
    name="signal",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="Send a signal to the main process of services.",
    details="What the signal does is the service's affair: if it ends the service, the restart policy applies.",
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
