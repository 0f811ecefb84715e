"""Rotation by time where nobody writes: a timer for the next moment of the calendar (rotation.py).

One that passes while no logger is there, is left out.
"""

from __future__ import annotations

import time

from amonsup.logs.rotation import next_boundary, next_look
from amonsup.logs.settings import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amonsup.loop.loop import Loop, Timer

MARGIN_S = 0.001


class Alarm:
    """Calls `ring` at every boundary of what `set` was told: never | hourly | daily | weekly."""

    __slots__ = ("_loop", "_ring", "_rotate", "_timer")

    def __init__(self, loop: Loop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._rotate = NEVER
        self._timer: Timer | None = None

    def set(self, rotate: str) -> None:
        if rotate != self._rotate:
            self._rotate = rotate
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._rotate != NEVER:
            wall = time.time()
            moment = next_boundary(self._rotate, wall)
            at = self._loop.now() + next_look(moment, wall) - wall + MARGIN_S
            self._timer = self._loop.call_at(at, lambda: self._pass(moment))

    def _pass(self, moment: float) -> None:
        if time.time() >= moment:  # it was a look ahead of time, or the clock was put back
            self._ring()
        self._arm()
