"""What a spec asks the kernel for at a birth, as the kernel's numbers: limits, priorities, processors, capabilities.

Everything here is worked out when a life is made ready, never while a crashed service waits for its successor.
"""

from __future__ import annotations

import resource
from typing import Any

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.adapters import procfs

RLIMITS = {
    "as": 9,
    "core": 4,
    "cpu": 0,
    "data": 2,
    "fsize": 1,
    "locks": 10,
    "memlock": 8,
    "msgqueue": 12,
    "nice": 13,
    "nofile": 7,
    "nproc": 6,
    "rss": 5,
    "rtprio": 14,
    "rttime": 15,
    "sigpending": 11,
    "stack": 3,
}
"""asm-generic/resource.h; x86-64 and aarch64 have no numbers of their own, and the resource module lacks some names."""

_IO_CLASSES = {"realtime": 1, "best-effort": 2, "idle": 3}
_IO_LEVEL = 4  # ioprio_set(2), 'the default'


def of(spec: ServiceSpec) -> dict[str, Any]:
    """The fields of a Birth that conf.d may set and that most services leave alone; empty for those."""
    found: dict[str, Any] = {}
    if spec.nice is not None:
        found["nice"] = spec.nice
    if spec.ionice:
        found["ionice"] = io_priority(spec.ionice)
    if spec.cap_drop or spec.cap_add:
        found["cap_drop"], found["cap_add"] = _capabilities(spec)
    if spec.umask is not None:
        found["umask"] = spec.umask
    if spec.oom_score_adj is not None:
        found["oom_score_adj"] = spec.oom_score_adj
    return found


def limits(spec: ServiceSpec, nofile: tuple[int, int]) -> tuple[tuple[int, int, int], ...]:
    """(RLIMIT_*, soft, hard): those of the spec, and the number of open files that we were started with."""
    found = tuple((RLIMITS[name], soft, hard) for name, soft, hard in spec.ulimits)
    if any(number == resource.RLIMIT_NOFILE for number, _, _ in found):
        return found
    return ((resource.RLIMIT_NOFILE, *nofile), *found)


def io_priority(text: str) -> int:
    """`idle`, `best-effort:7` … as ioprio_set(2) takes it."""
    kind, _, level = text.partition(":")
    data = 0 if kind == "idle" else int(level or _IO_LEVEL)
    return _IO_CLASSES[kind] << 13 | data


def processors(text: str) -> frozenset[int]:
    """`0-3,6` as numbers."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _capabilities(spec: ServiceSpec) -> tuple[int, int]:
    from amonsup.config.capabilities import dropped_and_added  # few services say anything about them

    return dropped_and_added(spec.cap_drop, spec.cap_add, permitted())


def permitted() -> int:
    """The capabilities that we have ourselves (proc_pid_status(5), CapPrm)."""
    for line in procfs.read("/proc/self/status").splitlines():
        if line.startswith(b"CapPrm:"):
            return int(line.split()[1], 16)
    return 0
