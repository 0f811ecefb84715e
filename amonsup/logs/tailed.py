"""One file that a service writes by itself, as it is followed (tails.py): its descriptors, its place, its bytes.

Its descriptors came from somebody with the service's rights, so what they are is looked at before they are used.
"""

from __future__ import annotations

import fcntl
import fnmatch
import os
import stat

from amonsup.logs import ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amonsup.logs.alarm import Alarm
    from amonsup.logs.watching import Rule
    from amonsup.loop.loop import Timer

MOST_FORMER = 3
"""Renamed files of one name that are kept, and unlinked ones of any."""

MOST_FORMERS = 100
RETRY_S = 2.0
"""After an attendant that failed; every time as long again."""


class Tail:
    """One inode. `seen`: its size when it was last looked at; `cutting`: an attendant is cutting it; `missing`: copies
    that whoever looked last did not find."""

    __slots__ = (
        "asked_size",
        "cutting",
        "earlier",
        "fd",
        "is_behind",
        "is_former",
        "log",
        "missing",
        "path",
        "record",
        "record_fd",
        "seen",
    )

    def __init__(self, log: str, path: str, fd: int, record: ledger.Entry, record_fd: int, is_former: bool) -> None:
        self.log = log
        self.path = path
        self.fd = fd
        self.record = record
        self.record_fd = record_fd
        self.is_former = is_former
        self.seen = 0
        self.cutting = False
        self.is_behind = False  # it is to be cut, and the last cut is not judged yet
        self.asked_size = 0
        self.earlier: dict[int, int] = {}  # inode of a copy to its descriptor
        self.missing: set[int] = set()


class TailSource:
    """The bytes of a tail by position, those that were cut off included as long as the copy is at hand."""

    def __init__(self, tail: Tail, beat: Beat) -> None:
        self._tail = tail
        self._beat = beat

    def read(self, position: int, size: int) -> tuple[int, bytes]:
        """What was cut off first, then the file itself, joined: a cut need not lie at a line's end."""
        tail = self._tail
        if tail.cutting:
            return position, b""
        raw = b""
        for inode, start, end in tail.record["earlier"]:
            at = position + len(raw)
            if start <= at < end and inode not in tail.earlier:
                return position, raw  # an attendant is looking for the copy
            if start <= at < end:
                raw += os.pread(tail.earlier[inode], min(size - len(raw), end - at), at - start)
        base = tail.record["base"]
        if not raw:
            position = max(position, base)
        at = position + len(raw)
        return position, raw + os.pread(tail.fd, size - len(raw), at - base) if at >= base else raw

    def end(self) -> int:
        size: int = self._tail.record["base"] + os.fstat(self._tail.fd).st_size
        return size

    def generation(self, position: int) -> int:
        return self._beat.generation

    def close(self) -> None:
        pass


class Beat:
    """All tails of one service."""

    __slots__ = (
        "alarm",
        "answered",
        "ask_at",
        "by",
        "directories",
        "generation",
        "instance",
        "is_asked_again",
        "is_asking",
        "is_known",
        "max_size",
        "patterns",
        "paused",
        "retry",
        "retry_s",
        "rules",
        "service",
        "spared",
        "tails",
        "wanted",
        "watches",
    )

    def __init__(self, service: str, alarm: Alarm) -> None:
        self.service = service
        self.alarm = alarm  # of the rotation by time
        self.patterns: list[str] = []
        self.rules: list[Rule] = []
        self.generation = 0
        self.max_size = 0
        self.by = ""  # which supervisor has said so
        self.instance = -1
        self.paused = False
        self.directories: dict[int, list[str]] = {}
        self.watches: dict[int, Tail] = {}
        self.tails: dict[tuple[int, int], Tail] = {}
        self.wanted: set[int] = set()  # inodes that were asked for last
        self.answered: set[tuple[int, int]] = set()
        self.is_asking = False
        self.is_asked_again = False  # since the question went out something else has happened
        # While it is looked for files because a rotation was wanted: those that it has met already.
        self.spared: set[tuple[int, int]] | None = None
        self.is_known = False  # it was looked for before: what appears now is new
        self.ask_at = 0.0
        self.retry: Timer | None = None  # after an attendant that failed
        self.retry_s = RETRY_S


def is_readable_file(fd: int) -> bool:
    """It came from somebody with a service's rights: anything else could stop us, or make us wait."""
    try:
        mode = fcntl.fcntl(fd, fcntl.F_GETFL)
        return stat.S_ISREG(os.fstat(fd).st_mode) and not mode & os.O_PATH and mode & os.O_ACCMODE != os.O_WRONLY
    except OSError:
        return False


def keep_copy(tail: Tail, inode: int, fd: int) -> None:
    """Only what the record names is read, and only that is let go again."""
    if not any(inode == each for each, _, _ in tail.record["earlier"]):
        os.close(fd)
        return
    if inode in tail.earlier:
        os.close(tail.earlier[inode])
    tail.earlier[inode] = fd


def drop_unnamed(tail: Tail) -> None:
    """Copies that the record does not name any more."""
    named = {inode for inode, _, _ in tail.record["earlier"]}
    for inode in [each for each in tail.earlier if each not in named]:
        os.close(tail.earlier.pop(inode))


def is_inotify(fd: int) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:inotify"


def is_somebody_cutting(tail: Tail) -> bool:
    """Whether the record has moved on without us: an attendant whose supervisor died before we heard of it."""
    found = ledger.load(tail.record_fd)
    return found is not None and (found["cut"] is not None or found["base"] != tail.record["base"])


def is_another(record: ledger.Entry, fd: int, judged: int | None) -> bool:
    """Whether the file is not the one that the record speaks of, or has been emptied since."""
    size = os.fstat(fd).st_size
    return not ledger.begins_with(fd, record["head"]) or (judged is not None and judged - record["base"] > size)


def is_linked(tail: Tail) -> bool:
    """Whether it still has a name somewhere."""
    try:
        return os.fstat(tail.fd).st_nlink > 0
    except OSError:
        return False


def is_meant(patterns: list[str], name: str) -> bool:
    """Whether a name that appeared in a directory is one that was looked for there."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def superfluous(tails: dict[tuple[int, int], Tail]) -> list[tuple[int, int]]:
    """Files that are unlinked go once their successor is there; of renamed ones the latest are kept."""
    current = {tail.path for tail in tails.values() if not tail.is_former and is_linked(tail)}
    found: dict[tuple[int, int], None] = {}
    formers: dict[str, list[tuple[int, int]]] = {}
    for key, tail in tails.items():
        if not is_linked(tail) and tail.path in current:
            found[key] = None
        elif tail.is_former:
            formers.setdefault(tail.path, []).append(key)
    for keys in formers.values():
        found.update(dict.fromkeys(keys[:-MOST_FORMER]))
    former = [key for key, tail in tails.items() if tail.is_former and key not in found]
    # Names with a date in them: nothing ever takes their place, and a deleted file that is open fills the disk.
    unlinked = [key for key in former if not is_linked(tails[key])]
    found.update(dict.fromkeys(unlinked[:-MOST_FORMER]))
    former = [key for key in former if key not in found]
    found.update(dict.fromkeys(former[:-MOST_FORMERS]))
    return list(found)
