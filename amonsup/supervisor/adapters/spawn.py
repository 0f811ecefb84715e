"""One door to new processes: all a child is born with goes in, a pid with its pidfd or a failure comes out.

The supervisor never has a child that is half set up. `spawn` returns when the program has been exec'ed, in
its session, cgroup, user, limits, directory and with exactly its descriptors; or when one of those could not
be had, and then there is no process, no zombie and no descriptor left of the attempt. What the kernel refuses
is a value (`SpawnFailure`), because a missing program is an everyday event of a service, not a fault of ours;
what the caller got wrong (a NUL in an argument, two descriptors for one number) is a ValueError.

Two implementations take the same arguments and give the same answers: spawner.c, about a millisecond however
large we are, and spawn_python.py. Which of them is used is decided once, here: the extension may not have
been built, and clone3 may be refused (old kernels, the seccomp filters of older container engines). One kind
of birth goes to Python in any case: with the sysctl fs.suid_dumpable=1 a child that has dropped to the
service's user, but still lives in our memory as vfork has it, could be traced by that user.

A child can get stuck before its exec: in a directory of a dead file server, or because somebody of the same
user sends it SIGSTOP. Nothing the supervisor does may wait for ever, so DEADLINE_S ends that (ETIMEDOUT, with
the stage). A frozen cgroup is asked for beforehand: its children would stop at their first instruction.

The whole of it expects to be called from one thread, and handlers of signals that do not raise: an exception
between the birth and the return would lose the child's number.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from typing import Any

import msgspec

ARGUMENTS = 19
"""Of an implementation. Never 20: Python 3.11 keeps tuples of that length for ever (up to 2000) once they are free."""

try:
    from amonsup.supervisor.adapters import _spawner
except ImportError:
    _has_c = False
else:
    # One that was built for other arguments (an update without its compiler) is as good as none.
    _has_c = getattr(_spawner, "ARGUMENTS", 0) == ARGUMENTS and _spawner.probe()

DEADLINE_S = 5.0
"""What a child may take from birth to exec: more than a cold disk needs, less than an admin waits."""

_DEFAULT_PATH = "/bin:/usr/bin"  # what execvp(3) takes without PATH; never the current directory
LEAVE = -100  # no nice, no ionice
MAX_CPUS = 8192  # NR_CPUS of the largest kernels
_NOBODY_ID = 2**32 - 1  # -1 of the kernel: 'leave it', hence no user and no group


class Birth(msgspec.Struct, frozen=True):
    """Everything a child is born with."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]  # complete: nothing of ours is added
    working_dir: str  # "" is "/"; entered as the service's user
    stdin_fd: int
    stdout_fd: int
    stderr_fd: int
    inherited: tuple[tuple[int, int], ...] = ()  # (ours, the child's number, at least 3)
    uid: int = -1  # -1: stay who we are; then gid and groups mean nothing
    gid: int = -1
    groups: tuple[int, ...] = ()  # all the supplementary groups
    umask: int = 0o022
    limits: tuple[tuple[int, int, int], ...] = ()  # (RLIMIT_*, soft, hard), set before the user is
    oom_score_adj: int | None = None
    no_new_privileges: bool = False
    cgroup_fd: int = -1  # a directory of cgroup v2
    v1_procs: tuple[str, ...] = ()  # cgroup.procs files of cgroup v1
    nice: int | None = None
    ionice: int | None = None  # as ioprio_set(2) takes it
    cpus: frozenset[int] = frozenset()  # processors to run on; empty: any
    cap_drop: int = 0  # capabilities, by bit: out of the bounding set
    cap_add: int = 0  # kept over the change of user and every exec; no part of cap_drop


class SpawnFailure(msgspec.Struct, frozen=True):
    """There is no child. `stage` is one of spawn_python.STAGES."""

    stage: str
    errno: int
    subject: str = ""  # what the stage was about: the program, the directory, the limit …

    @property
    def text(self) -> str:
        """For people: 'exec: No such file or directory: /x/y'."""
        words = f"{self.stage}: {os.strerror(self.errno)}"
        return f"{words}: {self.subject}" if self.subject else words


class Born(msgspec.Struct, frozen=True):
    """The child's program runs. Whoever gets this owns both: reap the one, close the other."""

    pid: int
    pidfd: int


