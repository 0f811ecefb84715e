"""The other end of patches/own_clock.py: a wall clock that a scenario sets as it likes."""

from __future__ import annotations

import os
import time

from support.site import Site


class WallClock:
    """Made before the site is started (with patches="own_clock")."""

    def __init__(self, site: Site, ahead_s: float = 0.0) -> None:
        self.site = site
        self.ahead_s = ahead_s
        path = site.file("clock.set")
        os.mkfifo(path, 0o600)
        os.chown(path, site.who.uid, site.who.gid)
        self._write()

    def now(self) -> float:
        return time.time() + self.ahead_s

    def set(self, by_s: float, *, is_told: bool = True) -> None:
        """The clock is set ahead (or back). `is_told`: the kernel tells the supervisor, if there is one."""
        self.ahead_s += by_s
        self._write()
        if is_told:
            fd = os.open(self.site.file("clock.set"), os.O_RDWR | os.O_NONBLOCK)
            os.write(fd, b"!")
            os.close(fd)

    def set_to(self, wall: float, *, is_told: bool = True) -> None:
        self.set(wall - self.now(), is_told=is_told)

    def _write(self) -> None:
        self.site.write("clock", f"{self.ahead_s}\n")
