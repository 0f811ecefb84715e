"""Pipes of services: made for both ways in one descriptor, and found again with whoever still has them.

A pipe that is open for reading and writing never ends and never breaks: whoever writes holds a read end himself
(pipe(7)). Anonymous ones, because since Linux 6.15 a write to a FIFO that has a name also updates its inode's times,
which costs a service that floods an eighth of its speed; and because nobody can open by its name what has none.
"""

from __future__ import annotations

import contextlib
import os

from amonsup.supervisor.adapters import procfs


def make(flags: int = 0) -> int:
    """An empty pipe, both ends in one descriptor (close-on-exec), the lowest that is free. Raises OSError."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        both = os.open(f"/proc/self/fd/{reader}", os.O_RDWR | os.O_CLOEXEC | flags)
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    # By the lowest free number it is told how many are in use (getting_ready.py): no gaps.
    os.dup2(both, reader, inheritable=False)
    os.close(both)
    return reader


def find(inodes: set[int]) -> dict[int, int]:
    """Descriptors for those of these pipes (inode numbers) that a process of this machine still holds.

    Looks at every process that we may look at: for when nobody of ours has them any more.
    """
    found: dict[int, int] = {}
    wanted = {f"pipe:[{inode}]": inode for inode in inodes}
    for pid in procfs.all_pids():
        if len(found) == len(inodes):
            break
        for path in _descriptors(pid):
            with contextlib.suppress(OSError):
                if os.readlink(path) in wanted:
                    _take(path, wanted, found)
    return found


def _descriptors(pid: int) -> list[str]:
    directory = f"/proc/{pid}/fd"
    try:
        return [f"{directory}/{number}" for number in os.listdir(directory)]
    except OSError:
        return []  # gone, or not for us to see


def _take(path: str, wanted: dict[str, int], found: dict[int, int]) -> None:
    """It may have become something else since its name was read: nothing is really opened before that is known.

    By its name again, which the kernel gives to pipes only: whoever it belongs to may have FIFOs of any number.
    """
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        ours = f"/proc/self/fd/{handle}"
        inode = wanted.get(os.readlink(ours))
        if inode is not None and inode not in found:
            found[inode] = os.open(ours, os.O_RDWR | os.O_CLOEXEC)
    finally:
        os.close(handle)