Implementation = Callable[
    [
        tuple[bytes, ...],
        tuple[bytes, ...],
        tuple[bytes, ...],
        bytes,
        tuple[tuple[int, int], ...],
        int,
        int,
        tuple[int, ...],
        int,
        tuple[tuple[int, int, int], ...],
        bytes | None,
        bool,
        int,
        tuple[bytes, ...],
        tuple[int, int],
        bytes,
        int,
        int,
        int,
    ],
    "tuple[int, int, str | None, int, int]",
]


def _spawn_in_python(*arguments: Any) -> Any:
    """Imported only where it is needed: it brings ctypes along, more than a megabyte."""
    from amonsup.supervisor.adapters import spawn_python

    return spawn_python.spawn(*arguments)


IMPLEMENTATIONS: dict[str, Implementation] = {"python": _spawn_in_python}
if _has_c:
    IMPLEMENTATIONS["c"] = _spawner.spawn

KIND: str = "c" if _has_c else "python"

if not _has_c:
    from amonsup.supervisor.adapters import spawn_python  # noqa: F401 - not at a moment when memory may be short


def _would_be_traceable() -> bool:
    try:
        with open("/proc/sys/fs/suid_dumpable", "rb") as setting:
            return setting.read().strip() == b"1"
    except OSError:
        return False  # no /proc, and so nobody who could have changed it


class Readied(msgspec.Struct, frozen=True):
    """A birth, checked and put into the form that the implementations take: all that can be done beforehand."""

    birth: Birth
    paths: tuple[str, ...]
    descriptors: tuple[tuple[int, int], ...]
    arguments: tuple[Any, ...]
    kind: str


def spawn(birth: Birth) -> Born | SpawnFailure:
    """Start one child, in C where that is possible."""
    return spawn_readied(ready(birth))


def spawn_by(kind: str, birth: Birth) -> Born | SpawnFailure:
    """Start one child by a certain implementation (for tests and measurements)."""
    return spawn_readied(ready(birth, kind))


def ready(birth: Birth, kind: str = "") -> Readied:
    """Do beforehand what costs time when it matters. Descriptors must stay open until the birth."""
    if not kind:
        kind = "python" if birth.uid >= 0 and _would_be_traceable() else KIND
    if not birth.argv:
        raise ValueError("a child needs an argv[0]")
    descriptors = _descriptors(birth)
    _check_ids(birth)
    path = next((value for name, value in birth.environment if name == "PATH"), None)
    paths = candidates(birth.argv[0], path)
    working_dir = birth.working_dir or "/"
    arguments = (
        _encode(paths),
        _encode(birth.argv),
        _encode(tuple([f"{name}={value}" for name, value in birth.environment])),
        _encode((working_dir,))[0],
        descriptors,
        birth.uid,
        birth.gid,
        birth.groups,
        birth.umask,
        birth.limits,
        None if birth.oom_score_adj is None else b"%d" % birth.oom_score_adj,
        birth.no_new_privileges,
        birth.cgroup_fd,
        _encode(birth.v1_procs),
        (LEAVE if birth.nice is None else birth.nice, LEAVE if birth.ionice is None else birth.ionice),
        _mask(birth.cpus),
        birth.cap_drop,
        0 if _becomes_root(birth) else birth.cap_add,
        int(DEADLINE_S * 1000),
    )
    return Readied(birth, paths, descriptors, arguments, kind)


def spawn_readied(readied: Readied, *, is_thawed: bool = False) -> Born | SpawnFailure:
    """Start the child. `is_thawed`: the caller has just seen that its cgroup is not frozen."""
    birth = readied.birth
    if not is_thawed and birth.cgroup_fd >= 0 and _is_frozen(birth.cgroup_fd):
        return SpawnFailure("cgroup", errno.EBUSY, "frozen")
    pid, pidfd, stage, number, which = IMPLEMENTATIONS[readied.kind](*readied.arguments)
    if stage is None:
        return Born(pid, pidfd)
    return SpawnFailure(stage, number, _subject(birth, readied.paths, readied.descriptors, stage, number, which))


def candidates(argv0: str, path: str | None) -> tuple[str, ...]:
    """The paths that execvp(3) would try. `path` is the *child's* PATH, None if it has none."""
    if not argv0:
        return ()
    if "/" in argv0:
        return (argv0,)
    places = (_DEFAULT_PATH if path is None else path).split(":")
    # An empty place is the working directory, as POSIX has it.
    return tuple([f"{place}/{argv0}" if place else argv0 for place in places])


