"""What `xmpp.access` means: from an address, and a standing in a room, to a role. Deny is the default."""

from __future__ import annotations

from amonsup.config.roles import Role
from amonsup.config.xmpp_specs import Affiliation, XmppSpec

_AFFILIATIONS = {"owner": Affiliation.OWNER, "admin": Affiliation.ADMIN, "member": Affiliation.MEMBER}


def role_of(jid: str, xmpp: XmppSpec | None, room: str = "", affiliation: str = "") -> Role:
    """The highest role that a rule gives the address (bare or full); NONE without a rule.

    `room` and `affiliation` (XEP-0045) count only together, and only if the caller's real address is known from a
    room that hides none.
    """
    if xmpp is None:
        return Role.NONE
    bare = jid.partition("/")[0].lower()
    domain = bare.partition("@")[2]
    standing = _AFFILIATIONS.get(affiliation, Affiliation.NONE)
    roles = [
        rule.role
        for rule in xmpp.access
        if (rule.jid and rule.jid == bare)
        or (rule.domain and domain == rule.domain)
        or (rule.room and rule.room == room.lower() and standing >= rule.affiliation)
    ]
    return max(roles, default=Role.NONE)
