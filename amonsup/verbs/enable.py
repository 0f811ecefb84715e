"""enable: it starts by itself."""

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
    name="enable",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="Let services start by themselves from the next boot on; kept over conf.d's autostart.",
    details=(
        "Starts nothing now. For a service with a schedule: whether its calendar is in force after a boot. Undone by "
        "`disable`; `show` says who said so and what conf.d says."
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
