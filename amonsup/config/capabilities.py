"""The capabilities of Linux by name (capabilities(7), linux/capability.h), and sets of them as bits.

The place in NAMES is the kernel's number.
"""

from __future__ import annotations

from collections.abc import Iterable

NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip

EVERY = (1 << 64) - 1
"""Also those that this version has no name for."""


def bits(names: Iterable[str]) -> int:
    """A set of names (CAP_…, or ALL) as bits. Raises ValueError for one that is none."""
    found = 0
    for name in names:
        found |= EVERY if name == "ALL" else 1 << NAMES.index(name)
    return found


def dropped_and_added(cap_drop: Iterable[str], cap_add: Iterable[str], permitted: int) -> tuple[int, int]:
    """What goes and what comes, in bits. An addition wins over a drop, as in Compose; `cap_add: [ALL]` is all that
    is `permitted`."""
    added = bits(cap_add)
    if added == EVERY:
        added = permitted
    return bits(cap_drop) & ~added, added
