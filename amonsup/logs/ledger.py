"""What is known of a file that a service writes by itself: which inode it is, and where in its log it begins.

Each inode is a log of its own. Its positions count bytes from its first one; `base` is the position of the byte that
stands at its beginning now, and grows when the head is cut off or the file is emptied. Where that was cut to stands in
`earlier`: [inode, start, end] of a copy. A file is the same as before if it begins with the same bytes (`head`): an
inode's number is used again as soon as the file is deleted.

One small write(2) changes the whole record. A cut is announced in it first (`cut`), with what the file will begin with
afterwards, so that whoever finds the announcement can see whether it was carried out. During a cut the file is locked
(flock): nobody may use positions that are about to move.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entry = dict[str, Any]
else:
    Entry = dict

HEAD = 256


def entry(status: os.stat_result, head: str, base: int = 0) -> Entry:
    """The record of a file that is new to us."""
    return {"dev": status.st_dev, "ino": status.st_ino, "base": base, "head": head, "earlier": [], "cut": None}


def load(fd: int) -> Entry | None:
    """None if nothing that can be believed stands there."""
    line, _, _ = os.pread(fd, 65536, 0).partition(b"\n")
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def save(fd: int, record: Entry) -> None:
    """Raises OSError."""
    raw = json.dumps(record, separators=(",", ":")).encode()
    os.pwrite(fd, b"%08x %s\n" % (zlib.crc32(raw), raw), 0)


def head_of(fd: int, at: int = 0, length: int = HEAD) -> str:
    """How what stands at `at` begins: the length that was looked at, and its checksum."""
    raw = os.pread(fd, length, at)
    return f"{len(raw)}:{zlib.crc32(raw):08x}"


def begins_with(fd: int, head: str) -> bool:
    """Whether the file begins so. An empty head says nothing, and every file begins with it."""
    length, _, _ = head.partition(":")
    return head_of(fd, 0, int(length)) == head


def try_lock(fd: int) -> bool:
    """False: a cut is under way."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def unlock(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_UN)


def settle(record: Entry, fd: int) -> bool:
    """A cut was announced and nobody knows what became of it: look at the file `fd`. True if the record changed."""
    cut = record["cut"]
    if cut is None:
        return False
    # The same beginning and not shorter: nothing was cut off. (A file of nothing but equal lines may begin so after
    # a cut too, but then it is shorter, unless as much again was written before anybody looked.)
    if not begins_with(fd, record["head"]) or os.fstat(fd).st_size < cut["size"]:
        carried_out(record, fd)
    else:
        record["cut"] = None
    return True


def carried_out(record: Entry, fd: int) -> None:
    """The announced cut is done."""
    cut = record["cut"]
    start = record["base"]
    record["base"] = start + cut["bytes"]
    record["earlier"] = [*record["earlier"], [cut["ino"], start, record["base"]]][-4:]
    record["head"] = head_of(fd)
    record["cut"] = None
