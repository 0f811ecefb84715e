"""Who has a file open for writing, and whether he appends: proc_pid_fd(5), proc_pid_fdinfo(5).

A file may be emptied, or lose its head, under a writer only if the writer asks for its end at each write (O_APPEND).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from amonsup.supervisor.adapters import procfs

MOST_DESCRIPTORS = 5000


class Writers(msgspec.Struct, frozen=True):
    """`careless` do not append. Not `is_complete`: somebody could not be looked at, or there was too much to see."""

    count: int
    careless: tuple[int, ...]
    is_complete: bool


def of_file(device: int, inode: int, pids: Iterable[int]) -> Writers:
    """Among these processes. One that ends meanwhile has nothing open any more."""
    count, left, is_complete = 0, MOST_DESCRIPTORS, True
    careless: list[int] = []
    for pid in pids:
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except PermissionError:
            is_complete = False
            continue
        except OSError:
            continue
        left -= len(numbers)
        if left < 0:
            return Writers(count, tuple(careless), False)
        for number in numbers:
            try:
                status = os.stat(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue
            if (status.st_dev, status.st_ino) != (device, inode):
                continue
            flags = _flags(pid, number)
            if flags & os.O_ACCMODE == os.O_RDONLY:
                continue
            count += 1
            if not flags & os.O_APPEND:
                careless.append(pid)
    return Writers(count, tuple(dict.fromkeys(careless)), is_complete)


def _flags(pid: int, number: str) -> int:
    """Of a descriptor that has just been closed: as if it were open for reading only."""
    for line in procfs.read(f"/proc/{pid}/fdinfo/{number}").splitlines():
        if line.startswith(b"flags:"):
            return int(line.split()[1], 8)
    return os.O_RDONLY
