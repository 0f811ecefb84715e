"""inotify(7): a watch is added by whoever may read the file, and read by whoever holds the descriptor.

The permission is asked for when the watch is added. So the attendant, as the service's user, adds watches to an
instance that the logger, as nobody in particular, reads from: it needs no right on the files or directories. (That is
why no library is used: none takes over a descriptor.) Only `make` and `add` need ctypes, and only the attendant calls
them.
"""

from __future__ import annotations

import os
import struct

MODIFY = 0x00000002
ATTRIB = 0x00000004
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE_SELF = 0x00000400
MOVE_SELF = 0x00000800
Q_OVERFLOW = 0x00004000
IGNORED = 0x00008000
ONLYDIR = 0x01000000
MASK_ADD = 0x20000000

FILE_MASK = MODIFY | ATTRIB | MOVE_SELF | DELETE_SELF
DIRECTORY_MASK = CREATE | MOVED_TO | MOVE_SELF | DELETE_SELF | ONLYDIR

_HEAD = struct.Struct("iIII")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def make() -> int:
    """A new instance, close-on-exec and non-blocking. Raises OSError."""
    return _call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)


def add(instance: int, path: str, mask: int) -> int:
    """Watch what `path` leads to; the number of the watch. The same inode always has the same. Raises OSError."""
    return _call("inotify_add_watch", instance, os.fsencode(path), mask)


def parse(raw: bytes) -> list[tuple[int, int, bytes]]:
    """(number of the watch, mask, name within a directory) of each event that was read."""
    found = []
    at = 0
    while at + _HEAD.size <= len(raw):
        number, mask, _, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        found.append((number, mask, raw[at : at + length].rstrip(b"\0")))
        at += length
    return found


def _call(name: str, *arguments: Any) -> int:
    import ctypes

    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
