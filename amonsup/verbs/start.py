"""start: bring services up."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("names, @TAG, or all", metavar="SERVICE...", required="yes")]
    force: Annotated[bool, describe("although somebody holds it")] = False


VERB = Verb(
    name="start",
    role=Role.OPERATOR,
    kind=Kind.OPERATION,
    summary="Start services, and what they depend on; waits until they are up.",
    details=(
        "Up means: a simple service lived for its min_uptime, a notify service said READY=1, a oneshot succeeded. "
        "A service in back-off is started at once; a fatal one gets a new chance. Exit status 1 if any failed."
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
