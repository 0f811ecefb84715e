"""scale: more or fewer instances."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scales: Annotated[tuple[str, ...], describe("how many of each: ce=3", metavar="SERVICE=N...", required="yes")]


VERB = Verb(
    name="scale",
    role=Role.OPERATOR,
    kind=Kind.OPERATION,
    summary="Have N instances of services: new ones are started, the highest numbers stopped.",
    details=(
        "For services with `scale` in conf.d. Lasts, over a reboot too, until an apply finds another `scale` there. "
        "Instances are services like any other, NAME-1 to NAME-N; NAME means all of them. 0 is allowed.\n\n"
        "Example:  amonsup scale ce=3 worker=10"
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
