"""hold: the supervisor's hands off, for a while."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    service: Annotated[str, describe("a name, @TAG, or all", metavar="SERVICE")]
    duration: Annotated[str, describe("how long: 30m, 2h, 1d; at most 30d", metavar="DURATION")]
    reason: Annotated[str, describe("why, for whoever looks at status", metavar="[REASON]")] = ""


VERB = Verb(
    name="hold",
    role=Role.OPERATOR,
    kind=Kind.READ,
    summary="Keep the supervisor's hands off a service for a while; who and why stand in status.",
    details=(
        "What runs goes on, what is down stays down: no restart after an end, by a watchdog or by a health check, no "
        "scheduled run, no going down or coming up with a dependency. Commands are refused (exit status 4) unless "
        "given --force. The restart policy is applied when the hold ends: by itself, or by `release`. A hold outlives "
        "a reboot; a shutdown of the daemon stops held services too.\n\n"
        'Example:  amonsup hold db 2h "disk swap"'
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
