"""stop: take services down."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("names, @TAG, or all", metavar="SERVICE...", required="yes")]
    kill: Annotated[bool, describe("SIGKILL at once, no stop signal, no grace period")] = False
    force: Annotated[bool, describe("although somebody holds it")] = False


VERB = Verb(
    name="stop",
    role=Role.OPERATOR,
    kind=Kind.OPERATION,
    summary="Stop services, dependants first; waits until nothing of them is left.",
    details=(
        "Running services that depend on a stopped one are stopped before it, wait, and come back by themselves once "
        "it is started again. After stop_grace_period everything the service ever forked is killed."
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
