"""The last lines of a log's last life, or of the one before: for somebody who has no time, the supervisor in `show`.

A few reads, each bounded, whatever the sizes are: the end of the current file, of the file before it if the current one
has just begun, and the end of the index, backwards, until it has told where the file and the life began. No packed file
is ever opened. What cannot be told exactly (no index, a rotation this very moment) is the plain end of the file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice

from amonsup.logbook import index, names

MOST_BYTES = 8192
MOST_INDEX = 8 * 1024 * 1024
_STEP = 64 * 1024  # a multiple of index.SIZE


def last_lines(log_dir: str, log: str, count: int, generation: int | None = None) -> list[bytes]:
    """At most `count` lines out of the last MOST_BYTES, without their newlines; the first may be cut.

    `generation`: of the life with that number, if it is the last or the last but one; nothing of any other.
    """
    path = os.path.join(log_dir, log)
    fd, status = _open(path)
    if status is None:
        return []
    try:
        extent = _extent(names.index_path(log_dir, log), status, generation)
        if extent is None:
            return []
        start, begin, end = extent
        begin = max(begin, end - MOST_BYTES)
        at = max(begin, start)
        text = os.pread(fd, end - at, at - start) if end > at else b""
    finally:
        os.close(fd)
    if begin < start:
        text = _before(f"{path}.1", start - min(end, start), min(end, start) - begin) + text
    return text.removesuffix(b"\n").split(b"\n")[-count:] if text and count else []


def _extent(path: str, status: os.stat_result, generation: int | None) -> tuple[int, int, int] | None:
    """Positions: where the current file begins, where what is asked for begins and ends; None: it is not there."""
    segment, lives = _last_marks(path, generation)
    if segment is None or segment[2] != status.st_ino or (lives and lives[0][4] > segment[4] + status.st_size):
        return (0, 0, status.st_size) if generation is None else None
    start, end = segment[4], segment[4] + status.st_size
    if generation is not None and lives and not _is_of(lives[0], generation):
        end = lives[0][4]
        del lives[0]
    if generation is not None and not (lives and _is_of(lives[0], generation)):
        return None
    return start, lives[0][4] if lives else 0, end


def _is_of(life: index.Record, generation: int) -> bool:
    return life[1] == generation & 0xFFFFFFFF


def _last_marks(path: str, generation: int | None) -> tuple[index.Record | None, list[index.Record]]:
    """The segment of the current file, and the lives down to the one that is meant, two at most, the last one first."""
    segment: index.Record | None = None
    lives: list[index.Record] = []
    fd, status = _open(path)
    if status is None:
        return segment, lives
    try:
        end = status.st_size - status.st_size % index.SIZE
        least = max(0, end - MOST_INDEX)
        while end > least and (segment is None or not _is_enough(lives, generation)):
            begin = max(0, end - _STEP)
            raw = os.pread(fd, end - begin, begin)
            segment = segment or next(_backwards(raw, index.SEGMENT), None)
            lives += islice(_backwards(raw, index.LIFE), 2 - len(lives))
            end = begin
    finally:
        os.close(fd)
    return segment, lives


def _is_enough(lives: list[index.Record], generation: int | None) -> bool:
    return len(lives) == 2 or bool(lives and (generation is None or _is_of(lives[0], generation)))


def _backwards(raw: bytes, kind: bytes) -> Iterator[index.Record]:
    """The records of a kind, the last one first."""
    at = raw.rfind(kind)
    while at >= 0:
        if at % index.SIZE == 0 and at + index.SIZE <= len(raw):
            yield index.RECORD.unpack_from(raw, at)
        at = raw.rfind(kind, 0, at + len(kind) - 1)


def _before(path: str, skip: int, size: int) -> bytes:
    """So much of the end of a file, without its last `skip` bytes."""
    fd, status = _open(path)
    if status is None:
        return b""
    try:
        end = max(0, status.st_size - skip)
        return os.pread(fd, min(size, end), max(0, end - size))
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
