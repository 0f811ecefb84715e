"""How fast alerts follow each other: some at once, then one in half a minute, and what is more as a digest; pure.

Two buckets of messages, so that a reader is neither flooded nor kept waiting: one for alerts that are told each by
itself, and one for digests of everything that the first has no room for. Both are refilled by one message in REFILL_S.
So nothing waits longer than that, however many come and however they are spread.
"""

from __future__ import annotations

from dataclasses import dataclass

from amonsup.control.core.incidents import Incident

SINGLES = 5
DIGESTS = 3
REFILL_S = 30.0


@dataclass(frozen=True)
class Turn:
    """Whom to tell now: `single` each by itself, `together` in one digest. The rest `later`, in `again_s` seconds."""

    single: list[Incident]
    together: list[Incident]
    later: list[Incident]
    again_s: float


class Pace:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self._singles = Bucket(SINGLES)
        self._digests = Bucket(DIGESTS)

    def divide(self, waiting: list[Incident], now: float) -> Turn:
        """Oldest first. What would be alone in a digest goes by itself instead."""
        count = self._singles.take(len(waiting), now)
        single, rest = waiting[:count], waiting[count:]
        if rest and not self._digests.take(1, now):
            return Turn(single, [], rest, self._digests.wait_s(now))
        return Turn(waiting, [], [], 0.0) if len(rest) == 1 else Turn(single, rest, [], 0.0)


class Bucket:
    """How many messages may go at once; each is there again REFILL_S after the one before it is."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._full_at = float("-inf")

    def wait_s(self, now: float) -> float:
        """Until there is one; 0 or less: now. `now` never goes back."""
        self._full_at = max(self._full_at, now)
        return self._full_at - now - (self._most - 1) * REFILL_S

    def take(self, wanted: int, now: float) -> int:
        """As many of them as there are."""
        taken = 0
        while taken < wanted and self.wait_s(now) <= 0:
            self._full_at += REFILL_S
            taken += 1
        return taken
