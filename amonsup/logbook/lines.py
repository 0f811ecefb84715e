"""Bytes that come bit by bit, given on as whole lines: what every reader of a growing file needs."""

from __future__ import annotations

from amonsup.logbook.tape import MAX_LINE, Block


class Lines:
    """`position` is where the first line begins that was not given yet; `rest` what is there of it."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.rest = b""

    @property
    def at(self) -> int:
        """The next byte to be read."""
        return self.position + len(self.rest)

    def skip_to(self, position: int) -> None:
        """What stood between is gone, and with it the rest of a line."""
        self.position, self.rest = position, b""

    def cut(self, data: bytes, found: list[Block]) -> None:
        """Take the next bytes; whole lines go to `found`, and so does a part of one that is too long."""
        cut = data.rfind(b"\n") + 1
        if not cut and len(self.rest) + len(data) < MAX_LINE:
            self.rest += data
            return
        cut = cut or len(data)
        whole = self.rest + data[:cut] if self.rest else data[:cut]
        found.append((self.position, whole))
        self.position += len(whole)
        self.rest = data[cut:]
