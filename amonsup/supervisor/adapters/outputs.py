"""Where services write: one FIFO a life, held so that no death of ours, with the service's, loses a byte.

The child gets the FIFO opened for reading and writing: it holds a read end itself, so it never sees SIGPIPE, and what
it wrote stays. We and the guardian hold the same description (store name `fifo:SERVICE:GENERATION`; with stderr kept
separately a second one, `…:err`); the logger gets an own, non-blocking one. A life's FIFO is let go only when its life
is swept and the logger has said that it is drained; until then lives of one service are read in order, so each byte
belongs to exactly one life.

It is a pipe without a name (pipes.py says why). Which one it is stands in run_dir, as what a symbolic link says:
guardian and supervisor may be killed together, and then only the service itself has it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator

from amonsup.loop.channel import Message
from amonsup.supervisor.adapters import pipes
from amonsup.supervisor.adapters.accounts import Account
from amonsup.supervisor.adapters.store import Store

PREFIX = "fifo:"
MERGED, STDERR = "", "err"
KINDS = (MERGED, STDERR)
"""What a FIFO takes: stdout, and stderr unless that has its own."""

Send = Callable[[Message, tuple[int, ...]], None]


class Outputs:
    """The FIFOs of all lives that are not drained yet."""

    def __init__(self, run_dir: str, store: Store, boot: str) -> None:
        """`boot`: the machine's boot id; numbers of pipes mean nothing after another one."""
        self._directory = os.path.join(run_dir, "fifo")
        self._store = store
        self._boot = boot
        self._begun: set[tuple[str, int]] = set()
        self._over: set[tuple[str, int]] = set()
        self._unborn: list[Message] = []  # for the logger, should it have been told of them
        self._send: Send | None = None
        self.when_drained: Callable[[], None] | None = None  # called once, when no ended life is left to drain
        self.later: Callable[[Callable[[], None]], None] = lambda _call: None  # once more, in a second or so
        self.settings_of: Callable[[str], Message] = lambda _name: {}
        self.instance = "0"  # of the daemon: generations count from 1 again with each

    def make(self, name: str, generation: int, account: Account, kind: str = MERGED) -> int:
        """A FIFO of a life to come; the returned descriptor stays ours. Raises OSError."""
        path = self._path(name, generation, kind)
        self._begun.discard((name, generation))
        self._over.discard((name, generation))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        fd = pipes.make()
        try:
            if account.uid >= 0:
                os.fchown(fd, account.uid, account.gid)  # it may open /dev/stdout again
            os.symlink(f"{self._boot}:{os.fstat(fd).st_ino}", path)
        except OSError:
            os.close(fd)
            raise
        self._store.keep(_key(name, generation, kind), fd)
        return fd

    def of(self, name: str, generation: int, account: Account, kind: str = MERGED) -> int:
        """A FIFO of a life, made if there is none yet. Raises OSError."""
        fd = self._store.descriptors.get(_key(name, generation, kind))
        return self.make(name, generation, account, kind) if fd is None else fd

    def begun(self, name: str, generation: int) -> None:
        """The life, or something on its behalf, writes: the logger may read. Said again, it changes nothing."""
        if (name, generation) in self._begun:
            return
        self._begun.add((name, generation))
        self._announce(name, generation)

    def over(self, name: str, generation: int) -> None:
        """The life is swept: nobody writes any more. The logger drains it to the end.

        One that was made and never used is just let go.
        """
        if (name, generation) not in self._begun:
            for kind in KINDS:
                self._let_go(name, generation, kind)
        elif self._kinds(name, generation) and (name, generation) not in self._over:
            self._over.add((name, generation))
            self._announce_over(name, generation)

    def drained(self, name: str, generation: int, kind: str = MERGED) -> None:
        """The logger has everything of one FIFO; believed of a life that is over only."""
        if (name, generation) in self._over:
            self._let_go(name, generation, kind)

    def _let_go(self, name: str, generation: int, kind: str) -> None:
        """What is not ours is no path to be removed, whoever names it."""
        if _key(name, generation, kind) in self._store.descriptors:
            self._store.drop(_key(name, generation, kind))
            with contextlib.suppress(OSError):
                os.unlink(self._path(name, generation, kind))
        if not self._kinds(name, generation):
            self._over.discard((name, generation))
            self._begun.discard((name, generation))
        if self.when_drained is not None and self.is_drained:
            call, self.when_drained = self.when_drained, None
            call()

    def recover(self, is_live: Callable[[str, int], bool]) -> None:
        """After a restart of ours: adopt the store's FIFOs, and those that only the services still have."""
        on_disk = [life for life in self._on_disk() if _key(*life) not in self._store.descriptors]
        missing = {life: self._inode(*life) for life in on_disk}
        found = pipes.find({inode for inode in missing.values() if inode}) if missing else {}
        for life, inode in missing.items():
            fd = found[inode] if inode in found else self._open_named(*life)
            if fd >= 0:
                self._store.keep(_key(*life), fd)
            else:  # nobody has it, so nothing is in it
                with contextlib.suppress(OSError):
                    os.unlink(self._path(*life))
        self._begun = set(self.lives())
        self._over = {life for life in self.lives() if not is_live(*life)}

    def drop_unborn(self, is_to_come: Callable[[str, int], bool]) -> None:
        """After `recover`: let go of what a predecessor had made ready for lives that it never began.

        They must not be told to a logger: the life that does get the number would be taken for the one before. Where
        the record ends before its time (there was no room for more of it), one may have begun all the same, and the
        logger is reading it: it is over for us, or the next one's turn would never come.
        """
        for name, generation in self.lives():
            if is_to_come(name, generation):
                for kind in self._kinds(name, generation):
                    self._unborn.append(_about("over", name, generation, kind))
                    self._let_go(name, generation, kind)

    def connect(self, send: Send) -> None:
        """A logger is there: tell it everything, oldest life first. Replaces an earlier logger."""
        self._send = send
        for message in self._unborn:
            send(message, ())
        self._unborn.clear()
        for name, generation in sorted(self._begun.intersection(self.lives())):
            self._announce(name, generation)
            if (name, generation) in self._over:
                self._announce_over(name, generation)

    def disconnect(self) -> None:
        self._send = None

    def lives(self) -> list[tuple[str, int]]:
        """Each once, whatever it has of FIFOs."""
        found: dict[tuple[str, int], None] = {}
        for key in self._store.descriptors:
            if key.startswith(PREFIX):
                _, name, generation, *_ = key.split(":")
                found[name, int(generation)] = None
        return list(found)

    @property
    def is_drained(self) -> bool:
        return not self._over

    def undrained(self) -> list[str]:
        """Services with lives that are over and not drained, each once."""
        return sorted({name for name, _ in self._over})

    def _kinds(self, name: str, generation: int) -> list[str]:
        return [kind for kind in KINDS if _key(name, generation, kind) in self._store.descriptors]

    def _announce(self, name: str, generation: int) -> None:
        if self._send is None:
            return
        for kind in self._kinds(name, generation):
            message = _about("capture", name, generation, kind)
            message.update(instance=self.instance, settings=self.settings_of(name))
            fd = self._store.descriptors[_key(name, generation, kind)]
            try:
                reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:  # EMFILE, ENFILE: the output waits in the FIFO meanwhile
                self.later(lambda: self._announce_again(name, generation))
                return
            try:
                self._send(message, (reader,))
            finally:
                os.close(reader)

    def _announce_again(self, name: str, generation: int) -> None:
        if (name, generation) in self._begun:
            self._announce(name, generation)
            if (name, generation) in self._over:
                self._announce_over(name, generation)

    def _announce_over(self, name: str, generation: int) -> None:
        if self._send is None:
            return
        for kind in self._kinds(name, generation):
            self._send(_about("over", name, generation, kind), ())

    def _on_disk(self) -> Iterator[tuple[str, int, str]]:
        for entry in os.listdir(self._directory):
            name, _, tail = entry.partition(".")
            generation, _, kind = tail.partition(".")
            if name and generation.isdigit() and kind in KINDS:
                yield name, int(generation), kind

    def _inode(self, name: str, generation: int, kind: str) -> int:
        """The number of a FIFO that was made in this boot of the machine; 0: there is none."""
        try:
            boot, _, inode = os.readlink(self._path(name, generation, kind)).rpartition(":")
        except OSError:
            return 0
        return int(inode) if boot == self._boot and inode.isdigit() else 0

    def _open_named(self, name: str, generation: int, kind: str) -> int:
        """One that has a name, as those of lives that began before they were made without; -1: it is none."""
        try:
            fd = os.open(self._path(name, generation, kind), os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return -1
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.close(fd)
            return -1
        os.set_blocking(fd, True)
        return fd

    def _path(self, name: str, generation: int, kind: str) -> str:
        return os.path.join(self._directory, f"{name}.{generation}" + (f".{kind}" if kind else ""))


def _key(name: str, generation: int, kind: str) -> str:
    return f"{PREFIX}{name}:{generation}" + (f":{kind}" if kind else "")


def _about(what: str, name: str, generation: int, kind: str) -> Message:
    message: Message = {"do": what, "service": name, "generation": generation}
    if kind == STDERR:
        message["is_stderr"] = True
    return message
