"""The journal of events that `amonsup events` shows: JSON lines in state_dir, bounded, kept over restarts.

Two files of at most HALF bytes: the current one and the one before it. A full disk stops the chronicle, never a
service; how many entries were lost is written as soon as writing works again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import msgspec

from amonsup.verbs.results import Happening

HALF = 2 * 1024 * 1024
_ENCODER = msgspec.json.Encoder()


class Chronicle:
    """Appends happenings; `error` is empty or says why the last one could not be written."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "events.jsonl")
        self.error = ""
        self._lost = 0
        self._fd = -1
        self._size = 0
        self.sequence = self._last_sequence()

    def append(self, happenings: list[Happening]) -> None:
        if self._lost:
            first = happenings[0]
            gap = Happening(first.seq - 1, first.at, "lost", "", f"{self._lost} entries before this one ({self.error})")
            entries = [gap, *happenings]
        else:
            entries = happenings
        raw = _ENCODER.encode_lines(entries)
        try:
            self._open()
            written = os.write(self._fd, raw)
            if written < len(raw):
                os.ftruncate(self._fd, self._size)
                raise OSError(28, "No space left on device")
        except OSError as error:
            self.error = f"{self.path}: {error.strerror}"
            self._lost += len(happenings)
            return
        self._size += written
        self.error = ""
        self._lost = 0
        if self._size > HALF:
            self._turn_over()

    @property
    def lost(self) -> int:
        """Entries that could not be written since the last one that could."""
        return self._lost

    def read(self) -> Iterator[bytes]:
        """All lines, oldest first. Lines that are no entries (a torn tail) are left out."""
        for path in (self.path + ".1", self.path):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                for line in file:
                    if line.startswith(b"{") and line.endswith(b"}\n"):
                        yield line

    def _open(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                if os.fstat(self._fd).st_nlink > 0:
                    return
            os.close(self._fd)
            self._fd = -1
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        self._size = os.fstat(self._fd).st_size
        if self._size and not self._ends_whole():
            self._size += os.write(self._fd, b"\n")  # a torn tail must not take the next entry with it

    def _ends_whole(self) -> bool:
        with open(self.path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _turn_over(self) -> None:
        with contextlib.suppress(OSError):
            os.rename(self.path, self.path + ".1")
        os.close(self._fd)
        self._fd, self._size = -1, 0

    def _last_sequence(self) -> int:
        for path in (self.path, self.path + ".1"):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                file.seek(max(0, os.path.getsize(path) - 65536))
                for line in reversed(file.read().splitlines()):
                    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                        return msgspec.json.decode(line, type=Happening).seq
        return 0
