"""What keeps a log from being written, and how much of it was thrown away meanwhile; told at most once a second."""

from __future__ import annotations

from collections.abc import Callable

from amonsup.loop.loop import Loop

RETRY_S = 1.0


class Trouble:
    """`dropped`: bytes thrown away so far; `retry_at`: monotonic; `tell(text, dropped)` tells the supervisor."""

    __slots__ = ("_is_over", "_is_telling", "_loop", "_tell", "_tell_at", "_told", "dropped", "retry_at", "text")

    def __init__(self, loop: Loop, tell: Callable[[str, int], None], text: str, dropped: int) -> None:
        self._loop = loop
        self._tell = tell
        self.text = text
        self.retry_at = self._tell_at = 0.0
        self.dropped = self._told = dropped
        self._is_telling = False
        self._is_over = False
        tell(text, dropped)

    def tell_dropped(self) -> None:
        """At most once a second, and at last how much it was."""
        now = self._loop.now()
        if self._told == self.dropped or self._is_over:
            return
        if now >= self._tell_at:
            self._told = self.dropped
            self._tell_at = now + RETRY_S
            self._tell(self.text, self.dropped)
        elif not self._is_telling:
            self._is_telling = True
            self._loop.call_at(self._tell_at, self._tell_rest)

    def end(self) -> int:
        """Nothing more is told of it; how much was dropped."""
        self._is_over = True
        return self.dropped

    def _tell_rest(self) -> None:
        self._is_telling = False
        self.tell_dropped()
