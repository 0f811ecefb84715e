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
MOST_EARLIER = 4


def entry(status: os.stat_result, head: str, base: int = 0) -> Entry:
    """The record of a file that is new to us."""
    return {"dev": status.st_dev, "ino": status.st_ino, "base": base, "head": head, "earlier": [], "cut": None}


def load(fd: int) -> Entry | None:
    """None if nothing that can be believed stands there: a service's user could write into it (attendant.py)."""
    line, _, _ = os.pread(fd, 65536, 0).partition(b"\n")
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if _is_entry(found) else None


def _is_entry(found: object) -> bool:
    if not isinstance(found, dict) or found.keys() != {"dev", "ino", "base", "head", "earlier", "cut"}:
        return False
    cut, earlier = found["cut"], found["earlier"]
    if cut is not None:
        is_cut = isinstance(cut, dict) and cut.keys() == {"bytes", "size", "empties", "ino"}
        if not is_cut or not _are_counts(cut["bytes"], cut["size"]) or not _are_numbers(cut["ino"]):
            return False
    if not isinstance(earlier, list) or len(earlier) > MOST_EARLIER:
        return False
    are_ranges = all(
        isinstance(each, list) and len(each) == 3 and _are_numbers(each[0]) and _are_counts(*each[1:])
        for each in earlier
    )
    is_file = _are_numbers(found["dev"], found["ino"]) and _are_counts(found["base"])
    return are_ranges and is_file and _is_head(found["head"])


def _are_counts(*values: object) -> bool:
    """Sums of some of them still fit into an off_t."""
    return all(type(value) is int and 0 <= value < 1 << 60 for value in values)


def _are_numbers(*values: object) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 64 for value in values)


def _is_head(head: object) -> bool:
    if not isinstance(head, str):
        return False
    length, _, checksum = head.partition(":")
    return not head or (length.isascii() and length.isdigit() and len(checksum) == 8 and int(length[:9]) <= HEAD)


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
    return not head or head_of(fd, 0, int(length)) == head


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
    # A number that is used again was another copy's, which is gone: nothing of that one is to be read here.
    others = [each for each in record["earlier"] if each[0] != cut["ino"]]
    record["earlier"] = [*others, [cut["ino"], start, record["base"]]][-MOST_EARLIER:]
    record["head"] = head_of(fd)
    record["cut"] = None
