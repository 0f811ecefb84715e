"""The logger's transfer pipe: made when a service floods for the first time, and kept like the FIFOs.

We make it because we may keep it: what is in it must outlive the logger (logs/transfer.py says what it is for). It is
in the store before the logger has it, so nothing can be in it that is not kept.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable

from amonsup.loop.channel import Message
from amonsup.supervisor.adapters import pipes
from amonsup.supervisor.adapters.store import Store

PIPE, OWNER = "transfer:pipe", "transfer:owner"
SIZE = 1 << 20
"""As large as the FIFO of a service that floods (logs/life.py)."""

Send = Callable[[Message, tuple[int, ...]], None]


class Transfers:
    """A companion of the channel to the logger (logger_link.py)."""

    kinds = frozenset({"transfer"})

    def __init__(self, store: Store) -> None:
        self._store = store
        self._send: Send | None = None

    def connect(self, send: Send) -> None:
        """A logger is there: what an earlier one left comes before any FIFO."""
        self._send = send
        self._pass_on()

    def disconnect(self) -> None:
        self._send = None

    def told(self, _message: Message, _fds: list[int]) -> None:
        """It asks for one. Without it (no descriptors, no large pipes for this user) floods take the plain way."""
        kept = self._store.descriptors
        if PIPE not in kept or OWNER not in kept:
            try:
                pipe, owner = make()
            except OSError:
                return
            self._store.keep(PIPE, pipe)
            self._store.keep(OWNER, owner)
            self._store.settle()
        self._pass_on()

    def _pass_on(self) -> None:
        kept = self._store.descriptors
        if self._send is not None and PIPE in kept and OWNER in kept:
            self._send({"do": "transfer"}, (kept[PIPE], kept[OWNER]))


def make() -> tuple[int, int]:
    """A pipe, in one descriptor for both ends, and an empty memory file. Raises OSError."""
    pipe = pipes.make(os.O_NONBLOCK)
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, SIZE)
        return pipe, os.memfd_create("amonsup-transfer", os.MFD_CLOEXEC)
    except OSError:
        os.close(pipe)
        raise
