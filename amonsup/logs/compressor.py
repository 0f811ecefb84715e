"""The compressor: a process for one file, from descriptor 0 to descriptor 1 (RFC 1952), at the lowest priority.

It only writes a file that nobody knows yet, and it ends when the logger that waits for it is gone. Exit status: 0, or
the number of the error.
"""

from __future__ import annotations

import os

from amonsup.logbook.gz import packed

SOURCE, TARGET = 0, 1
PIECE = 256 * 1024
IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
IDLE_CLASS = 3 << 13  # ioprio_set(2), linux/ioprio.h


def main() -> int:
    step_back()
    try:
        return compress(os.getppid())
    except OSError as error:
        return error.errno or 1


def compress(parent: int) -> int:
    """From SOURCE to TARGET, as long as `parent` is our parent."""
    for raw in packed(iter(lambda: os.read(SOURCE, PIECE), b""), os.fstat(SOURCE).st_size):
        write_all(raw)
        if os.getppid() != parent:
            return 1
    os.fsync(TARGET)  # the plain file is removed next
    return 0


def write_all(content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(TARGET, left) :]


def step_back() -> None:
    """Processor and disk only when nobody else wants them."""
    os.nice(19)
    number = IOPRIO_SET.get(os.uname().machine)
    if number is None:
        return
    import ctypes  # this process is not there long enough for the megabyte to matter

    ctypes.CDLL(None).syscall(number, 1, 0, IDLE_CLASS)
