"""Names of log files: SERVICE.log, SERVICE.err.log, and SERVICE.log.1, SERVICE.log.2.gz … that were rotated away.

A service's name has no dot in it, so no two logs can share a name. `log` everywhere means the name of the current
file, which is the name of the log: `ce.log`. A file that a service writes by itself is a log of the name
`ce/var/log/ce/ce.log`, behind which may stand from where its positions are counted: `#ANCHOR` (logs/own_tape.py).
"""

from __future__ import annotations

import os

INDEX_DIR = ".index"
SPOOL_DIR = ".spool"
PACKED = ".gz"
ANCHORED = "#"


def log_name(service: str, *, is_stderr: bool = False) -> str:
    """`ce.log`, or `ce.err.log` where stderr is kept separately."""
    return f"{service}.err.log" if is_stderr else f"{service}.log"


def service_of(log: str) -> str:
    """Whose log it is."""
    return log.partition("/")[0].partition(".")[0]


def own_log(service: str, path: str) -> str:
    """The log of a file that the service writes by itself. `path` is absolute."""
    return service + "".join(chr(c) if 32 < c < 127 and c not in b",%" else f"%{c:02X}" for c in os.fsencode(path))


def own_path(log: str) -> str:
    """The other way: as text to be shown. Empty for a captured log."""
    _, slash, path = log.rpartition(ANCHORED)[0].partition("/") if ANCHORED in log else log.partition("/")
    return slash + path


def without_anchor(log: str) -> str:
    """What is the same for all positions of one log."""
    return log.rpartition(ANCHORED)[0] if "/" in log and ANCHORED in log else log


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
