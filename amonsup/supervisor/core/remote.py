"""What a caller from afar may do: the rules of `xmpp.access`, the ceilings, and how often anybody may ask.

Deny is the default. A role comes from the rules of the applied amonsup.yaml alone; what the control process says of
a caller is their address, and where they said it, never a role. On top of the role lie two ceilings: each service's
own `remote`, and `xmpp.remote` for what concerns no single service.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from amonsup.config.remote_access import role_of as role_by_rules
from amonsup.config.roles import Role
from amonsup.config.xmpp_specs import XmppSpec
from amonsup.wire.messages import Caller

BURST = 30
"""Requests that one caller may make at once; after that PER_S a second."""

PER_S = 1.0
MOST_CALLERS = 1000
NAMED = 5
"""Services that a refusal names."""

TOO_OLD_S = 60.0
"""A command that was under way for longer is not carried out (XEP-0203 says how long it was)."""


def role_of(caller: Caller, xmpp: XmppSpec | None) -> Role:
    """The role that the rules give the caller."""
    return role_by_rules(caller.jid, xmpp, caller.room, caller.affiliation)


def beyond_the_site(verb: str, needed: Role, ceiling: Role) -> str:
    """Why somebody who has the role may not: what would let them is another key than the one that gives roles."""
    most, least = ceiling.name.lower(), needed.name.lower()
    return f"{verb} needs the role {least}, and from afar nobody has more than {most}: {_allowing('xmpp.', least)}"


def beyond_services(verb: str, needed: Role, services: Sequence[str]) -> str:
    """Why it may not be done to these, whoever asks."""
    names = ", ".join(services[:NAMED]) + (f" and {len(services) - NAMED} more" if len(services) > NAMED else "")
    return f"{verb} of {names} is not allowed from afar: {_allowing('', needed.name.lower())}"


def _allowing(prefix: str, role: str) -> str:
    place = "amonsup.yaml" if prefix else "conf.d, at the service,"
    return f"`{prefix}remote: {role}` in {place} would allow it"


class Bucket(msgspec.Struct):
    """What is left of a burst, as of `at`."""

    left: float
    at: float

    def take(self, now: float, burst: float, per_s: float) -> bool:
        """One of it, at monotonic `now`; False: there is none left yet."""
        self.left = min(float(burst), self.left + (now - self.at) * per_s)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Throttle:
    """How often anybody may ask: a token bucket a caller, the oldest forgotten when there are too many."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def admits(self, bare: str, now: float) -> bool:
        """Count one request of `bare` at monotonic `now`; False: it comes too soon."""
        bucket = self._buckets.pop(bare, None) or Bucket(BURST, now)
        self._buckets[bare] = bucket  # the last now
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.pop(next(iter(self._buckets)))
        return bucket.take(now, BURST, PER_S)
