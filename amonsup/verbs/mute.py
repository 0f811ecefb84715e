"""mute: no alerts of a service, for a while."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    service: Annotated[str, describe("a name, @TAG, or all", metavar="SERVICE")]
    duration: Annotated[str, describe("how long: 30m, 2h, 1d; at most 30d; 0 ends it", metavar="DURATION")]
    reason: Annotated[str, describe("why, for whoever looks at show", metavar="TEXT")] = ""


VERB = Verb(
    name="mute",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="No alerts of a service, for a while; everything else goes on.",
    details=(
        "What happens meanwhile stands in `events`, in `status` and in the presence as ever; only nobody is told. It "
        "outlives a reboot and ends by itself.\n\n"
        "Examples:  amonsup mute ce 2h --reason 'new release'   ·   amonsup mute all 0"
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
