"""Open descriptors of this process: what the kernel does for processes that tests only pretend to kill."""

from __future__ import annotations

import contextlib
import gc
import os


def opened() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}


def close_since(before: set[int]) -> None:
    """Close what has been opened since then; what belongs to an object that is gone is closed by that alone."""
    gc.collect()
    for fd in opened() - before:
        with contextlib.suppress(OSError):  # that of the listing itself
            os.close(fd)
