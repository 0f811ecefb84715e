"""Compression of rotated files: one at a time, by a process of its own, never in the way of the logs themselves.

The newest rotated file stays plain, for those who still read it; the others are packed, newest first, because in a
flood the oldest may be gone before their turn. The process (compressor.py) gets descriptors and writes a nameless
file; when it has ended well, *we* put that in the place of the plain file, which may have moved up in the meantime.
So there is one who renames, and a process left over by a killed logger can do no harm.

What cannot be packed (a full disk) stays plain, is said, and tried again RETRY_S later, then ever more seldom.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

from amonsup import boot
from amonsup.logbook import names
from amonsup.logbook.gz import ISIZE, unpacked_size
from amonsup.loop.loop import Loop, Timer

FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
FIRST = 2
RETRY_S, MOST_RETRY_S = 1.0, 300.0


class Job:
    """One file being packed. `inode` is the plain one's: its number may change."""

    __slots__ = ("inode", "log", "pid", "pidfd", "size", "target")

    def __init__(self, log: str, inode: int, size: int, target: int, pid: int, pidfd: int) -> None:
        self.log = log
        self.inode = inode
        self.size = size
        self.target = target
        self.pid = pid
        self.pidfd = pidfd


class Packer:
    """`report(log, text)`: a failure, or an empty text once it is over."""

    def __init__(self, loop: Loop, log_dir: str, report: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._log_dir = log_dir
        self._report = report
        self._asked: dict[str, None] = {}  # in the order of asking
        self._job: Job | None = None
        self._failed: dict[str, None] = {}
        self._retry: Timer | None = None
        self._retry_s = RETRY_S

    def ask(self, log: str) -> None:
        """Something of this log may be there to be packed."""
        self._asked[log] = None
        self._go_on()

    def stop(self) -> None:
        """We are leaving; what was begun is begun again by the next logger."""
        if self._job is not None:
            signal.pidfd_send_signal(self._job.pidfd, signal.SIGKILL)

    def _go_on(self) -> None:
        while self._job is None and self._asked:
            log = next(iter(self._asked))
            try:
                self._job = self._begin(log)
            except OSError as error:
                self._fail(log, error)
                continue
            if self._job is None:
                del self._asked[log]
                self._report(log, "")  # what could not be packed may be gone
            else:
                self._loop.watch(self._job.pidfd, self._ended)

    def _begin(self, log: str) -> Job | None:
        """Start on the newest file that is to be packed; None if there is none."""
        number = self._newest(log)
        if number is None:
            return None
        source = os.open(self._path(log, number, False), os.O_RDONLY | FLAGS)
        try:
            status = os.fstat(source)
            target = self._new_target(log)
            try:
                pid = _spawn(source, target)
            except OSError:
                os.close(target)
                raise
        finally:
            os.close(source)
        return Job(log, status.st_ino, status.st_size, target, pid, os.pidfd_open(pid))

    def _new_target(self, log: str) -> int:
        """A file that nobody else has open: the process of a logger that was killed may still write into its own."""
        path = self._temporary(log)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | FLAGS, 0o640)

    def _newest(self, log: str) -> int | None:
        parsed = (names.parse(log, entry) for entry in os.listdir(self._log_dir))
        return min((found[0] for found in parsed if found and found[0] >= FIRST and not found[1]), default=None)

    def _ended(self, _mask: int) -> None:
        job, self._job = self._job, None
        assert job is not None
        self._loop.unwatch(job.pidfd)
        found = os.waitid(os.P_PIDFD, job.pidfd, os.WEXITED)
        os.close(job.pidfd)
        try:
            self._put_in_place(job, found.si_status if found is not None else 1)
            self._retry_s = RETRY_S
            self._report(job.log, "")
        except OSError as error:
            self._fail(job.log, error)
        finally:
            os.close(job.target)
        self._go_on()

    def _put_in_place(self, job: Job, status: int) -> None:
        """The packed file takes the plain one's place, wherever that is by now (it may be gone)."""
        temporary = self._temporary(job.log)
        if status != 0 or (unpacked_size(job.target) - job.size) % ISIZE:
            os.unlink(temporary)
            raise OSError(status, os.strerror(status) if status else "the compressor wrote too little")
        for number in self._plain_numbers(job.log):
            plain = self._path(job.log, number, False)
            if os.lstat(plain).st_ino == job.inode:
                os.rename(temporary, self._path(job.log, number, True))
                os.unlink(plain)
                return
        os.unlink(temporary)

    def _plain_numbers(self, log: str) -> list[int]:
        parsed = (names.parse(log, entry) for entry in os.listdir(self._log_dir))
        return sorted(found[0] for found in parsed if found and found[0] and not found[1])

    def _fail(self, log: str, error: OSError) -> None:
        """Said, and left alone for a while."""
        self._asked.pop(log, None)
        self._report(log, f"{log}: not compressed: {error.strerror}")
        self._failed[log] = None
        if self._retry is None:
            self._retry = self._loop.call_at(self._loop.now() + self._retry_s, self._try_again)
            self._retry_s = min(2 * self._retry_s, MOST_RETRY_S)

    def _try_again(self) -> None:
        self._retry = None
        self._asked.update(self._failed)
        self._failed.clear()
        self._go_on()

    def _path(self, log: str, number: int, is_packed: bool) -> str:
        return os.path.join(self._log_dir, names.rotated_name(log, number, is_packed=is_packed))

    def _temporary(self, log: str) -> str:
        return f"{names.index_path(self._log_dir, log)}.packing"


def _spawn(source: int, target: int) -> int:
    argv = boot.command_line("compressor", {})
    actions = [(os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, target, 1)]
    return os.posix_spawn(argv[0], argv, {}, file_actions=actions)
