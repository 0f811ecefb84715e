"""Whom control has turned away, counted until the supervisor is told; pure.

It is told of each caller and reason once in a while, so a flood costs it nothing; and of so many callers at once only,
so those who come under a thousand names are one line: others.
"""

from __future__ import annotations

from amonsup.wire.turned_away import Reason

MOST = 50
"""Callers with their reasons between two tellings."""

MOST_COUNTED = 1_000_000
LONGEST = 1000
OTHERS = "others"


class Tally:
    """How often who was turned away, and for what."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Reason], int] = {}

    def add(self, by: str, reason: Reason, count: int = 1) -> None:
        """Count. A caller is an address, as it came in: it is made fit for records here."""
        key = "".join(c if c.isprintable() else "?" for c in by[:LONGEST]), reason
        if key not in self._counts and len(self._counts) >= MOST:
            key = OTHERS, reason
        self._counts[key] = min(MOST_COUNTED, self._counts.get(key, 0) + count)

    def take(self) -> list[tuple[str, Reason, int]]:
        """What was counted since the last time."""
        counts, self._counts = self._counts, {}
        return [(by, reason, count) for (by, reason), count in counts.items()]
