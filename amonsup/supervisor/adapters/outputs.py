"""Where services write: one FIFO a life, held so that no death of ours, with the service's, loses a byte.

The child gets the FIFO opened for reading and writing: it holds a read end itself, so it never sees SIGPIPE, and what
it wrote stays. We and the guardian hold the same description (store name `fifo:SERVICE:GENERATION`); the logger gets
an own, non-blocking one. A life's FIFO is let go only when its life is swept and the logger has said that it is
drained; until then lives of one service are read in order, so each byte belongs to exactly one life.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from amonsup.loop.channel import Message
from amonsup.supervisor.adapters.accounts import Account
from amonsup.supervisor.adapters.store import Store

PREFIX = "fifo:"

Send = Callable[[Message, tuple[int, ...]], None]


class Outputs:
    """The FIFOs of all lives that are not drained yet."""

    def __init__(self, run_dir: str, store: Store) -> None:
        self._directory = os.path.join(run_dir, "fifo")
        self._store = store
        self._begun: set[tuple[str, int]] = set()
        self._over: set[tuple[str, int]] = set()
        self._send: Send | None = None
        self.when_drained: Callable[[], None] | None = None  # called once, when no ended life is left to drain

    def make(self, name: str, generation: int, account: Account) -> int:
        """The FIFO of a life to come; the returned descriptor stays ours. Raises OSError."""
        path = self._path(name, generation)
        self._begun.discard((name, generation))
        self._over.discard((name, generation))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.mkfifo(path, 0o600)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            if account.uid >= 0:
                os.fchown(fd, account.uid, account.gid)
        except OSError:
            os.unlink(path)
            raise
        self._store.keep(_key(name, generation), fd)
        return fd

    def begun(self, name: str, generation: int) -> None:
        """The life writes: the logger may read."""
        self._begun.add((name, generation))
        fd = self._store.descriptors.get(_key(name, generation))
        if fd is not None:
            self._announce(name, generation, fd)

    def over(self, name: str, generation: int) -> None:
        """The life is swept: nobody writes any more. The logger drains it to the end.

        One that was made and never used is just let go.
        """
        if (name, generation) not in self._begun:
            self.drained(name, generation)
        elif _key(name, generation) in self._store.descriptors and (name, generation) not in self._over:
            self._over.add((name, generation))
            if self._send is not None:
                self._send({"do": "over", "service": name, "generation": generation}, ())

    def drained(self, name: str, generation: int) -> None:
        """The logger has everything."""
        self._over.discard((name, generation))
        self._begun.discard((name, generation))
        self._store.drop(_key(name, generation))
        with contextlib.suppress(OSError):
            os.unlink(self._path(name, generation))
        if self.when_drained is not None and self.is_drained:
            call, self.when_drained = self.when_drained, None
            call()

    def recover(self, is_live: Callable[[str, int], bool]) -> None:
        """After a restart of ours: adopt the store's FIFOs, and those that only their path still names."""
        for name, generation in self._on_disk():
            if _key(name, generation) not in self._store.descriptors:
                with contextlib.suppress(OSError):
                    fd = os.open(self._path(name, generation), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                    self._store.keep(_key(name, generation), fd)
        self._begun = set(self.lives())
        self._over = {life for life in self.lives() if not is_live(*life)}

    def drop_unborn(self, is_to_come: Callable[[str, int], bool]) -> None:
        """After `recover`: let go of what a predecessor had made ready for lives that it never began.

        They must not be told to a logger: the life that does get the number would be taken for the one before.
        """
        for name, generation in self.lives():
            if is_to_come(name, generation):
                self.drained(name, generation)

    def connect(self, send: Send) -> None:
        """A logger is there: tell it everything, oldest life first. Replaces an earlier logger."""
        self._send = send
        for name, generation in sorted(self._begun.intersection(self.lives())):
            self._announce(name, generation, self._store.descriptors[_key(name, generation)])
            if (name, generation) in self._over:
                send({"do": "over", "service": name, "generation": generation}, ())

    def disconnect(self) -> None:
        self._send = None

    def lives(self) -> list[tuple[str, int]]:
        found = []
        for key in self._store.descriptors:
            if key.startswith(PREFIX):
                _, name, generation = key.split(":")
                found.append((name, int(generation)))
        return found

    @property
    def is_drained(self) -> bool:
        return not self._over

    def undrained(self) -> list[str]:
        """Services with lives that are over and not drained, each once."""
        return sorted({name for name, _ in self._over})

    def _announce(self, name: str, generation: int, fd: int) -> None:
        if self._send is None:
            return
        reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._send({"do": "capture", "service": name, "generation": generation}, (reader,))
        finally:
            os.close(reader)

    def _on_disk(self) -> Iterator[tuple[str, int]]:
        for entry in os.listdir(self._directory):
            name, _, generation = entry.rpartition(".")
            if name and generation.isdigit():
                yield name, int(generation)

    def _path(self, name: str, generation: int) -> str:
        return os.path.join(self._directory, f"{name}.{generation}")


def _key(name: str, generation: int) -> str:
    return f"{PREFIX}{name}:{generation}"
