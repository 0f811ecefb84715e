"""The writing side of an index: records appended, or the whole replaced; either way a reader sees only whole records.

What a killed or disk-full writer left unfinished at the end is overwritten by the next record.
"""

from __future__ import annotations

import errno
import os

from amonsup.logbook import index
from amonsup.logbook.index import SIZE, Marks

TRIM_ABOVE = 16 * 1024


def append(path: str, record: bytes) -> None:
    """Raises OSError; then nothing counts as written."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        size = os.fstat(fd).st_size
        if os.pwrite(fd, record, size - size % SIZE) != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(fd)


def replace(path: str, content: bytes) -> None:
    """Atomically. Raises OSError and leaves the old one."""
    temporary = f"{path}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(fd, left) :]
    except OSError:
        os.close(fd)
        os.unlink(temporary)
        raise
    os.close(fd)
    os.rename(temporary, path)


def begin_segment(path: str, position: int, time: float, inode: int) -> None:
    """A segment begins at `position`, which may lie before the last marks: then it goes in front of them."""
    insert(path, position, index.encode(index.SEGMENT, position, time, mark=inode))


def insert(path: str, position: int, record: bytes) -> None:
    """A record of this position, in front of those that stand there or behind it already. Raises OSError."""
    marks = index.read(path)
    if marks.last_position <= position:
        append(path, record)
        return
    before = marks.count_before(position) * SIZE
    raw = marks.raw()
    replace(path, raw[:before] + record + raw[before:])


def trim(path: str, files: int) -> None:
    """Forget what lies before the oldest of the `files` newest segments, if that makes the index much smaller.

    The life that the oldest byte belongs to, and when it was captured, are kept.
    """
    try:
        if os.stat(path).st_size <= TRIM_ABOVE:
            return
    except OSError:
        return
    marks = index.read(path)
    begins = marks.of_kind(index.SEGMENT)
    if len(begins) <= files:
        return
    oldest = begins[-files][4]
    stale = marks.count_before(oldest)
    if stale * 2 < len(marks):
        return
    raw = marks.raw()
    replace(path, b"".join(_last_of(marks, stale)) + raw[stale * SIZE :])


def _last_of(marks: Marks, stale: int) -> list[bytes]:
    """The last LIFE and the last record before number `stale`, in their order."""
    kept = []
    life = marks.life_at(marks.record(stale - 1)[4])
    last = marks.record(stale - 1)
    if life is not None and life[4] <= last[4] and life != last:
        kept.append(index.RECORD.pack(*life))
    if last[0] in (index.LIFE, index.TIME):
        kept.append(index.RECORD.pack(*last))
    return kept
