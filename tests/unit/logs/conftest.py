"""What the kernel does for processes that these tests only pretend to kill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.descriptors import close_since, opened

FEW = 8


@pytest.fixture(autouse=True)
def closed_when_gone() -> Iterator[None]:
    """Nobody closes the descriptors of who is killed by an exception; over all these tests they are thousands."""
    before = opened()
    yield
    if len(opened() - before) > FEW:
        close_since(before)
