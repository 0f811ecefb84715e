"""Roles: what a caller may do, locally or from afar."""

from __future__ import annotations

import enum


class Role(enum.IntEnum):
    """What a caller may do; each role includes the ones below it."""

    NONE = 0
    VIEWER = 1
    READER = 2
    OPERATOR = 3
    ADMIN = 4


ROLES = {role.name.lower(): role for role in Role}
GIVEN_ROLES = {word: role for word, role in ROLES.items() if role is not Role.NONE}
