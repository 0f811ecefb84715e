"""What /proc says about processes: trees, memory, context switches. A process that is gone reads as empty."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def read(path: Path) -> str:
    """The text of a file in /proc, '' if the process is gone."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; empty if there is no such process."""
    text = read(PROC / str(pid) / "stat")
    return text.rpartition(")")[2].split()


def start_time(pid: int) -> int:
    """Field 22 of stat, which makes a pid unique; 0 if the process is gone or a zombie."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else 0


def parents() -> dict[int, int]:
    """Every pid of the machine with its parent's, by one pass over /proc."""
    found = {}
    for entry in os.listdir(PROC):
        if entry.isdigit():
            fields = stat_fields(int(entry))
            if fields:
                found[int(entry)] = int(fields[1])
    return found


def descendants(root: int) -> list[int]:
    """The pids below `root`, without itself."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def program(pid: int) -> str:
    """The file that a process executes, '' if unreadable or gone."""
    try:
        return os.readlink(PROC / str(pid) / "exe")
    except OSError:
        return ""


def pss_kib(pid: int) -> int:
    """Proportional set size. Raises PermissionError for a process that may not be read (not dumpable)."""
    try:
        text = read(PROC / str(pid) / "smaps_rollup")
    except PermissionError:
        raise PermissionError(f"memory of {program(pid) or pid} is readable for root only") from None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def context_switches(pid: int) -> int:
    """Voluntary and involuntary switches of all threads so far."""
    total = 0
    try:
        tasks = os.listdir(PROC / str(pid) / "task")
    except FileNotFoundError:
        return 0
    for task in tasks:
        for line in read(PROC / str(pid) / "task" / task / "status").splitlines():
            if "ctxt_switches:" in line:
                total += int(line.split()[1])
    return total
