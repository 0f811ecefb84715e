"""The files of one log as they lie there just now, newest first.

The logger renames them while others look, so a look is repeated until two in a row agree. A file that stands there
both plain and packed (the logger was killed between putting the packed one in place and removing the plain one) counts
once, as the plain one.
"""

from __future__ import annotations

import os
import stat

from amonsup.logbook.gz import unpacked_size
from amonsup.logbook.names import parse

MOST_LOOKS = 20


class File:
    """One file. `size` is that of its content, unpacked; of a packed one as gz.py knows it."""

    __slots__ = ("inode", "is_packed", "modified", "name", "number", "size")

    def __init__(self, name: str, number: int, is_packed: bool, inode: int, size: int, modified: float) -> None:
        self.name = name
        self.number = number
        self.is_packed = is_packed
        self.inode = inode
        self.size = size
        self.modified = modified


def look(log_dir: str, log: str, entries: list[str] | None = None) -> list[File]:
    """All files of the log, newest first. Empty if there are none, or no such directory.

    `entries`, a listing of the directory, is for the logger, who is the only one to change it.
    """
    if entries is not None:
        return _look_once(log_dir, log, entries)
    before = _look_once(log_dir, log, _listing(log_dir))
    for _ in range(MOST_LOOKS):
        now = _look_once(log_dir, log, _listing(log_dir))
        if [(f.name, f.inode) for f in before] == [(f.name, f.inode) for f in now]:
            return now
        before = now
    return before


def _listing(log_dir: str) -> list[str]:
    try:
        return os.listdir(log_dir)
    except OSError:
        return []


def _look_once(log_dir: str, log: str, entries: list[str]) -> list[File]:
    found: dict[int, File] = {}
    for entry in entries:
        parsed = parse(log, entry)
        if parsed is None:
            continue
        number, is_packed = parsed
        if is_packed and number in found:
            continue
        file = _stat(log_dir, entry, number, is_packed)
        if file is not None:
            found[number] = file
    return [found[number] for number in sorted(found)]


def _stat(log_dir: str, entry: str, number: int, is_packed: bool) -> File | None:
    """None for what is no regular file, or has just gone."""
    path = os.path.join(log_dir, entry)
    try:
        if not is_packed:
            status = os.lstat(path)
            size = status.st_size
        else:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                status = os.fstat(fd)
                size = unpacked_size(fd) if stat.S_ISREG(status.st_mode) else 0
            finally:
                os.close(fd)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return File(entry, number, is_packed, status.st_ino, size, status.st_mtime)
