"""room create: a room as a site needs it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs import outcome
from amonsup.verbs.results import OperationResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    action: Annotated[str, describe("create", metavar="create", choice="create")]
    room: Annotated[str, describe("its address", metavar="ROOM")]


VERB = Verb(
    name="room",
    role=Role.ADMIN,
    kind=Kind.READ,
    summary="Make a room as a site needs it: non-anonymous, members-only, persistent.",
    details=(
        "The site's account owns it, and so do admins by their own address (jid) in xmpp: access:; the others there "
        "are members. Who else is to come in, an owner invites with a chat client. Then name it in amonsup.yaml, xmpp: "
        "rooms:, and apply.\n\nExample:  amonsup room create fleet@conference.vo.example.org"
    ),
    arguments=Arguments,
    answer=OperationResult,
    page=outcome.page,
)
