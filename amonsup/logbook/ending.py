"""The last lines of a log's last life, for somebody who has no time: the supervisor, when `show` is asked.

A few reads, each bounded, whatever the sizes are: the end of the current file, of the file before it if the current one
has just begun, and the end of the index, backwards, until it has told where the file and the life began. No packed file
is ever opened. What cannot be told exactly (no index, a rotation this very moment) is the plain end of the file.
"""

from __future__ import annotations

import os
import stat

from amonsup.logbook import index, names

MOST_BYTES = 8192
MOST_INDEX = 8 * 1024 * 1024
_STEP = 64 * 1024  # a multiple of index.SIZE


def last_lines(log_dir: str, log: str, count: int) -> list[bytes]:
    """At most `count` lines out of the last MOST_BYTES, without their newlines; the first may be cut."""
    fd, status = _open(os.path.join(log_dir, log))
    if status is None:
        return []
    try:
        tail = os.pread(fd, MOST_BYTES, max(0, status.st_size - MOST_BYTES))
    finally:
        os.close(fd)
    found = _begins(names.index_path(log_dir, log))
    if found is not None and found[0] == status.st_ino and found[1] <= status.st_size + found[2]:
        _, life, start = found
        end = start + status.st_size
        if end - len(tail) < life:
            tail = tail[len(tail) - (end - life) :]
        elif life < start and len(tail) < MOST_BYTES:
            tail = _end_of(os.path.join(log_dir, f"{log}.1"), min(start - life, MOST_BYTES - len(tail))) + tail
    return tail.removesuffix(b"\n").split(b"\n")[-count:] if tail and count else []


def _begins(path: str) -> tuple[int, int, int] | None:
    """(inode of the current file, where the last life begins, where the file begins); None if that is not told."""
    fd, status = _open(path)
    if status is None:
        return None
    segment: index.Record | None = None
    life: index.Record | None = None
    try:
        end = status.st_size - status.st_size % index.SIZE
        least = max(0, end - MOST_INDEX)
        while end > least and (segment is None or life is None):
            begin = max(0, end - _STEP)
            raw = os.pread(fd, end - begin, begin)
            segment = segment or _last(raw, index.SEGMENT)
            life = life or _last(raw, index.LIFE)
            end = begin
    finally:
        os.close(fd)
    if segment is None:
        return None
    return segment[2], life[4] if life is not None else 0, segment[4]


def _last(raw: bytes, kind: bytes) -> index.Record | None:
    at = raw.rfind(kind)
    while at >= 0:
        if at % index.SIZE == 0 and at + index.SIZE <= len(raw):
            return index.RECORD.unpack_from(raw, at)
        at = raw.rfind(kind, 0, at + len(kind) - 1)
    return None


def _end_of(path: str, size: int) -> bytes:
    fd, status = _open(path)
    if status is None:
        return b""
    try:
        return os.pread(fd, size, max(0, status.st_size - size))
    finally:
        os.close(fd)


def _open(path: str) -> tuple[int, os.stat_result | None]:
    """Never a link, never something that blocks."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1, None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        return -1, None
    return fd, status
