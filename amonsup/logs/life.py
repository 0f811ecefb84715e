"""One life of a service, as the logger sees it: its FIFO, how large that is, what waits in it.

Only of a service that floods is the FIFO enlarged, and shrunk when the flood is over: what one user may have in large
pipes is limited (pipe(7)).
"""

from __future__ import annotations

import fcntl
import os
import sys

ROOMY = 1 << 20
USUAL = 1 << 16
FIONREAD = 0x541B


class Life:
    """`is_over`: nobody writes any more, what is in the FIFO is all there will be."""

    __slots__ = ("_size", "fd", "generation", "instance", "is_over")

    def __init__(self, generation: int, instance: int, fd: int) -> None:
        self.generation = generation
        self.instance = instance
        self.fd = fd
        self.is_over = False
        self._size = 0  # 0: not asked yet

    def is_same_as(self, other: Life) -> bool:
        """Whether it was only told again. After a record that had no room, a number may come a second time."""
        return self.generation == other.generation and os.fstat(self.fd).st_ino == os.fstat(other.fd).st_ino

    @property
    def size(self) -> int:
        """The FIFO's, in bytes."""
        if not self._size:
            self._size = fcntl.fcntl(self.fd, fcntl.F_GETPIPE_SZ)
        return self._size

    @property
    def is_flooding(self) -> bool:
        """Whether the FIFO is enlarged."""
        return self.size >= ROOMY

    def enlarge(self) -> None:
        if self._size < ROOMY:
            self._resize(ROOMY)

    def shrink(self) -> None:
        if self._size > USUAL:
            self._resize(USUAL)

    def _resize(self, size: int) -> None:
        """As far as it goes: not everybody may have it larger (pipe(7))."""
        try:
            self._size = fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, size)
        except OSError:
            self._size = fcntl.fcntl(self.fd, fcntl.F_GETPIPE_SZ)


def waiting(fd: int) -> int:
    """How many bytes are in a pipe (ioctl_tty(2), FIONREAD)."""
    count = bytearray(4)
    fcntl.ioctl(fd, FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)
