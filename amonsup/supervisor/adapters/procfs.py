"""What /proc tells about processes (proc(5)). Every answer may be out of date the moment it is given.

Processes vanish while they are read; all functions answer 'nothing' then, never raise for it.
"""

from __future__ import annotations

import os


def boot_id() -> str:
    """Different after every boot of the machine (random(4))."""
    return read("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()


def children(pid: int) -> list[int]:
    """The direct children of a single-threaded process; empty if it is gone (or the kernel does not say)."""
    return [int(word) for word in read(f"/proc/{pid}/task/{pid}/children").split()]


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_line(pid: int) -> bytes:
    """argv, NUL-separated; empty for a zombie, a kernel thread or nobody."""
    return read(f"/proc/{pid}/cmdline")


def command(pid: int) -> str:
    """A short text for people: the first words of argv, or the kernel's name for it in brackets."""
    words = command_line(pid)[:200].split(b"\0")
    text = b" ".join(words).decode("utf-8", "replace").strip()
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text[:80] or f"[{read(f'/proc/{pid}/comm').decode('utf-8', 'replace').strip()}]"


def stat_fields(pid: int) -> list[bytes]:
    """proc_pid_stat(5) from field 3 (state) on; empty if there is no such process."""
    text = read(f"/proc/{pid}/stat")
    return text[text.rfind(b")") + 2 :].split()


def state_and_parent(pid: int) -> tuple[str, int]:
    """State letter and parent pid; ("", 0) if there is no such process."""
    fields = stat_fields(pid)
    return (fields[0].decode(), int(fields[1])) if len(fields) > 1 else ("", 0)


def zombie_status(pid: int, ticks: int) -> int | None:
    """The wait(2) status of an ended process that nobody has reaped yet (proc_pid_stat(5), field 52, exit_code).

    None if it is no zombie (any more), or not this process, or the kernel does not let us know.
    """
    fields = stat_fields(pid)
    if len(fields) < 50 or fields[0] not in (b"Z", b"X") or int(fields[19]) != ticks:
        return None
    return int(fields[49])


def parent(pid: int) -> int:
    return state_and_parent(pid)[1]


def is_zombie(pid: int) -> bool:
    return state_and_parent(pid)[0] in ("Z", "X")


def is_session_leader(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def is_copy_of_us(pid: int) -> bool:
    """A child that never reached exec still has the command line of the supervisor that forked it."""
    ours, theirs = command_line(os.getpid()).split(b"\0"), command_line(pid).split(b"\0")
    return ours[:5] == theirs[:5]


def read(path: str) -> bytes:
    """A small kernel file, whole; empty if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        text = part = os.read(fd, 65536)
        # Such files end a read at a record's boundary, so only an empty one is the end; small ones are spared it.
        while len(part) > 3000:
            part = os.read(fd, 65536)
            text += part
        return text
    except OSError:
        return b""
    finally:
        os.close(fd)


def limits(pid: int) -> list[bytes]:
    """The lines of proc_pid_limits(5), readable for every user."""
    return read(f"/proc/{pid}/limits").splitlines()


def file_system(device: int) -> str:
    """The kind of the file system on a device as stat(2) numbers it: proc_pid_mountinfo(5); empty if unknown."""
    wanted = f"{os.major(device)}:{os.minor(device)}".encode()
    for line in read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if len(fields) > 6 and fields[2] == wanted and b"-" in fields:
            return os.fsdecode(fields[fields.index(b"-") + 1])
    return ""
