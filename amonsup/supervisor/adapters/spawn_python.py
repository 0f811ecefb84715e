"""The spawner where no C is: os.fork, the same steps in the same order, the same answers.

It exists for machines without a compiler, architectures that spawner.c does not know, kernels or containers
that refuse clone3, and as the readable statement of what spawner.c does; the contract suite holds the two
together. What it cannot do is be born in the cgroup: the child moves itself before anything else, so that
nothing of it, no descendant above all, is ever outside; but that costs up to 20 ms (facts.md), and a full
`pids.max` does not stop it.

What the child has to tell, it writes into one page that parent and child share: the stage it is in and, if
that failed, errno. A pipe says only *when*: its end is close-on-exec, so end-of-file means 'exec'ed, failed
or dead'. Were the answer in the pipe, a child killed at the wrong moment could leave half of one, and nobody
would know the stage in which a child that hangs is hanging.

Everything that needs an import, an allocation of some size or a symbol of libc is prepared before the fork.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import select
import signal
import struct
from collections.abc import Callable

Outcome = tuple[int, int, str | None, int, int]
"""pid, pidfd, and if there is none: stage, errno, which of the stage's many (or -1)."""

STAGES = (
    "clone",
    "cgroup",
    "session",
    "descriptors",
    "oom_score_adj",
    "nice",
    "ionice",
    "cpuset",
    "limits",
    "capabilities",
    "groups",
    "gid",
    "uid",
    "umask",
    "working_dir",
    "no_new_privs",
    "exec",
)
"""In the order in which they are passed; `cgroup` twice: v2 at once, v1 after the descriptors; `capabilities` too:
what is dropped before the user is, what is added after it."""

_CLONE, _CGROUP, _SESSION, _DESCRIPTORS, _OOM, _NICE, _IONICE, _CPUSET, _LIMITS, _CAPABILITIES = range(10)
_GROUPS, _GID, _UID, _UMASK, _DIR, _NNP, _EXEC = range(10, 17)

LEAVE = -100
"""No nice, no ionice: as ours are."""

_PR_SET_KEEPCAPS, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 8, 23, 24, 38  # <linux/prctl.h>
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAPABILITY_VERSION_3 = 0x20080522  # capget(2)
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}.get(os.uname().machine, -1)  # ioprio_set(2)
_CLOSE_RANGE = 436  # the system call's number, the same wherever Linux runs but on alpha
_CGROUP2_MAGIC = 0x63677270  # statfs(2)
_LOOK_ON = frozenset({errno.ENOENT, errno.ESTALE, errno.ENOTDIR, errno.ENODEV, errno.ETIMEDOUT})  # execvp(3)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.execve.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
_libc.capget.argtypes = _libc.capset.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
_libc.fstatfs.argtypes = [ctypes.c_int, ctypes.c_void_p]
_libc.syscall.argtypes = [ctypes.c_long, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint]

_page = mmap.mmap(-1, mmap.PAGESIZE)  # shared with every child; one child at a time is before its exec
_REPORT = struct.Struct("iii")  # stage, errno, which
_RESETTABLE = tuple(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))

# The C library keeps two real-time signals to itself and hides them from everybody, but who started us may have left
# them ignored (posix_spawn of some versions does), and an ignored signal stays ignored over exec.
_HIDDEN = (32, 33)
_SIGACTION = {"x86_64": 13, "aarch64": 134}.get(os.uname().machine, -1)  # rt_sigaction(2)
_DEFAULT_ACTION = bytes(64)  # SIG_DFL, no flags, empty mask
_raw_call = ctypes.CFUNCTYPE(
    ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_long
)(("syscall", _libc))


