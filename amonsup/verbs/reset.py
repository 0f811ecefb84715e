"""reset: past failures are forgotten."""

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
    name="reset",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="Forget past failures: a fatal service is merely stopped, start limit and back-off begin anew.",
    details=(
        "Clears the last exits and the counts of restarts, skipped and missed runs as well, and lets a service out of "
        "quarantine. Starts and stops nothing."
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
