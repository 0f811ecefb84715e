"""Reading configuration files: bounded, regular files only, and as root only what root alone can change.

Whoever can write a file that root reads commands from is root. So with `is_trusting` false a file or
directory that belongs to somebody else, or that its group (unless it is root's) or everybody may write, is
refused together with the commands that put it right. The check is made on the opened descriptor, not on a
name that may change meanwhile.
"""

from __future__ import annotations

import os
import stat

MAX_BYTES = 1 << 20


class UnreadableError(Exception):
    """A file cannot be used; the text says why."""


def read(path: str, *, is_trusting: bool) -> bytes:
    """A file's content, at most one byte more than a configuration may have."""
    try:
        # a FIFO would block an ordinary open for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as wrong:
        raise UnreadableError(_reason(wrong)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("is not a regular file")
        if not is_trusting:
            _insist(status, path)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    except OSError as wrong:
        raise UnreadableError(_reason(wrong)) from None
    finally:
        os.close(descriptor)


def listing(directory: str, *, is_trusting: bool) -> list[str]:
    """The names in a directory that are read as conf.d, in order; see `is_conf_name`."""
    try:
        if not is_trusting:
            _insist(os.stat(directory), directory)
        names = os.listdir(directory)
    except (OSError, ValueError) as wrong:
        raise UnreadableError(_reason(wrong)) from None
    return sorted(names)


def is_conf_name(name: str) -> bool:
    """Every *.yaml counts, but not what editors leave behind under a leading dot."""
    return name.endswith(".yaml") and not name.startswith(".")


def distrust(status: os.stat_result, path: str) -> str:
    """Why root should not believe a file, with the remedy; '' if nothing speaks against it."""
    owner = status.st_uid
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != 0
    by_others = status.st_mode & stat.S_IWOTH
    if owner == 0 and not by_group and not by_others:
        return ""
    remedies = []
    reasons = []
    if owner != 0:
        reasons.append(f"belongs to uid {owner}, not to root")
        remedies.append(f"chown root {path}")
    if by_group or by_others:
        whom = "everybody" if by_others else f"its group (gid {status.st_gid})"
        reasons.append(f"can be written by {whom}")
        remedies.append(f"chmod go-w {path}")
    return f"{' and '.join(reasons)}, so root does not read it; remedy: {'; '.join(remedies)}"


def exposure(status: os.stat_result, path: str, euid: int) -> str:
    """Why a file does not keep a secret of the user euid, with the remedy; '' if it does."""
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a regular file"
    if status.st_uid not in (0, euid):
        return f"{path} belongs to uid {status.st_uid}; remedy: chown {euid} {path}"
    if status.st_mode & 0o077:
        return f"{path} can be read by others than its owner; remedy: chmod 600 {path}"
    return ""


def _insist(status: os.stat_result, path: str) -> None:
    reason = distrust(status, path)
    if reason:
        raise UnreadableError(reason)


def _reason(wrong: OSError | ValueError) -> str:
    if isinstance(wrong, FileNotFoundError):
        return "does not exist"
    if isinstance(wrong, OSError) and wrong.strerror:
        return f"cannot be read: {wrong.strerror}"
    return "cannot be read: its name is not a file name"  # ValueError: a NUL within
