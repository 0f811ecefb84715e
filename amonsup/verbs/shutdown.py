"""shutdown: stop everything in order, and the daemon."""

from __future__ import annotations

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


VERB = Verb(
    name="shutdown",
    role=Role.ADMIN,
    kind=Kind.OPERATION,
    summary="Stop every service in order, dependants first, then the daemon (as SIGTERM does).",
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
