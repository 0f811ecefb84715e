"""Names of log files: SERVICE.log, SERVICE.err.log, and SERVICE.log.1, SERVICE.log.2.gz … that were rotated away.

A service's name has no dot in it, so no two logs can share a name. `log` everywhere means the name of the current
file, which is the name of the log: `ce.log`.
"""

from __future__ import annotations

import os

INDEX_DIR = ".index"
SPOOL_DIR = ".spool"
PACKED = ".gz"


def log_name(service: str, *, is_stderr: bool = False) -> str:
    """`ce.log`, or `ce.err.log` where stderr is kept separately."""
    return f"{service}.err.log" if is_stderr else f"{service}.log"


def service_of(log: str) -> str:
    """Whose log it is."""
    return log.partition(".")[0]


def rotated_name(log: str, number: int, *, is_packed: bool) -> str:
    """`ce.log.3` or `ce.log.3.gz`; number 0 is the current file."""
    if number == 0:
        return log
    return f"{log}.{number}{PACKED if is_packed else ''}"


def parse(log: str, entry: str) -> tuple[int, bool] | None:
    """(number, is_packed) of a file of this log; None for any other name."""
    if entry == log:
        return 0, False
    if not entry.startswith(log + "."):
        return None
    tail = entry[len(log) + 1 :]
    is_packed = tail.endswith(PACKED)
    digits = tail.removesuffix(PACKED)
    if not (digits.isascii() and digits.isdigit()) or digits.startswith("0") or len(digits) > 6:
        return None
    return int(digits), is_packed


def index_path(log_dir: str, log: str) -> str:
    return os.path.join(log_dir, INDEX_DIR, log)


def spool_path(log_dir: str, log: str) -> str:
    return os.path.join(log_dir, SPOOL_DIR, log)