def _descriptors(birth: Birth) -> tuple[tuple[int, int], ...]:
    standard = ((birth.stdin_fd, 0), (birth.stdout_fd, 1), (birth.stderr_fd, 2))
    if not birth.inherited:
        return standard
    more = tuple(sorted(birth.inherited, key=lambda pair: pair[1]))
    numbers = [theirs for _, theirs in more]
    if numbers[0] < 3 or len(set(numbers)) < len(numbers):
        raise ValueError(f"the child's numbers must be different and at least 3: {numbers}")
    return standard + more


def _check_ids(birth: Birth) -> None:
    for number in (birth.uid, birth.gid, *birth.groups):
        if not -1 <= number < _NOBODY_ID:
            raise ValueError(f"not a user or group id: {number}")
    if birth.uid >= 0 and (birth.gid < 0 or -1 in birth.groups):
        raise ValueError("a child with a user needs a group")  # or it would keep ours


def _becomes_root(birth: Birth) -> bool:
    """Then the bounding set is what it gets (capabilities(7)), and nothing can be added to that."""
    return birth.uid == 0 or (birth.uid < 0 and os.geteuid() == 0)


def _mask(cpus: frozenset[int]) -> bytes:
    """As sched_setaffinity(2) takes it: words of the machine, the first processor in the lowest bit."""
    if not cpus:
        return b""
    if min(cpus) < 0 or max(cpus) >= MAX_CPUS:
        raise ValueError(f"not processors: {sorted(cpus)[-1]}")
    return sum(1 << cpu for cpu in cpus).to_bytes(max(cpus) // 64 * 8 + 8, "little")


def _encode(words: tuple[str, ...]) -> tuple[bytes, ...]:
    # By way of a list: a tuple whose length is not known beforehand takes another block than the one it gives back.
    encoded = tuple([os.fsencode(word) for word in words])
    for word in encoded:
        if b"\0" in word:
            raise ValueError(f"a NUL in {word!r}")
    return encoded


def _is_frozen(cgroup_fd: int) -> bool:
    try:
        fd = os.open("cgroup.events", os.O_RDONLY | os.O_CLOEXEC, dir_fd=cgroup_fd)
    except OSError:
        return False  # not a cgroup, or gone: the implementation will name it
    try:
        return b"frozen 1" in os.read(fd, 4096)  # counts frozen ancestors; cgroup.freeze does not
    except OSError:
        return False
    finally:
        os.close(fd)


def _subject(
    birth: Birth,
    paths: tuple[str, ...],
    descriptors: tuple[tuple[int, int], ...],
    stage: str,
    number: int,
    which: int,
) -> str:
    match stage:
        case "exec":
            # One that was found and refused is named; after a search in vain, what was searched for.
            is_found = number not in (errno.ENOENT, errno.ENOTDIR)
            return paths[which] if which >= 0 and is_found else birth.argv[0]
        case "working_dir":
            return birth.working_dir or "/"
        case "limits" if which >= 0:
            return _LIMIT_NAMES.get(birth.limits[which][0], str(birth.limits[which][0]))
        case "descriptors" if which >= 0:
            return f"{descriptors[which][0]} as {descriptors[which][1]}"
        case "cgroup" if which >= 0:
            return birth.v1_procs[which]
        case "oom_score_adj":
            return str(birth.oom_score_adj)
        case "nice":
            return str(birth.nice)
        case "ionice":
            return f"class {(birth.ionice or 0) >> 13}"
        case "cpuset":
            return ",".join(map(str, sorted(birth.cpus)))
        case "capabilities" if which >= 0:
            from amonsup.config.capabilities import NAMES  # rarely needed

            return NAMES[which] if which < len(NAMES) else str(which)
        case "groups":
            return " ".join(map(str, birth.groups))
        case "gid":
            return str(birth.gid)
        case "uid":
            return str(birth.uid)
        case _:
            return ""


_LIMIT_NAMES = {
    getattr(resource, name): name
    for name in sorted(dir(resource), reverse=True)  # OFILE is NOFILE; the last one wins
    if name.startswith("RLIMIT_")
}
