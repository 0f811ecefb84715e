"""How many requests are under way: bounded for each person, for all strangers together, and for all; pure.

What strangers ask only goes on record as refused. However many they are, they take no place from who may ask.
"""

from __future__ import annotations

MOST = 200
MOST_PER_PERSON = 8
MOST_OF_STRANGERS = 20
STRANGERS = ""


class Turns:
    """Whose requests are under way, by bare address, or STRANGERS."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def begin(self, who: str) -> bool:
        """One more; False, and nothing counted: that would be too many."""
        taken = self._taken.get(who, 0)
        if sum(self._taken.values()) >= MOST or taken >= (MOST_OF_STRANGERS if who == STRANGERS else MOST_PER_PERSON):
            return False
        self._taken[who] = taken + 1
        return True

    def end(self, who: str) -> None:
        """One that began is over."""
        self._taken[who] -= 1
        if not self._taken[who]:
            del self._taken[who]