def spawn(
    paths: tuple[bytes, ...],
    argv: tuple[bytes, ...],
    environment: tuple[bytes, ...],
    working_dir: bytes,
    descriptors: tuple[tuple[int, int], ...],
    uid: int,
    gid: int,
    groups: tuple[int, ...],
    umask: int,
    limits: tuple[tuple[int, int, int], ...],
    oom_score_adj: bytes | None,
    no_new_privileges: bool,
    cgroup_fd: int,
    v1_procs: tuple[bytes, ...],
    nice_and_ionice: tuple[int, int],
    cpus: bytes,
    dropped: int,
    added: int,
    deadline_ms: int,
    /,
) -> Outcome:
    """One child. `descriptors` are (ours, the child's), ascending by the latter, 0, 1 and 2 in front."""

    def arrange() -> None:
        if cgroup_fd >= 0:
            _at(_CGROUP)
            _enter_cgroup(cgroup_fd)
        _at(_SESSION)
        for signal_number in _RESETTABLE:
            signal.signal(signal_number, signal.SIG_DFL)
        for signal_number in _HIDDEN:
            _raw_call(_SIGACTION, signal_number, _DEFAULT_ACTION, None, 8)
        os.setsid()
        os.close(read_end)  # or a bad number of the caller's could be one of these
        os.close(slot)
        _place_descriptors(descriptors, write_end)  # before the limits: their RLIMIT_NOFILE is not for this
        for which, path in enumerate(v1_procs):
            _at(_CGROUP, which)
            _write_file(path, b"0")
        if oom_score_adj is not None:
            _at(_OOM)
            _write_file(b"/proc/self/oom_score_adj", oom_score_adj)
        if nice != LEAVE:
            _at(_NICE)
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        if ionice != LEAVE:
            _at(_IONICE)
            _checked(_libc.syscall(_IOPRIO_SET, 1, 0, ionice))  # IOPRIO_WHO_PROCESS
        if cpus:
            _at(_CPUSET)
            os.sched_setaffinity(0, affinity)
        for which, (number, soft, hard) in enumerate(limits):
            _at(_LIMITS, which)
            try:
                resource.prlimit(0, number, (soft, hard))  # setrlimit() would hide the errno in a ValueError
            except ValueError:
                raise OSError(errno.EINVAL, "limit") from None
        if dropped | added:
            _drop_capabilities(dropped, added)
        if uid >= 0:
            _at(_GROUPS)
            os.setgroups(groups)
            _at(_GID)
            os.setgid(gid)
            _at(_UID)
            os.setuid(uid)
        if dropped | added:
            _add_capabilities(dropped, added)
        _at(_UMASK)
        os.umask(umask)
        _at(_DIR)
        os.chdir(working_dir)
        if no_new_privileges:
            _at(_NNP)
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _at(_EXEC)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _become(paths, c_argv, c_environment)

    nice, ionice = nice_and_ionice
    affinity = {bit for bit in range(8 * len(cpus)) if cpus[bit // 8] >> bit % 8 & 1}
    c_argv, c_environment = _array(argv), _array(environment)
    opened: list[int] = []
    try:
        opened += os.pipe2(os.O_CLOEXEC)
        # The slot for the pidfd is taken before there is a child: one who has exec'ed cannot be unborn.
        opened.append(fcntl.fcntl(opened[0], fcntl.F_DUPFD_CLOEXEC, 0))
    except OSError as error:
        for fd in opened:
            os.close(fd)
        return _failed(_CLONE, error.errno)
    read_end, write_end, slot = opened
    _at(_CLONE)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        try:
            pid = os.fork()
        except OSError as error:
            os.close(slot)
            os.close(write_end)
            return _failed(_CLONE, error.errno)
        if pid == 0:
            _run_and_die(arrange)
        os.close(slot)
        os.close(write_end)
        return _outcome(pid, read_end, deadline_ms)
    finally:
        os.close(read_end)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outcome(pid: int, read_end: int, deadline_ms: int) -> Outcome:
    """The parent's half: wait until the child has exec'ed, failed or died, but not for ever."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:  # ENFILE, ENOMEM, a filter
        os.kill(pid, signal.SIGKILL)
        _reap(pid)
        return _failed(_CLONE, error.errno)
    waiter = select.poll()
    waiter.register(read_end, 0)  # POLLHUP is always reported
    is_late = not waiter.poll(deadline_ms)
    if is_late:
        os.kill(pid, signal.SIGKILL)  # our child and not reaped: the number is still its own
    stage, number, which = _REPORT.unpack_from(_page)
    if is_late and not number:
        number = errno.ETIMEDOUT
    if number:
        _reap(pid)
        os.close(pidfd)
        return _failed(stage, number, which)
    return pid, pidfd, None, 0, -1


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # SIGCHLD is ignored: the kernel has reaped it


def _failed(stage: int, number: int | None, which: int = -1) -> Outcome:
    return -1, -1, STAGES[stage], number or errno.EINVAL, which


def _array(words: tuple[bytes, ...]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


# ------------------------------------------------------------------ in the child


def _run_and_die(arrange: Callable[[], None]) -> None:
    number = errno.EINVAL
    try:
        arrange()
    except OSError as error:
        number = error.errno or errno.EINVAL
    except MemoryError:
        number = errno.ENOMEM
    finally:
        # Whatever it was, a copy of the supervisor must not go on from here.
        stage, _, which = _REPORT.unpack_from(_page)
        _REPORT.pack_into(_page, 0, stage, number, which)
        os._exit(127)


def _at(stage: int, which: int = -1) -> None:
    _REPORT.pack_into(_page, 0, stage, 0, which)


def _write_file(path: bytes, text: bytes, dir_fd: int | None = None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    os.write(fd, text)
    os.close(fd)


def _enter_cgroup(cgroup_fd: int) -> None:
    # CLONE_INTO_CGROUP answers EBADF to whatever is not a directory of cgroup v2; opening a file there would
    # say ENOTDIR or ENOENT, and ENOENT is the answer for a cgroup that has been removed.
    filesystem = (ctypes.c_long * 32)()
    if _libc.fstatfs(cgroup_fd, filesystem) < 0 or filesystem[0] != _CGROUP2_MAGIC:
        raise OSError(errno.EBADF, "cgroup")
    _write_file(b"cgroup.procs", b"0", cgroup_fd)


def _place_descriptors(descriptors: tuple[tuple[int, int], ...], write_end: int) -> None:
    """Check, lift all sources (and the pipe) above the targets, place, close the gaps; why: see spawner.c."""
    above = descriptors[-1][1] + 1
    sources = []
    for which, (ours, _) in enumerate(descriptors):
        _at(_DESCRIPTORS, which)
        if ours < 0 or ours == write_end:  # the latter was free until we made our pipe
            raise OSError(errno.EBADF, "descriptor")
        fcntl.fcntl(ours, fcntl.F_GETFD)
    for which, (ours, _) in enumerate(descriptors):
        _at(_DESCRIPTORS, which)
        sources.append(fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, above) if ours < above else ours)
    if write_end < above:
        write_end = fcntl.fcntl(write_end, fcntl.F_DUPFD_CLOEXEC, above)
    for which, (_, theirs) in enumerate(descriptors):
        _at(_DESCRIPTORS, which)
        os.dup2(sources[which], theirs)
    _at(_DESCRIPTORS)
    last = -1
    for fd in (*(theirs for _, theirs in descriptors), write_end):
        if fd > last + 1:
            _close_range(last + 1, fd - 1)
        last = fd
    _close_range(last + 1, 0xFFFFFFFF)


def _drop_capabilities(dropped: int, added: int) -> None:
    """What lies behind these two: see spawner.c."""
    for which in range(64):
        if dropped >> which & 1:
            _at(_CAPABILITIES, which)
            if _libc.prctl(_PR_CAPBSET_READ, which, 0, 0, 0) == 1:
                _prctl(_PR_CAPBSET_DROP, which)
    _at(_CAPABILITIES)
    if added:
        _prctl(_PR_SET_KEEPCAPS, 1)


def _add_capabilities(dropped: int, added: int) -> None:
    _at(_CAPABILITIES)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: the lower halves, then the upper ones
    _checked(_libc.capget(header, data))
    for half in range(2):
        mine = added >> 32 * half & 0xFFFFFFFF
        if added:
            missing = mine & ~data[3 * half + 1]
            if missing:
                _at(_CAPABILITIES, 32 * half + (missing & -missing).bit_length() - 1)
                raise OSError(errno.EPERM, "capability")
            data[3 * half : 3 * half + 3] = [mine] * 3
        else:
            data[3 * half + 2] &= ~(dropped >> 32 * half) & 0xFFFFFFFF
    _checked(_libc.capset(header, data))
    for which in range(64):
        if added >> which & 1:
            _at(_CAPABILITIES, which)
            _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, which)


def _prctl(option: int, second: int, third: int = 0) -> None:
    _checked(_libc.prctl(option, second, third, 0, 0))


def _checked(answer: int) -> None:
    if answer < 0:
        raise OSError(ctypes.get_errno(), "system call")


def _close_range(first: int, last: int) -> None:
    if _libc.syscall(_CLOSE_RANGE, first, last, 0) == 0:
        return
    # A container whose filter predates close_range. (os.closerange would then try every number there is.)
    for name in os.listdir("/proc/self/fd"):
        if first <= int(name) <= last:
            try:
                os.close(int(name))
            except OSError:
                pass  # the listing's own descriptor


def _become(
    paths: tuple[bytes, ...],
    argv: ctypes.Array[ctypes.c_char_p],
    environment: ctypes.Array[ctypes.c_char_p],
) -> None:
    # execvp(3) over the candidates. By ctypes: os.execve takes a mapping, so it would fold two variables of
    # one name into one and refuse names that the kernel takes.
    number, denied = errno.ENOENT, -1
    for which, path in enumerate(paths):
        _at(_EXEC, which)
        _libc.execve(path, argv, environment)
        number = ctypes.get_errno()
        if number == errno.EACCES:
            denied = which
        elif number not in _LOOK_ON:
            raise OSError(number, "exec")
    if denied >= 0:
        _at(_EXEC, denied)
        number = errno.EACCES
    raise OSError(number, "exec")
