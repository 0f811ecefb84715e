"""One room, as far as we are in it: a state machine of what the server says (XEP-0045), pure.

    out -> joining -> checking -> in -> out …

A room counts as *right* if it is non-anonymous, members-only and persistent: only then does an affiliation there
grant anything, and only then are questions answered. In any other we only say our alerts. A room that our joining has
just made is not one that anybody meant: it is destroyed again, and that is reported.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from amonsup.control.core.records import Seen, bare, resource

NEEDED = {"muc_nonanonymous": "non-anonymous", "muc_membersonly": "members-only", "muc_persistent": "persistent"}
MOST_OCCUPANTS = 2000
MOST_NICKS = 5


class Step(enum.Enum):
    """What to do next, in answer to what was seen."""

    NOTHING = "nothing"
    CHECK = "check"  # we are in: ask what kind of room it is
    DESTROY = "destroy"  # we have just made it
    RENAME = "rename"  # the nick is taken: join with the next one
    GIVE_UP = "give up"  # not with this room


@dataclass(frozen=True)
class Occupant:
    """Somebody in the room. `jid` is the full real address, empty where the room hides it."""

    jid: str
    affiliation: str
    role: str


@dataclass
class Room:
    """What we know of a room. `trouble` is for people, empty if all is right."""

    jid: str
    wish: str  # the nick we would like to have
    is_in: bool = False
    is_right: bool = False
    trouble: str = ""
    tries: int = 0
    occupants: dict[str, Occupant] = field(default_factory=dict)

    @property
    def nick(self) -> str:
        return self.wish + "_" * self.tries

    def left(self) -> None:
        """The session is gone, or we were thrown out: nothing is known any more."""
        self.is_in = self.is_right = False
        self.occupants.clear()

    def seen(self, seen: Seen) -> Step:
        """A presence out of the room."""
        if bare(seen.sender) != self.jid:
            return Step.NOTHING
        nick = resource(seen.sender)
        if seen.kind == "error":
            return self._refused(seen.condition)
        is_own = "110" in seen.codes or nick == self.nick
        if seen.kind == "unavailable":
            self.occupants.pop(nick, None)
            if is_own and "303" not in seen.codes:
                if self.is_in:
                    self.trouble = _WHY_OUT.get(
                        next((c for c in sorted(seen.codes) if c in _WHY_OUT), ""), "left the room"
                    )
                self.left()
            return Step.NOTHING
        if len(self.occupants) < MOST_OCCUPANTS or nick in self.occupants:
            self.occupants[nick] = Occupant(seen.real_jid, seen.affiliation, seen.role)
        if not is_own or self.is_in:
            return Step.NOTHING
        if "201" in seen.codes:
            self.trouble = f"there is no such room; amonsup room create {self.jid} makes one"
            return Step.DESTROY
        self.is_in = True
        self.trouble = ""
        return Step.CHECK

    def checked(self, features: frozenset[str]) -> None:
        """What the room says of itself (disco#info)."""
        lacking = [word for feature, word in NEEDED.items() if feature not in features]
        self.is_right = not lacking
        if lacking:
            what = f"not {', not '.join(lacking)}"
            self.trouble = f"{what}: only alerts go there, affiliations grant nothing; its owner can set it right"

    def is_out(self, condition: str) -> bool:
        """Whether an error in answer to a ping of ourselves through the room says that we are not in it (XEP-0410)."""
        return condition not in _IN_OR_UNKNOWN

    def standing(self, person: str) -> str:
        """The affiliation of a bare address that is in the room just now; empty if it proves nothing."""
        if not (self.is_in and self.is_right):
            return ""
        return next((each.affiliation for each in self.occupants.values() if bare(each.jid) == person), "")

    def moderators(self) -> list[str]:
        """Full addresses of those who moderate, ourselves left out."""
        return [
            each.jid
            for nick, each in self.occupants.items()
            if each.role == "moderator" and each.jid and nick != self.nick
        ]

    def _refused(self, condition: str) -> Step:
        if condition == "conflict" and not self.is_in:
            if self.tries < MOST_NICKS:
                self.tries += 1
                return Step.RENAME
            self.trouble = f"the nick {self.wish} and others like it are taken"
            return Step.GIVE_UP
        self.left()
        self.trouble = _WHY_NOT.get(condition, f"could not be joined: {condition}")
        return Step.GIVE_UP


_IN_OR_UNKNOWN = ("service-unavailable", "feature-not-implemented", "remote-server-not-found", "remote-server-timeout")
_WHY_OUT = {
    "301": "banned from the room",
    "307": "thrown out of the room",
    "321": "no member of the room any more",
    "322": "the room is for members now",
    "332": "the server of the room goes down",
}
_WHY_NOT = {
    "registration-required": "members-only, and this account is no member; its owner can invite it",
    "forbidden": "banned from the room",
    "not-authorized": "the room wants a password",
    "not-allowed": "rooms may not be made there",
    "item-not-found": "locked or not there; amonsup room create makes one",
    "remote-server-not-found": "there is no such server for rooms",
    "service-unavailable": "the room is full, or its server is not there",
}
