"""The laboratory: a temporary directory, the compiled programs, the stamps that come in, and a clean exit.

Every process that a benchmark starts is a descendant of this one (it is a subreaper), so 'what we started' is
known by pid and start time, and nothing else is ever signalled.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

import procfs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECORD = struct.Struct("=Qi28s")
PR_SET_CHILD_SUBREAPER = 36


class LabError(Exception):
    """Something that makes a measurement impossible, in words."""


@dataclass(frozen=True)
class Stamp:
    """The first instruction of one life of a service."""

    name: str
    pid: int
    ns: int


class Stamps:
    """The FIFO that services write their first instruction to."""

    def __init__(self, path: Path) -> None:
        """Make the FIFO; this process holds both ends, so it never ends and never blocks a writer."""
        os.mkfifo(path)
        path.chmod(0o666)  # services may run as another user
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._arrived: deque[Stamp] = deque()

    def close(self) -> None:
        """Let go of the FIFO."""
        os.close(self._fd)

    def forget(self) -> None:
        """Drop what has come so far: a new measurement begins."""
        self._drain()
        self._arrived.clear()

    def _drain(self) -> None:
        while True:
            try:
                records = os.read(self._fd, RECORD.size * 1000)
            except BlockingIOError:
                return
            for ns, pid, name in RECORD.iter_unpack(records):
                self._arrived.append(Stamp(name.rstrip(b"\0").decode(), pid, ns))

    def next_of(self, name: str, timeout: float) -> Stamp:
        """The next stamp of one service; others' are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            while self._arrived:
                stamp = self._arrived.popleft()
                if stamp.name == name:
                    return stamp
            left = deadline - time.monotonic()
            if left <= 0:
                raise LabError(f"no sign of {name} within {timeout:.0f} s")
            self._poll.poll(left * 1000)
            self._drain()

    def all_of(self, names: Iterable[str], timeout: float, alive: subprocess.Popen[bytes]) -> dict[str, Stamp]:
        """The last stamp of each service, once all are there. Looks only every 20 ms, not to disturb."""
        missing = set(names)
        found: dict[str, Stamp] = {}
        deadline = time.monotonic() + timeout
        while missing:
            self._drain()
            while self._arrived:
                stamp = self._arrived.popleft()
                found[stamp.name] = stamp
                missing.discard(stamp.name)
            if missing and alive.poll() is not None:
                raise LabError(f"the supervisor ended with status {alive.returncode}")
            if missing and time.monotonic() > deadline:
                raise LabError(f"{len(missing)} services not running within {timeout:.0f} s")
            if missing:
                time.sleep(0.02)
        return found


def compile_c(source: Path, target: Path) -> None:
    """Static where libc.a is installed, dynamic otherwise."""
    base = ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(target), str(source)]
    if subprocess.run([*base, "-static"], capture_output=True, check=False).returncode == 0:
        return
    done = subprocess.run(base, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"cannot compile {source.name}: {done.stderr.strip()}")


def end_processes(processes: dict[int, int], grace: float) -> int:
    """Wait `grace` seconds for processes (pid -> start time) to end, kill the rest; returns how many."""
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        if not _still_there(processes):
            return 0
        time.sleep(0.05)
    rest = _still_there(processes)
    for pid in rest:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended by itself in between
    patience = time.monotonic() + 5
    while _still_there(processes) and time.monotonic() < patience:
        time.sleep(0.02)
    return len(rest)


def _still_there(processes: dict[int, int]) -> list[int]:
    there = []
    for pid, started in processes.items():
        try:
            os.waitpid(pid, os.WNOHANG)  # an orphan that came to us
        except ChildProcessError:
            pass  # not ours to reap
        if procfs.start_time(pid) == started:
            there.append(pid)
    return there


def _reap_orphans() -> None:
    """Zombies that came to us as subreaper; only at the end, when no Popen waits any more."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass  # none left


def tree_of(pid: int) -> dict[int, int]:
    """The living descendants of a process, each with its start time."""
    started = {below: procfs.start_time(below) for below in procfs.descendants(pid)}
    return {below: at for below, at in started.items() if at}


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Lab:
    """A context: inside it there are the directory, the programs and the stamps; after it nothing is left."""

    def __init__(self) -> None:
        """Compile, and adopt whatever our descendants orphan."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise LabError("prctl(PR_SET_CHILD_SUBREAPER) failed")
        signal.signal(signal.SIGTERM, _interrupted)
        signal.signal(signal.SIGHUP, _interrupted)
        self.directory = Path(tempfile.mkdtemp(prefix="amb-")).resolve()
        self.directory.chmod(0o755)
        self._homes = 0
        self.stamp = self.directory / "stamp"
        self.floor = self.directory / "floor"
        try:
            compile_c(HERE / "stamp.c", self.stamp)
            compile_c(HERE / "floor.c", self.floor)
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        self.stamps = Stamps(self.directory / "stamps")

    def home(self, label: str) -> Path:
        """A fresh directory for one supervisor."""
        self._homes += 1
        path = self.directory / f"{label}{self._homes}"
        path.mkdir(mode=0o755)
        return path

    def __enter__(self) -> Lab:
        """Enter."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every descendant that is left, remove the directory."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while left := tree_of(os.getpid()):
            end_processes(left, 0.0)
        _reap_orphans()
        self.stamps.close()
        shutil.rmtree(self.directory, ignore_errors=True)
