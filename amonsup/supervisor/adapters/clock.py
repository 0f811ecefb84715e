"""Being told that the wall clock was set, or that the machine woke from a suspension (timerfd_create(2)).

A timer of CLOCK_REALTIME that may be cancelled becomes readable when the clock jumps. `os` has timerfd only since
Python 3.13, so it comes out of the compiled spawner; where that is missing nobody tells us, and whoever waits for a
moment of the wall clock has to look again now and then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from amonsup.loop.loop import Loop


def on_set(loop: Loop, then: Callable[[], None]) -> bool:
    """Call `then` whenever the wall clock has jumped. False: nobody can tell."""
    try:
        from amonsup.supervisor.adapters import _spawner

        fd: int = _spawner.clock_descriptor()
    except (ImportError, AttributeError, OSError):
        return False

    def heard(_mask: int) -> None:
        with contextlib.suppress(OSError):  # ECANCELED is the message itself
            os.read(fd, 8)
        then()

    loop.watch(fd, heard)
    return True
