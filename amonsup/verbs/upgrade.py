"""upgrade: the daemon replaces itself by the installed version."""

from __future__ import annotations

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


VERB = Verb(
    name="upgrade",
    role=Role.ADMIN,
    kind=Kind.OPERATION,
    summary="Replace all of the daemon's processes by the installed version; no service is touched (as SIGUSR2 does).",
    details="The new version is loaded once on trial first; if that fails the running one stays, exit status 1.",
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
