"""inotify(7), as little of it as following a log needs. For processes that follow; brings ctypes along.

Watches are put on open files, not on paths, so nothing can slip in between opening and watching.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from amonsup.logbook.pieces import ReadError

IN_MODIFY = 0x2
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000

OF_FILE = IN_MODIFY | IN_MOVE_SELF
OF_DIRECTORY = IN_CREATE | IN_MOVED_TO

_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """Non-blocking; poll `fileno()`. Raises ReadError where the kernel grants no more of it."""

    def __init__(self) -> None:
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _failure("max_user_instances")

    def fileno(self) -> int:
        return self._fd

    def watch(self, fd: int, mask: int) -> int:
        """The number of the watch; the same one for the same file."""
        number: int = _libc.inotify_add_watch(self._fd, b"/proc/self/fd/%d" % fd, mask)
        if number < 0:
            raise _failure("max_user_watches")
        return number

    def unwatch(self, number: int) -> None:
        """Nobody minds if it is gone already."""
        _libc.inotify_rm_watch(self._fd, number)

    def read(self) -> list[tuple[int, str]]:
        """(watch, name in the directory or "") of what has happened; (-1, ""): more than the kernel could queue."""
        try:
            raw = os.read(self._fd, 65536)
        except BlockingIOError:
            return []
        found = []
        at = 0
        while at + _EVENT.size <= len(raw):
            number, mask, _, length = _EVENT.unpack_from(raw, at)
            at += _EVENT.size
            name = os.fsdecode(raw[at : at + length].rstrip(b"\0"))
            found.append((-1, "") if mask & IN_Q_OVERFLOW else (number, name))
            at += length
        return found

    def close(self) -> None:
        os.close(self._fd)


def _failure(limit: str) -> ReadError:
    number = ctypes.get_errno()
    hint = f" (fs.inotify.{limit} is used up)" if number in (errno.EMFILE, errno.ENOSPC) else ""
    return ReadError("failed", f"cannot follow: inotify: {os.strerror(number)}{hint}")
