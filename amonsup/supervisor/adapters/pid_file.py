"""Pid files: read and removed without believing who wrote them.

A service's user may be able to write where its pid file lies, and a daemon that runs as root must not be led by what
it finds there. So the way to the file is walked directory by directory: symbolic links are followed only where nobody
but root or we could have put them, never in a directory that others can write to; the file itself must be a regular
one that belongs to root or to the service's user. What stands in it is a claim, to be checked against the service's
scope.
"""

from __future__ import annotations

import contextlib
import os
import stat

MAX_SIZE = 64
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
MOST_LINKS = 8


def read(path: str, uid: int) -> int:
    """The pid that stands in the file; 0: there is no file, or none that can be trusted, or no pid in it.

    `uid`: the service's user, -1 for our own.
    """
    try:
        directory, name = _open_parent(path)
    except OSError:
        return 0
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return 0
    finally:
        os.close(directory)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in _trusted(uid):
            return 0
        text = os.read(fd, MAX_SIZE).strip()
    except OSError:
        return 0
    finally:
        os.close(fd)
    pid = int(text) if text.isdigit() else 0
    return pid if 1 < pid < 1 << 31 else 0


def remove(path: str, uid: int) -> None:
    """Remove what a former life left. Nothing happens if it is not there, or not a file of the service's or ours."""
    with contextlib.suppress(OSError):
        directory, name = _open_parent(path)
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_uid in _trusted(uid):
                os.unlink(name, dir_fd=directory)
        finally:
            os.close(directory)


def _trusted(uid: int) -> set[int]:
    return {0, os.geteuid() if uid < 0 else uid}


def _open_parent(path: str) -> tuple[int, str]:
    """The directory, open, and the name in it. Raises OSError, also for a link that is not to be followed."""
    directory, name = os.path.split(path)
    fd = os.open("/", _DIRECTORY)
    left = [part for part in directory.split("/") if part][::-1]
    links = 0
    try:
        while left:
            part = left.pop()
            target = _trusted_link(fd, part)
            if target is None:
                # O_NOFOLLOW: it may have become a link since we looked.
                fd = _step(fd, os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=fd))
                continue
            links += 1
            if links > MOST_LINKS:
                raise OSError("too many links")
            if target.startswith("/"):
                fd = _step(fd, os.open("/", _DIRECTORY))
            left += [word for word in target.split("/") if word][::-1]
    except BaseException:
        os.close(fd)
        raise
    return fd, name


def _step(old: int, new: int) -> int:
    os.close(old)
    return new


def _trusted_link(fd: int, part: str) -> str | None:
    """Where a link leads that root (or we) put where nobody else could have; None: it is no such link."""
    status = os.stat(part, dir_fd=fd, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        return None
    around = os.fstat(fd)
    is_closed = around.st_uid in _trusted(-1) and not around.st_mode & 0o022
    if not is_closed or status.st_uid not in _trusted(-1):
        return None
    return os.readlink(part, dir_fd=fd)
