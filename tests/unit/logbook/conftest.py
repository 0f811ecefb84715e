"""A log directory as the logger leaves it, written by hand: every step and every moment is the test's own."""

from __future__ import annotations

import datetime
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from amonsup.logbook import index
from amonsup.logbook.pieces import Item, Note, Piece
from amonsup.logbook.reading import Captured, Query, Reading

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)


class Book:
    """Logs of one directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends: dict[str, int] = {}
        self.now = 0.0
        (path / ".index").mkdir()

    def mark(self, log: str, kind: bytes, at: float, *, generation: int = 0, mark: int = 0) -> None:
        with open(self.path / ".index" / log, "ab") as file:
            file.write(index.encode(kind, self.ends.get(log, 0), at, generation=generation, mark=mark))

    def write(self, log: str, data: bytes, at: float = 1000.0, life: int = 0) -> None:
        """Append; begins the first segment, and a life if one is given."""
        self.now = at
        path = self.path / log
        if not path.exists():
            path.touch()
            self.mark(log, index.SEGMENT, at, mark=path.stat().st_ino)
        self.mark(log, index.LIFE, at, generation=life, mark=life) if life else self.mark(log, index.TIME, at)
        with open(path, "ab") as file:
            file.write(data)
        self.ends[log] = self.ends.get(log, 0) + len(data)

    def rotate(self, log: str, *, packs: bool = True) -> None:
        """As the logger: .1 stays plain, older ones are packed."""
        number = 1
        while list(self.path.glob(f"{log}.{number}*")):
            number += 1
        for each in range(number - 1, 0, -1):
            for suffix in ("", ".gz"):
                path = self.path / f"{log}.{each}{suffix}"
                if path.exists():
                    path.rename(self.path / f"{log}.{each + 1}{suffix}")
        (self.path / log).rename(self.path / f"{log}.1")
        (self.path / log).touch()
        self.mark(log, index.SEGMENT, self.now + 50, mark=(self.path / log).stat().st_ino)
        plain = self.path / f"{log}.2"
        if packs and plain.exists():
            self.pack(plain)

    def pack(self, plain: Path) -> None:
        with gzip.open(f"{plain}.gz", "wb") as file:
            file.write(plain.read_bytes())
        os.unlink(plain)

    def reading(self, *services: str, **asked: object) -> Reading:
        return Reading(Captured(str(self.path)), Query(services=services, **asked), NOW)  # type: ignore[arg-type]

    def items(self, *services: str, wait: Callable[[int], bool] | None = None, **asked: object) -> list[Item]:
        reading = self.reading(*services, **asked)
        try:
            return list(reading.items(wait, lambda: self.now))
        finally:
            reading.close()

    def read(self, *services: str, wait: Callable[[int], bool] | None = None, **asked: object) -> bytes:
        """The bytes of all lines, as they come."""
        return b"".join(item.data for item in self.items(*services, wait=wait, **asked) if isinstance(item, Piece))

    def notes(self, *services: str, **asked: object) -> list[str]:
        return [item.text for item in self.items(*services, **asked) if isinstance(item, Note)]


@pytest.fixture
def new_book(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Book]:
    return lambda: Book(tmp_path_factory.mktemp("log"))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    path = tmp_path / "log"
    path.mkdir()
    return Book(path)
