"""reload: have services read their configuration again."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("names, @TAG, or all", metavar="SERVICE...", required="yes")]
    force: Annotated[bool, describe("without its preflight")] = False


VERB = Verb(
    name="reload",
    role=Role.OPERATOR,
    kind=Kind.OPERATION,
    summary="Have running services read their configuration again, without a new life.",
    details=(
        "By the signal or the command of `reload:` in conf.d; without that key SIGHUP is sent, which ends a program "
        "that does not expect it. If there is a preflight it comes first, and nothing is done if it fails. Waits for "
        "the end of the command; from a notify service that says RELOADING=1, for its READY=1."
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
