"""What comes in over XMPP, as records that carry only what somebody uses, and what goes out.

Addresses are bare or full JIDs as text, lower case up to the resource. Everything textual was bounded on its way in
(xmpp/guard.py) and may hold anything.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element


@dataclass(frozen=True)
class Said:
    """A message (RFC 6121). `age_s`: how long ago it was sent, by its delay stamp (XEP-0203); 0 without one."""

    sender: str
    kind: str  # chat, normal, groupchat, headline, error
    body: str
    id: str = ""
    age_s: float = 0.0
    is_delayed: bool = False
    is_replacement: bool = False
    wants_receipt: bool = False


@dataclass(frozen=True)
class Seen:
    """A presence. `kind` is empty for available. The room fields come from XEP-0045."""

    sender: str
    kind: str = ""
    show: str = ""
    status: str = ""
    affiliation: str = ""
    role: str = ""
    real_jid: str = ""
    codes: frozenset[str] = frozenset()
    condition: str = ""  # of an error
    is_delayed: bool = False


@dataclass(frozen=True)
class Asked:
    """An IQ get or set that wants an answer."""

    sender: str
    id: str
    kind: str  # get, set
    payload: Element


class Priority(enum.IntEnum):
    """What goes first when not everything can."""

    COMMAND = 0
    ALERT = 1
    ANSWER = 2
    LOG = 3


@dataclass(frozen=True)
class Outgoing:
    """A stanza to be sent. `expires_at`: monotonic seconds; what is not on its way by then is not sent at all.

    `is_kept`: sent again after a session was lost, unless the server has acknowledged it.
    """

    stanza: Element = field(compare=False)
    priority: Priority
    expires_at: float
    is_kept: bool = False


def bare(jid: str) -> str:
    """The address without its resource."""
    return jid.partition("/")[0]


def resource(jid: str) -> str:
    """What stands behind the slash: in a room the nick."""
    return jid.partition("/")[2]
