"""Whether a user or a group exists, asked once a name: each question may go to a directory server."""

from __future__ import annotations

import grp
import pwd
from functools import cache

FAR = 2**32 - 1  # the kernel's 'no id'


@cache
def user_exists(name: str) -> bool:
    """Whether there is such an account, by name or by number."""
    try:
        if name.isascii() and name.isdigit():
            number = int(name[:11])
            return number < FAR and pwd.getpwuid(number) is not None
        return pwd.getpwnam(name) is not None
    except (KeyError, ValueError, UnicodeError, OSError):
        return False


@cache
def group_exists(name: str) -> bool:
    """Whether there is such a group, by name; any number is one."""
    try:
        if name.isascii() and name.isdigit():
            return int(name[:11]) < FAR
        return grp.getgrnam(name) is not None
    except (KeyError, ValueError, UnicodeError, OSError):
        return False


def home_of(uid: int) -> str:
    """An account's home directory, '' if it has none."""
    try:
        return pwd.getpwuid(uid).pw_dir
    except (KeyError, OverflowError, OSError):
        return ""
