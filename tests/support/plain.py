"""Somebody without privileges, where this machine has one who can run us."""

from __future__ import annotations

import functools
import os

import pytest
from support.site import Who, ourselves, unprivileged


@functools.cache
def able(uid: int | None) -> tuple[Who, str]:
    """An unprivileged user, and why they cannot run us if so: asked once."""
    who = unprivileged(uid)
    return who, who.can_run()


def plain_user(uid: int | None = None) -> Who:
    """Somebody without privileges, or the test is skipped with the reason."""
    if os.geteuid() != 0:
        return ourselves()
    who, reason = able(uid)
    if reason:
        pytest.skip(f"an unprivileged user cannot run this Python and this tree here: {reason}")
    return who
