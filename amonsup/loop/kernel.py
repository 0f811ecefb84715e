"""Two small things that several of our processes need and `os` lacks."""

from __future__ import annotations

import fcntl
import os

PF_FORKNOEXEC = 0x40  # linux/sched.h, in field 9 of proc_pid_stat(5)


def start_ticks(pid: int) -> int:
    """When the process was started, in clock ticks since boot (proc_pid_stat(5), field 22); 0: there is none.

    Together with boot id and pid it names a process for ever. Also answered for a zombie.
    """
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        text = os.read(fd, 4096)
    except OSError:
        return 0
    finally:
        os.close(fd)
    # Field 2, the name, may itself contain blanks and parentheses: count from its last parenthesis.
    fields = text[text.rfind(b")") + 2 :].split()
    return int(fields[19]) if len(fields) > 19 else 0


def trace_of(pid: int) -> str:
    """What tells, of a dead but unreaped session leader, whose life it was: `cgroup path|msgqueue soft hard`.

    Empty for who leads no session, or never reached exec: the main process of a life did both.
    """
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(b")") + 2 :].split()
    if len(fields) < 7 or int(fields[3]) != pid or int(fields[6]) & PF_FORKNOEXEC:
        return ""
    cgroup = next((line[3:] for line in _read(f"/proc/{pid}/cgroup").splitlines() if line.startswith(b"0::")), b"")
    limits = next((line for line in _read(f"/proc/{pid}/limits").splitlines() if b"msgqueue" in line), b"")
    return os.fsdecode(cgroup + b"|" + b" ".join(limits.split()[3:5]))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(16384) or b""
    except OSError:
        return b""


def dup_above(fd: int, lowest: int) -> int:
    """A close-on-exec duplicate numbered at least `lowest`."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
