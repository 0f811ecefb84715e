"""What holds the processes of one service together, so that every one of them can be found and killed.

Two kinds, one interface. A cgroup (v2) where we may make one: the child is born in it, nothing it forks ever leaves
it. Elsewhere a marker that is inherited and cannot be shed: the hard limit of RLIMIT_MSGQUEUE may be lowered by a
process but never raised, `env -i` and setsid do not touch it, and it can be read in /proc/PID/limits. Soft and hard
limit together make the marker; it is derived from the site and the service, so a successor knows it too.

Errands (hooks, checks …) have scopes of their own inside their service's: `ce/check`. Whatever is asked of or done to
`ce` includes them.

A scope lasts as long as the service is configured; its lives follow each other in it, each after the one before has
been swept out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from amonsup.loop import cgroups
from amonsup.supervisor.adapters import procfs

try:
    from _blake2 import blake2b  # hashlib would load OpenSSL with it: 3 MB in a process that must stay small
except ImportError:
    from hashlib import blake2b

INNER = ("hook", "order", "check")
"""The scopes inside a service's."""

DESERTED = b"populated 0\nfrozen 0\n"
"""cgroup.events when nothing lives there and a child may be born there (zombies do not count)."""

MOST_OPEN = 48
"""Of that many scopes cgroup.events stays open once it was looked at: to open it takes far longer than to read it."""

LEAST_HARD_LIMIT = 4
"""Below it there is no soft and hard limit that could mark anything."""

RLIMIT_MSGQUEUE = 12  # bits/resource.h; the resource module has it only on some builds


class Holding(msgspec.Struct, frozen=True):
    """What a child has to be born with to belong to the scope. `cgroup_fd` is the caller's to close; -1: none."""

    cgroup_fd: int = -1
    limits: tuple[tuple[int, int, int], ...] = ()


class Scopes(Protocol):
    """The scopes of all services. Names are service names."""

    kind: str

    def holding(self, name: str) -> Holding:
        """Raises OSError if the scope cannot be made."""

    def members(self, name: str, *, thorough: bool) -> list[int]:
        """Live processes in the scope. Not `thorough`: cheap, for the crash path, and as good as always right."""

    def is_deserted(self, name: str) -> bool:
        """Whether nothing lives in the scope and a child may be born into it; False: look closer with `members`."""

    def holds(self, name: str, pid: int) -> bool:
        """Whether this process is in the scope."""

    def kill(self, name: str) -> bool:
        """SIGKILL to everything at once; False if there is no such means and each has to be signalled."""

    def was_in(self, name: str, trace: str) -> bool:
        """Whether the main process of which the guardian kept this trace (kernel.trace_of) was in the scope."""

    def is_spent(self, name: str) -> bool:
        """Whether what `holding` has given earlier is of no use any more: ask it again."""

    def inherited(self, name: str) -> None:
        """A predecessor began the life that is in the scope."""

    def remove(self, name: str) -> None:
        """The service is gone and its scope empty."""

    def directory(self, name: str) -> str:
        """The cgroup of version 2 that holds the scope's processes; '' where there is none."""

    def close(self) -> None:
        """A full stop: nothing of ours is left behind."""


