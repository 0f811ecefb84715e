"""prctl(2): out of the compiled spawner where it is, otherwise by ctypes, which costs a megabyte."""

from __future__ import annotations

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36


def set_child_subreaper() -> None:
    """Orphans below us become our children; kept over exec, not over fork. Raises OSError."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def forbid_dumps() -> None:
    """No core file, and nobody of our own user may look into us or trace us (ptrace(2)); until exec. Raises OSError."""
    _prctl(PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    try:
        from amonsup.supervisor.adapters import _spawner
    except ImportError:
        _prctl_by_ctypes(option, value)
    else:
        _spawner.prctl(option, value)


def _prctl_by_ctypes(option: int, value: int) -> None:
    import ctypes
    import os

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
