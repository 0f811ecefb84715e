"""disable: it does not start by itself."""

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
    name="disable",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="Let services not start by themselves from the next boot on; kept over conf.d's autostart.",
    details=("Stops nothing now, and forbids nothing: `start` starts it, and so does a service that depends on it."),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