class CgroupScopes:
    """One cgroup v2 directory a service below `base`."""

    kind = "cgroup"

    def __init__(self, base: str) -> None:
        self.base = base
        # Measured on Linux 6.18: once cgroup.kill was used on a cgroup, whoever clone3 bears into it from outside is
        # killed at birth, for ever. So such a cgroup is replaced before the next birth. What a predecessor did to
        # those that we find nobody knows.
        self._killed: set[str] = set()
        self._events: dict[str, int] = {}  # cgroup.events of those that crashed last
        self._keeps_events = (
            resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 16 * MOST_OPEN
        )  # else lives need them more
        self._doubtful = {entry.name for entry in os.scandir(base) if entry.is_dir()}

    def holding(self, name: str) -> Holding:
        path = os.path.join(self.base, name)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if self.is_spent(name) or name in self._doubtful:
            self._doubtful.discard(name)  # if it cannot be removed somebody was born in it, and lives
            self.remove(name)
        try:
            return Holding(cgroup_fd=os.open(path, flags))
        except FileNotFoundError:
            cgroups.make(path)
            return Holding(cgroup_fd=os.open(path, flags))

    def is_deserted(self, name: str) -> bool:
        if not self._keeps_events:
            return procfs.read(f"{self.base}/{name}/cgroup.events") == DESERTED
        try:
            fd = self._events[name]
        except KeyError:
            fd = self._open_events(name)
        try:
            return os.pread(fd, 64, 0) == DESERTED
        except OSError:  # never opened, or its directory was removed, perhaps to be made anew
            self._close_events(name)
            return False

    def _open_events(self, name: str) -> int:
        """-1: it cannot be had."""
        try:
            fd = os.open(f"{self.base}/{name}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1
        if len(self._events) >= MOST_OPEN:
            self._close_events(next(iter(self._events)))
        self._events[name] = fd
        return fd

    def _close_events(self, name: str) -> None:
        fd = self._events.pop(name, -1)
        if fd >= 0:
            os.close(fd)

    def members(self, name: str, *, thorough: bool) -> list[int]:
        path = os.path.join(self.base, name)
        if not thorough and b"populated 0" in procfs.read(os.path.join(path, "cgroup.events")):
            return []
        found = []
        for directory, _, _ in os.walk(path):
            found += [int(word) for word in procfs.read(os.path.join(directory, "cgroup.procs")).split()]
        return [pid for pid in found if pid > 0]

    def holds(self, name: str, pid: int) -> bool:
        own = f"/{os.path.basename(self.base)}/{name}/".encode()
        lines = procfs.read(f"/proc/{pid}/cgroup").splitlines()
        return any(line.startswith(b"0::") and own in line + b"/" for line in lines)

    def kill(self, name: str) -> bool:
        """cgroup.kill is atomic against forks; kernels before 5.14 lack it."""
        try:
            fd = os.open(os.path.join(self.base, name, "cgroup.kill"), os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(fd, b"1")
        except OSError:
            return False
        finally:
            os.close(fd)
        self._killed.add(name)
        return True

    def was_in(self, name: str, trace: str) -> bool:
        return trace.partition("|")[0].endswith(f"/{os.path.basename(self.base)}/{name}")

    def is_spent(self, name: str) -> bool:
        return bool(self._killed) and (name in self._killed or name.partition("/")[0] in self._killed)

    def inherited(self, name: str) -> None:
        pass

    def remove(self, name: str) -> None:
        self._close_events(name)
        path = os.path.join(self.base, name)
        for directory, _, _ in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        if not os.path.exists(path):
            self._killed.discard(name)

    def directory(self, name: str) -> str:
        return f"{self.base}/{name}"

    def close(self) -> None:
        """We may be in a leaf of our own down there (limits.py): then we go back to where we came from."""
        above = os.path.dirname(self.base)
        _take_back_controllers(self.base)
        ours = procfs.read(os.path.join(self.base, cgroups.OURS, "cgroup.procs")).split()
        if ours:
            _take_back_controllers(above)
        for pid in ours:
            with contextlib.suppress(OSError):
                _write(os.path.join(above, "cgroup.procs"), pid)
        for directory, _, _ in os.walk(self.base, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


class MarkerScopes:
    """An inherited limit as marker. `roots` lists the processes whose children may be orphans of a life, `known`
    the pids that are accounted for. Orphans of a life that we did not begin may also be with init, because there was
    a time without guardian and supervisor: for those only a look at all processes counts, until it finds none."""

    kind = "marker"

    def __init__(self, instance: str, roots: Callable[[], Iterable[int]], known: Callable[[], set[int]]) -> None:
        self.instance = instance
        self.roots = roots
        self.known = known
        self._inherited: set[str] = set()
        _, self._hard = resource.getrlimit(RLIMIT_MSGQUEUE)

    def _marks(self, name: str) -> list[list[bytes]]:
        """What tells a process of the scope in proc_pid_limits(5): the columns are padded, so words."""
        names = [name] if "/" in name else [name, *(f"{name}/{inner}" for inner in INNER)]
        pairs = [self.limits_of(each) for each in names]
        return [[b"Max", b"msgqueue", b"size", b"%d" % soft, b"%d" % hard] for soft, hard in pairs]

    def limits_of(self, name: str) -> tuple[int, int]:
        """Soft and hard limit: the hard one in the upper half of ours, the soft one in the quarter below."""
        digest = blake2b(f"{self.instance}/{name}".encode(), digest_size=16).digest()
        first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
        top = 1 << 62 if self._hard == resource.RLIM_INFINITY else self._hard
        if top < LEAST_HARD_LIMIT:
            raise OSError(errno.EPERM, f"the hard limit of RLIMIT_MSGQUEUE is {top}: no room for markers")
        return top // 4 + first % (top // 4), top // 2 + second % (top // 2)

    def holding(self, name: str) -> Holding:
        return Holding(limits=((RLIMIT_MSGQUEUE, *self.limits_of(name)),))

    def is_deserted(self, name: str) -> bool:
        return name not in self._inherited and not self._has_orphans()

    def members(self, name: str, *, thorough: bool) -> list[int]:
        if not thorough and self.is_deserted(name):
            return []
        marks = self._marks(name)
        found = [pid for pid in procfs.all_pids() if _is_marked(pid, marks) and not procfs.is_zombie(pid)]
        if not found:
            self._inherited.discard(name)
        return found

    def holds(self, name: str, pid: int) -> bool:
        return _is_marked(pid, self._marks(name))

    def _has_orphans(self) -> bool:
        # The main process that has just ended is there still, as a zombie: it is no orphan, and not known any more.
        known = self.known()
        children = (pid for root in self.roots() for pid in procfs.children(root))
        return any(pid not in known and not procfs.is_zombie(pid) for pid in children)

    def kill(self, name: str) -> bool:
        return False

    def was_in(self, name: str, trace: str) -> bool:
        soft, hard = self.limits_of(name)
        return trace.endswith(f"|{soft} {hard}")

    def is_spent(self, name: str) -> bool:
        return False

    def inherited(self, name: str) -> None:
        self._inherited.add(name)

    def remove(self, name: str) -> None:
        pass

    def directory(self, name: str) -> str:
        return ""

    def close(self) -> None:
        pass


def tag_of(run_dir: str) -> str:
    """What tells the cgroups of one site from those of others."""
    return blake2b(os.fsencode(run_dir), digest_size=4).hexdigest()


def _is_marked(pid: int, marks: list[list[bytes]]) -> bool:
    return any(line.split()[:5] in marks for line in procfs.limits(pid))


def cgroup_base(run_dir: str) -> str | None:
    """Where our cgroups are, or None where none can be made.

    Below our own cgroup (that is what systemd delegates). The place is noted in run_dir, because a later amonsupd
    may be started from another cgroup and has to find the services of an earlier one.
    """
    noted = os.path.join(run_dir, "cgroup")
    known = procfs.read(noted).decode("utf-8", "surrogateescape").strip()
    if known and os.path.isdir(known):
        return known
    own = cgroups.own_directory()
    if own is None:
        return None
    base = os.path.join(cgroups.above_us(own), f"amonsup-{tag_of(run_dir)}")
    try:
        cgroups.make(base)
        if not os.access(os.path.join(base, "cgroup.procs"), os.W_OK):
            return None
        with open(noted, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(base + "\n")
    except OSError:
        return None
    return base


def _take_back_controllers(directory: str) -> None:
    """What was handed down to cgroups below."""
    path = os.path.join(directory, "cgroup.subtree_control")
    for word in procfs.read(path).split():
        with contextlib.suppress(OSError):
            _write(path, b"-" + word)


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)
