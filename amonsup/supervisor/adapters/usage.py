"""What services use: processor, memory, tasks, input and output, open files.

Nothing is sampled by itself: whoever asks pays, and an idle site reads nothing. The brief answer (`status`) is a few
small reads a service; the full one looks at every process of it.

- CPU is that of the whole service where it has a cgroup of version 2 (cpu.stat is there without any controller),
  else of the main process. The percentage is of one processor, over the time since somebody last asked; who is the
  first to ask gets the average of the main process's life.
- Memory is what the memory controller charges (page cache included, it is what `mem_limit` limits) where it accounts
  for the service, else the resident memory of its processes, pages they share counted for each.
- Input and output (bytes that went to or came from a disk) and open files are those of the processes alive now.
"""

from __future__ import annotations

import os

import msgspec

from amonsup.supervisor.adapters import procfs
from amonsup.supervisor.adapters.limits import Limits
from amonsup.supervisor.adapters.scopes import Scopes

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")

LEAST_INTERVAL_S = 0.5
"""Over less than this a percentage says little: the one before it is given once more."""

MOST_MEMBERS = 500
"""Of a fork bomb not every process is looked at."""


class Sample(msgspec.Struct):
    """What somebody saw the last time: generation, when, CPU seconds of the service, and the percentage then."""

    generation: int
    at: float
    cpu_s: float
    percent: float


class Full(msgspec.Struct, frozen=True):
    """None: nobody counts, or we may not look."""

    tasks: int | None
    io_read_bytes: int | None
    io_write_bytes: int | None
    open_files: int | None


class Usage:
    """Of all services; remembers one sample of each that was asked for."""

    def __init__(self, scopes: Scopes, limits: Limits) -> None:
        self._scopes = scopes
        self._limits = limits
        self._samples: dict[str, Sample] = {}

    def brief(self, name: str, generation: int, pid: int, uptime_s: float, now: float) -> tuple[float, int] | None:
        """CPU percentage and bytes of memory; None if the main process is gone."""
        stat = procfs.stat_fields(pid)
        if len(stat) < 22:
            return None
        main_cpu_s = (int(stat[11]) + int(stat[12])) / _TICKS
        directory = self._scopes.directory(name)
        whole_cpu_s = _cpu_of_cgroup(directory) if directory else None
        percent = self._percent(name, generation, now, main_cpu_s, whole_cpu_s, uptime_s)
        memory = self._charged(name)
        if memory is None:
            memory = int(stat[21]) * _PAGE + sum(_resident(other) for other in self._others(directory, pid))
        return percent, memory

    def full(self, name: str, pid: int) -> Full:
        """The rest: tasks, input and output, open files."""
        members = [pid, *self._others(self._scopes.directory(name), pid)]
        counted = self._limits.directory(name, "pids")
        tasks = _number(f"{counted}/pids.current") if counted else None
        if tasks is None:
            tasks = sum(_threads(member) for member in members)
        members = members[:MOST_MEMBERS]
        read, written = _io(members)
        return Full(tasks, read, written, _open_files(members))

    def throttled(self, name: str) -> tuple[int, float] | None:
        """How often, and for how many seconds, the service had used up its share of processors (`cpus`)."""
        directory = self._limits.directory(name, "cpu")
        if not directory:
            return None
        found = dict(line.split() for line in procfs.read(f"{directory}/cpu.stat").splitlines() if line)
        if b"nr_throttled" not in found:
            return None
        seconds = int(found.get(b"throttled_usec", 0)) / 1e6 or int(found.get(b"throttled_time", 0)) / 1e9
        return int(found[b"nr_throttled"]), seconds

    def forget(self, name: str) -> None:
        self._samples.pop(name, None)

    def _percent(
        self, name: str, generation: int, now: float, main_cpu_s: float, whole_cpu_s: float | None, uptime_s: float
    ) -> float:
        cpu_s = main_cpu_s if whole_cpu_s is None else whole_cpu_s
        last = self._samples.get(name)
        if last is None or last.generation != generation or cpu_s < last.cpu_s:
            percent = 100 * main_cpu_s / max(uptime_s, 0.01)
            self._samples[name] = Sample(generation, now, cpu_s, percent)
            return percent
        if now - last.at >= LEAST_INTERVAL_S:
            last.percent = 100 * (cpu_s - last.cpu_s) / (now - last.at)
            last.at, last.cpu_s = now, cpu_s
        return last.percent

    def _charged(self, name: str) -> int | None:
        directory = self._limits.directory(name, "memory")
        if not directory:
            return None
        is_v2 = directory == self._scopes.directory(name)
        return _number(f"{directory}/{'memory.current' if is_v2 else 'memory.usage_in_bytes'}")

    def _others(self, directory: str, pid: int) -> list[int]:
        """The processes of the service besides its main one: its cgroup's, or else its descendants."""
        if directory:
            words = procfs.read(f"{directory}/cgroup.procs").split()
            return [int(word) for word in words if int(word) != pid] if len(words) > 1 else []
        found = procfs.children(pid)
        for child in found:  # grows while it is walked
            if len(found) < MOST_MEMBERS:
                found += procfs.children(child)
        return found


def of_process(pid: int) -> tuple[float | None, int | None]:
    """CPU seconds and resident bytes of one process (proc_pid_stat(5)), or nothing if it is gone."""
    fields = procfs.stat_fields(pid)
    if len(fields) < 22:
        return None, None
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE


def _cpu_of_cgroup(directory: str) -> float | None:
    words = procfs.read(f"{directory}/cpu.stat")[:100].split(None, 2)
    return int(words[1]) / 1e6 if len(words) > 1 and words[0] == b"usage_usec" else None


def _resident(pid: int) -> int:
    return of_process(pid)[1] or 0


def _threads(pid: int) -> int:
    fields = procfs.stat_fields(pid)
    return int(fields[17]) if len(fields) > 17 else 0


def _io(pids: list[int]) -> tuple[int | None, int | None]:
    read = written = 0
    is_known = False
    for pid in pids:
        for line in procfs.read(f"/proc/{pid}/io").splitlines():
            key, _, value = line.partition(b": ")
            if key == b"read_bytes":
                read, is_known = read + int(value), True
            elif key == b"write_bytes":
                written += int(value)
    return (read, written) if is_known else (None, None)


def _open_files(pids: list[int]) -> int | None:
    count, is_known = 0, False
    for pid in pids:
        try:
            count += len(os.listdir(f"/proc/{pid}/fd"))
            is_known = True
        except OSError:
            continue  # gone, or not ours to look into
    return count if is_known else None


def _number(path: str) -> int | None:
    text = procfs.read(path).strip()
    return int(text) if text.isdigit() else None
