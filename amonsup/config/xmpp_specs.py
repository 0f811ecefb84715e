"""The checked form of `xmpp:` in amonsup.yaml: sessions, rooms, who may do what from afar, modules.

JIDs are kept as RFC 7622 prepares them as far as we need it: lower case, no resource. Comparing is then plain.
"""

from __future__ import annotations

import enum

import msgspec

from amonsup.config.roles import Role


class Affiliation(enum.IntEnum):
    """Standing in a room (XEP-0045); each includes the ones below it."""

    NONE = 0
    MEMBER = 1
    ADMIN = 2
    OWNER = 3


class Signature(enum.Enum):
    """From which role on a request must be signed."""

    UNSTATED = ""
    NONE = "none"
    OPERATOR = "operator"
    ADMIN = "admin"


class Session(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One account. `hosts` and `ports`, tried in turn, replace what the domain's SRV records say.

    `proxy` is an HTTP proxy as HOST:PORT, reached with CONNECT; `ca_file` the only authority that is believed.
    """

    name: str
    jid: str
    password_file: str = ""
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    ca_file: str = ""
    proxy: str = ""

    @property
    def domain(self) -> str:
        return self.jid.partition("@")[2]


class Room(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A room to be in, under `nick` (empty: the site's name). `alerts`: incidents are told there."""

    jid: str
    session: str = ""
    nick: str = ""
    alerts: bool = False


class RemoteRule(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A role from afar: exactly one of jid, domain and room is set. `alerts`: incidents are told to that JID."""

    role: Role
    jid: str = ""
    domain: str = ""
    room: str = ""
    affiliation: Affiliation = Affiliation.MEMBER
    alerts: bool = False


class Module(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One instance of a module of control/modules: `use` is its kind, `name` this instance's."""

    use: str
    name: str
    session: str = ""


class XmppSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """All of `xmpp:`. `remote` is the most that anybody gets for verbs that concern no single service."""

    sessions: tuple[Session, ...] = ()
    rooms: tuple[Room, ...] = ()
    sites: tuple[tuple[str, str], ...] = ()
    remote: Role = Role.OPERATOR
    require_signature: Signature = Signature.UNSTATED
    allowed_signers: str = ""
    revoked_keys: str = ""
    access: tuple[RemoteRule, ...] = ()
    modules: tuple[Module, ...] = ()
