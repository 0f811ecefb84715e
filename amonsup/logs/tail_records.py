"""What is on record of the files that services write by themselves: a ledger for each inode, and a marker a service.

Files in log_dir/.watch: SERVICE.file-DEV-INO.ledger (ledger.py), and SERVICE.files once its files were looked for.
"""

from __future__ import annotations

import contextlib
import os

from amonsup.logs import ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_STALE = 8
MOST_WANTED = 200
SUFFIX = ".ledger"


class Records:
    """`directory` is made when it is needed."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def has(self, log: str) -> bool:
        return os.path.exists(self._path(log))

    def open(self, log: str) -> int:
        """A descriptor of the log's ledger, which is made if there is none. Raises OSError."""
        self._make_directory()
        return os.open(self._path(log), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def drop(self, log: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path(log))

    def is_marked(self, service: str) -> bool:
        """Whether its files were looked for before."""
        return os.path.exists(self._marker(service))

    def mark(self, service: str) -> None:
        with contextlib.suppress(OSError):
            self._make_directory()
            os.close(os.open(self._marker(service), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def unmark(self, service: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._marker(service))

    def inodes(self, service: str) -> list[tuple[int, int]]:
        """(device, inode) of what a predecessor followed, copies of heads included."""
        found = []
        for name in self._ledgers(service):
            with contextlib.suppress(OSError):
                fd = os.open(os.path.join(self._directory, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                record = ledger.load(fd)
                os.close(fd)
                if record is not None:
                    found.append((record["dev"], record["ino"]))
                    found += [(record["dev"], inode) for inode, _, _ in record["earlier"]]
        return found[:MOST_WANTED]

    def drop_stale(self, service: str, logs: Iterable[str]) -> None:
        """Those of files that cannot be found (not `logs`); some are kept, they may come back with their directory."""
        known = {log + SUFFIX for log in logs}
        paths = [os.path.join(self._directory, name) for name in self._ledgers(service) if name not in known]
        if len(paths) <= MOST_STALE:
            return
        with contextlib.suppress(OSError):
            for path in sorted(paths, key=os.path.getmtime)[:-MOST_STALE]:
                os.unlink(path)
                os.unlink(path.removesuffix(SUFFIX))

    def _path(self, log: str) -> str:
        return os.path.join(self._directory, log + SUFFIX)

    def _marker(self, service: str) -> str:
        return os.path.join(self._directory, f"{service}.files")

    def _make_directory(self) -> None:
        os.makedirs(self._directory, 0o700, exist_ok=True)

    def _ledgers(self, service: str) -> list[str]:
        try:
            names = os.listdir(self._directory)
        except OSError:
            return []
        return [name for name in names if name.startswith(f"{service}.file-") and name.endswith(SUFFIX)]
