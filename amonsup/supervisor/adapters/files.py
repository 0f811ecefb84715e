"""Small state files, written atomically: a reader, or a successor, sees the old one or the new one, never a part."""

from __future__ import annotations

import os
import time


def write_atomically(path: str, content: bytes, mode: int = 0o600, *, is_durable: bool = True) -> None:
    """Write beside, flush to disk if `is_durable`, rename over. Raises OSError and leaves the old file untouched."""
    temporary = f"{path}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(fd, left) :]
        if is_durable:
            os.fsync(fd)
    except OSError:
        os.close(fd)
        os.unlink(temporary)
        raise
    os.close(fd)
    os.rename(temporary, path)


def read(path: str, limit: int = 64 * 1024 * 1024) -> bytes | None:
    """The content, or None if there is no such file. Raises OSError otherwise; never reads more than `limit`."""
    try:
        with open(path, "rb", buffering=0) as file:
            # Not `limit` itself: that much would be allocated first, and what malloc has once given back in such
            # a piece it keeps for itself from then on (mallopt(3), M_MMAP_THRESHOLD is dynamic).
            return file.read(min(limit, os.fstat(file.fileno()).st_size + 1))
    except FileNotFoundError:
        return None


def set_aside(path: str) -> str:
    """Rename a file that is not to be believed; returns where it is now."""
    target = f"{path}.bad-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    os.rename(path, target)
    return target


def ensure_directory(path: str, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Make the directory (parents 0755) with exactly this mode and owner. Raises OSError."""
    os.makedirs(path, exist_ok=True)
    status = os.stat(path)
    if uid >= 0 and (status.st_uid, status.st_gid) != (uid, gid if gid >= 0 else status.st_gid):
        os.chown(path, uid, gid)
    if status.st_mode & 0o7777 != mode:
        os.chmod(path, mode)
