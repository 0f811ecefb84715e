"""What the kernel does for processes that these tests only pretend to kill."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator

import pytest

FEW = 8


def open_descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}


@pytest.fixture(autouse=True)
def closed_when_gone() -> Iterator[None]:
    """Nobody closes the descriptors of who is killed by an exception; over all these tests they are thousands."""
    before = open_descriptors()
    yield
    if len(open_descriptors() - before) > FEW:
        gc.collect()  # what belongs to an object is closed by that alone
        for fd in open_descriptors() - before:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(fd)
