"""Refusals as they go into the audit log: the first of a caller in a minute at once, the others counted.

Somebody with many addresses, or a control that was taken over and can make them up, must not wash older entries out
of the log: of callers from afar NAMED are named at once and NAMED_PER_S after that; all others share one line a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from amonsup.loop.loop import Timer
from amonsup.supervisor.adapters.audit import Audit
from amonsup.supervisor.core.remote import Bucket
from amonsup.supervisor.tidings import rfc3339
from amonsup.wire.turned_away import Reason

WINDOW_S = 60.0
MOST_REFUSED = 1000
NAMED = 300
NAMED_PER_S = NAMED / 3600
MOST_KINDS = 10
OTHERS = "others"
LOCAL = "local"

WORDS = {
    Reason.SUBSCRIPTION: ("presence", "asked for our presence, and may not see it"),
    Reason.WORDS: ("chat", "spoke to us, and is nobody to us"),
    Reason.QUESTION: ("query", "asked what there is here, and may not see it"),
    Reason.ROOM: ("room", "gave a command where none is taken: in a room, or hidden by one"),
    Reason.FORM: ("form", "went on with a form that is closed, or somebody else's"),
    Reason.FORMS: ("form", "left more forms open than anybody may have; the oldest was closed"),
    Reason.BUSY: ("", "too many requests under way; not carried out"),
    Reason.STANZA: ("", "sent a stanza too deep or too wide to be looked at"),
    Reason.SERVER: ("session", "a server that is not to be believed; amonsup status says why"),
}
"""Where, and what, in our own words: control's would be those of whoever has taken it over."""


class Refused(msgspec.Struct):
    """One caller's further refusals of the minute, by verb or reason."""

    kinds: dict[str, int]

    def add(self, kind: str, count: int) -> None:
        if kind not in self.kinds and len(self.kinds) >= MOST_KINDS:
            kind = "more"
        self.kinds[kind] = self.kinds.get(kind, 0) + count


class Refusals:
    """`call_at` arms the timer that tells of repeated refusals; nothing wakes up where there are none."""

    def __init__(
        self, audit: Audit, now: Callable[[], float], call_at: Callable[[float, Callable[[], None]], Timer]
    ) -> None:
        self._audit = audit
        self._now = now
        self._call_at = call_at
        self._refused: dict[tuple[str, bool], Refused] = {}  # by whom, and whether we know that ourselves
        self._named = Bucket(NAMED, 0.0)

    def add(self, by: str, via: str, verb: str, text: str, *, request: str = "", count: int = 1) -> None:
        """`verb`, or the reason in a word, is what further ones are summed under."""
        key = by, via == LOCAL
        if key not in self._refused and not self._may_be_named(via):
            key = by, _ = OTHERS, via == LOCAL
        if key in self._refused:
            self._refused[key].add(verb, count)
            return
        at = rfc3339(time.time())
        self._audit.append("refused", by, at, via=via, verb=verb, request=request, text=text, count=count)
        self._refused[key] = Refused({})
        if len(self._refused) == 1:
            self._call_at(self._now() + WINDOW_S, self.tell)

    def _may_be_named(self, via: str) -> bool:
        """A further caller in this minute; users of this machine are only so many."""
        if len(self._refused) >= MOST_REFUSED:
            return False
        return via == LOCAL or self._named.take(self._now(), NAMED, NAMED_PER_S)

    def turned_away(self, by: str, reason: Reason, count: int) -> None:
        """What control says that it has turned away itself."""
        via, text = WORDS[reason]
        self.add(by, via, reason.value, text, count=count)

    def tell(self) -> None:
        """What was counted of the minute that is over, or ends now."""
        refused, self._refused = self._refused, {}
        at = rfc3339(time.time())
        for (by, _), more in refused.items():
            if count := sum(more.kinds.values()):
                kinds = ", ".join(f"{kind} {number}" for kind, number in more.kinds.items())
                self._audit.append("refused", by, at, text=f"more in the same minute: {kinds}", count=count)
