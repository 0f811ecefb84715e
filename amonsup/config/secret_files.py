"""The file that a secret is read from: believed, and kept, only if nobody but its owner's side could see or change it.

Whoever can read the source has the secret without us, and whoever can write it chooses what the service believes. So it
must belong to root or to the daemon's own user, everybody else may do nothing with it, and its group may read it at
most. The check is made on the opened descriptor.
"""

from __future__ import annotations

import os
import stat

MAX_BYTES = 1 << 20
"""Of all secrets of a service together."""


class SecretError(LookupError):
    """The secret cannot be used; the text says why and what helps, and holds nothing of the secret."""


def read(path: str, limit: int = MAX_BYTES) -> bytes:
    """The secret. Raises SecretError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would block an ordinary open for ever
    except (OSError, ValueError) as wrong:
        raise SecretError(f"{path}: {getattr(wrong, 'strerror', None) or 'is no name of a file'}") from None
    try:
        reason = distrust(os.fstat(fd), os.geteuid())
        if reason:
            raise SecretError(f"{path} {reason}")
        found = b""
        while part := os.read(fd, limit + 1 - len(found)):
            found += part
    except OSError as wrong:
        raise SecretError(f"{path}: {wrong.strerror}") from None
    finally:
        os.close(fd)
    if len(found) > limit:
        raise SecretError(f"{path} is too large: at most {MAX_BYTES >> 20} MiB for all secrets of a service")
    return found


def distrust(status: os.stat_result, euid: int) -> str:
    """Why a daemon of this user should not take it, with the remedy; '' if nothing speaks against it."""
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_uid not in (0, euid):
        return f"belongs to uid {status.st_uid}: chown it to {'root' if euid == 0 else 'the user amonsupd runs as'}"
    if status.st_mode & 0o007:
        return f"is open to everybody (mode {stat.S_IMODE(status.st_mode):04o}): chmod o= it"
    if status.st_mode & stat.S_IWGRP and status.st_gid != 0:
        return f"can be written by its group (mode {stat.S_IMODE(status.st_mode):04o}): chmod g-w it"
    return ""
