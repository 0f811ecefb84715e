"""What a person at a terminal sees while an operation takes its time: one line on stderr.

It holds the targets, or what just now is in the way, and the time elapsed; it appears only after a second, and is
gone again before anything else is shown. Where there is no terminal there is no line, and nobody wakes up for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO

from amonsup.cli.harmless import harmless
from amonsup.verbs.page import duration

NEVER = float("inf")
_FULL_LIST = 6


class Progress:
    """`interval_s` is how often `tick` wants to be called while there is nothing else to do."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float]) -> None:
        self._stream, self._clock, self._began = stream, clock, clock()
        self._what = "amonsupd"
        self._is_shown = False
        self.look: Callable[[], str] | None = None  # what is in the way just now; asked once a second
        self.interval_s = 1.0 if stream is not None else NEVER

    def wait_for(self, targets: tuple[str, ...]) -> None:
        """What the line says from now on; no targets: the daemon itself."""
        names = ", ".join(targets[:_FULL_LIST]) or "amonsupd"
        self._what = names if len(targets) <= _FULL_LIST else f"{names} and {len(targets) - _FULL_LIST} more"

    def tick(self) -> None:
        elapsed_s = self._clock() - self._began
        if self._stream is None or elapsed_s < self.interval_s:
            return
        width = _width(self._stream)
        what = (self.look() if self.look is not None else "") or self._what
        line = f"waiting for {harmless(what)}"[: width - 12]
        elapsed = f"{elapsed_s:.0f}s" if elapsed_s < 10 else duration(elapsed_s)
        self._write(f"\r{line} … {elapsed}\x1b[K")
        self._is_shown = True

    def clear(self) -> None:
        if self._is_shown:
            self._write("\r\x1b[K")
            self._is_shown = False

    def _write(self, text: str) -> None:
        assert self._stream is not None
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, UnicodeError):
            self._stream = None  # nobody looks any more; the operation goes on


def _width(stream: TextIO) -> int:
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(columns or 80, 40)
