"""Two small things that several of our processes need and `os` lacks."""

from __future__ import annotations

import fcntl
import os


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


def dup_above(fd: int, lowest: int) -> int:
    """A close-on-exec duplicate numbered at least `lowest`."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
