"""reopen: close log files and open them anew."""

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
    name="reopen",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="Close the log files of services, so that the next line goes to whatever file has the name then.",
    details=(
        "For tools that have moved a log away by themselves. Usually they need not ask: a file that was removed is "
        "noticed with the next line."
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
