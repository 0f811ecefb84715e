"""Exits: every one noticed once, with its status where that can be known, attributed to the process it belongs to.

Three kinds of processes end on us. *Own* children: their pidfd becomes readable, we reap. *Adopted* ones, started by
a predecessor: while their parent is the guardian, it reaps them and tells us (pid, start time, status); if both
predecessors died their parent is init: then /proc tells how they ended as long as init has not reaped them, and after
that their pidfd does (PIDFD_GET_INFO, Linux 6.15 on); where neither knows, the status is unknown, and unknown is what
is said. *Orphans*, which came to us because we are a subreaper: reaped and forgotten.

There is exactly one reaper, here. A process is never identified by its pid alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
from collections.abc import Callable, Iterable

import msgspec

from amonsup.loop.kernel import start_ticks
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import procfs

try:
    from amonsup.supervisor.adapters import _spawner
except ImportError:
    _spawner = None  # type: ignore[assignment]

PIDFD_GET_INFO = (3 << 30) | (64 << 16) | (0xFF << 8) | 11
PIDFD_INFO_EXIT = 1 << 3


class Ended(msgspec.Struct, frozen=True):
    """status as wait(2) gives it, None: nobody can say. cpu in seconds, rss in bytes; 0 where unknown."""

    status: int | None
    cpu_s: float = 0.0
    max_rss_bytes: int = 0


class Process:
    """One watched process. `pidfd` is ours; closed once it has ended.

    It is its own callback for the loop, with one `look` for all: there are as many of these as there are services.
    """

    __slots__ = ("is_own", "look", "on_end", "pid", "pidfd", "start_ticks")

    look: Callable[[Process], None]

    def __init__(self, pid: int, pidfd: int, ticks: int, is_own: bool, on_end: Callable[[Ended], None]) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.start_ticks = ticks
        self.is_own = is_own
        self.on_end = on_end

    def __call__(self, _mask: int) -> None:
        self.look(self)


class Watch:
    """All watched processes by pid."""

    def __init__(
        self,
        loop: Loop,
        guardian_pid: int,
        acknowledge: Callable[[int, int], None],
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._guardian_pid = guardian_pid
        self._acknowledge = acknowledge
        self._refresh = refresh
        self._is_taking_over = True
        self._look_at_own = self._end_of_own  # bound once, not once a process
        self._look_at_foreign = self._end_of_foreign
        self.former: set[int] = set()  # watched, but a main process no more (MAINPID=)
        self.processes: dict[int, Process] = {}
        self._told: dict[tuple[int, int], tuple[Ended, str]] = {}  # by the guardian, before anybody asked

    def own(self, pid: int, pidfd: int, ticks: int, on_end: Callable[[Ended], None]) -> None:
        """Watch a child just spawned. Takes the pidfd over."""
        process = Process(pid, pidfd, ticks, True, on_end)
        self.processes[pid] = process
        process.look = self._look_at_own
        self._loop.watch(pidfd, process)

    def adopt(self, pid: int, ticks: int, on_end: Callable[[Ended], None]) -> Ended | None:
        """Watch a predecessor's child. Returns its end if it has ended already; `on_end` is not called then."""
        watched = self.processes.get(pid)
        if watched is not None and watched.start_ticks == ticks:
            return None
        told = self.take_told(pid, ticks)
        if told is not None:
            return told
        pidfd = _open_pidfd(pid)
        if pidfd < 0 or start_ticks(pid) != ticks:
            if pidfd >= 0:
                os.close(pidfd)
            self._refresh()  # perhaps the guardian has reaped it a moment ago, and its word is on the way
            return self.take_told(pid, ticks) or Ended(None)
        parent = procfs.parent(pid)
        process = Process(pid, pidfd, ticks, parent == os.getpid(), on_end)
        self.processes[pid] = process
        if process.is_own:
            process.look = self._look_at_own
            self._loop.watch(pidfd, process)
        elif parent == self._guardian_pid:
            # It will be told; the pidfd is kept only to signal through. A zombie is told as well: it is not reaped.
            pass
        else:
            process.look = self._look_at_foreign
            self._loop.watch(pidfd, process)
        return None

    def told_by_guardian(self, pid: int, ticks: int, ended: Ended, trace: str = "") -> None:
        """The guardian has reaped a process; `trace` (kernel.trace_of) tells whose it was."""
        process = self.processes.get(pid)
        if process is not None and process.start_ticks == ticks:
            self._finish(process, ended)
        elif not self._is_taking_over:
            self._acknowledge(pid, ticks)  # an orphan of nobody in particular
        else:
            self._told[pid, ticks] = ended, trace
            if len(self._told) > 20_000:
                self._told.pop(next(iter(self._told)))

    def take_told(self, pid: int, ticks: int) -> Ended | None:
        told = self._told.pop((pid, ticks), None)
        if told is None:
            return None
        self._acknowledge(pid, ticks)
        return told[0]

    def take_told_of(self, is_wanted: Callable[[int, str], bool]) -> tuple[int, int, Ended] | None:
        """The end of the oldest process whose pid and trace are wanted, if the guardian told of one."""
        found = [(ticks, pid) for (pid, ticks), (_, trace) in self._told.items() if trace and is_wanted(pid, trace)]
        if not found:
            return None
        ticks, pid = min(found)
        self._acknowledge(pid, ticks)
        return pid, ticks, self._told.pop((pid, ticks))[0]

    def acknowledge_told(self) -> None:
        """After adoption: what the guardian told and nobody claimed belongs to nobody."""
        for pid, ticks in self._told:
            self._acknowledge(pid, ticks)
        self._told.clear()
        self._is_taking_over = False

    def signal(self, pid: int, ticks: int, signum: int) -> bool:
        """Signal a watched process through its pidfd; False if it is not watched any more or has ended."""
        process = self.processes.get(pid)
        if process is None or process.start_ticks != ticks:
            return False
        try:
            signal.pidfd_send_signal(process.pidfd, signum)
        except OSError:  # gone, or (a setuid program under a plain user's daemon) not ours to signal
            return False
        return True

    def wait_for(self, pids: Iterable[int], at_most_s: float) -> None:
        """Until these watched processes have ended, each for so long at most. Only at our own end: everybody waits."""
        for pid in pids:
            process = self.processes.get(pid)
            if process is not None:
                poll = select.poll()
                poll.register(process.pidfd, select.POLLIN)
                poll.poll(at_most_s * 1000)

    def listen(self) -> None:
        """From now on take in orphans as they end. SIGCHLD comes by descriptor where that is to be had: a handler would
        interrupt each wait and run before every crash is looked at."""
        if _spawner is None:
            self._loop.on_signals([signal.SIGCHLD], lambda _signum: self.reap_orphans())
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        fd = _spawner.signal_descriptor(signal.SIGCHLD)
        self._loop.watch(fd, lambda _mask: self._on_child(fd))

    def _on_child(self, fd: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(fd, 4096)
        # The pidfds that fired with it are served first: they are what somebody waits for.
        self._loop.call_soon(self.reap_orphans)

    def reap_orphans(self) -> None:
        """SIGCHLD: reap whatever came to us as subreaper; own mains on the way get their due as well."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            process = self.processes.get(found.si_pid)
            if process is not None:
                self._end_of_own(process)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(found.si_pid, os.WNOHANG)

    # -- ends --

    def _end_of_own(self, process: Process) -> None:
        """Look at the status first, act on it, and reap the zombie after the successor was born.

        As long as the zombie is there the kernel keeps what it knows of its cgroup (the css_set), and a birth in an
        otherwise empty cgroup costs 0.3 ms; without it, about one more.
        """
        try:
            ended = _look(process)
        except ChildProcessError:
            ended = Ended(None)
        if ended is not None:
            self._finish(process, ended)

    def _end_of_foreign(self, process: Process) -> None:
        """Its parent is somebody else: while it is a zombie /proc knows its status, afterwards the pidfd may."""
        status = procfs.zombie_status(process.pid, process.start_ticks)
        self._finish(process, Ended(exit_status(process.pidfd) if status is None else status))

    def _finish(self, process: Process, ended: Ended) -> None:
        if self.processes.get(process.pid) is not process:
            return
        del self.processes[process.pid]
        self.former.discard(process.pid)
        self._loop.call_soon(lambda: self._close(process))
        process.on_end(ended)
        if not process.is_own:
            self._acknowledge(process.pid, process.start_ticks)

    def _close(self, process: Process) -> None:
        if process.is_own:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOHANG)
        self._loop.unwatch(process.pidfd)
        os.close(process.pidfd)


def exit_status(pidfd: int) -> int | None:
    """wait(2) status of a reaped process that was not our child (Linux 6.15 on), or None if the kernel cannot say.

    include/uapi/linux/pidfd.h, struct pidfd_info: mask at 0, exit_code at 60 of the 64 bytes.
    """
    request = bytearray(64)
    struct.pack_into("=Q", request, 0, PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, PIDFD_GET_INFO, request, True)
    except OSError:
        return None
    if not struct.unpack_from("=Q", request, 0)[0] & PIDFD_INFO_EXIT:
        return None
    return int(struct.unpack_from("=i", request, 60)[0])


def _look(process: Process) -> Ended | None:
    """How an own child ended; None: it has not. Raises ChildProcessError if it is no child of ours."""
    if _spawner is not None:
        found = _spawner.look(process.pidfd)
        return None if found is None else Ended(found[0], found[1], found[2] * 1024)
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not pid:
        return None
    return Ended(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _open_pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1
