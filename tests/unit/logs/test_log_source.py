"""A captured log read behind its writer: what stands across two files is given in one piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from amonsup.logbook import index
from amonsup.logs import log_source
from amonsup.logs.log_source import LogSource
from amonsup.logs.watching import Hit, Matcher, Rule


class Log:
    """`s.log` with its files, as the logger leaves them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        (path / ".index").mkdir()
        self.source = LogSource(str(path), "s.log")

    def begin(self, data: bytes) -> None:
        """A new current file; what was there moves up."""
        for number in sorted((int(old.suffix[1:]) for old in self.path.glob("s.log.[0-9]*")), reverse=True):
            (self.path / f"s.log.{number}").rename(self.path / f"s.log.{number + 1}")
        current = self.path / "s.log"
        if current.exists():
            current.rename(self.path / "s.log.1")
        current.write_bytes(data)
        with (self.path / ".index" / "s.log").open("ab") as file:
            file.write(index.encode(index.SEGMENT, self.size, 100.0, mark=current.stat().st_ino))
        self.size += len(data)

    def append(self, data: bytes) -> None:
        with (self.path / "s.log").open("ab") as file:
            file.write(data)
        self.size += len(data)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    one = Log(tmp_path)
    yield one
    one.source.close()


def test_a_line_longer_than_a_file(log: Log) -> None:
    for part in (b"one\nxxx", b"xxxxxxx", b"xxxxxxx", b"x bad\ntwo\n"):
        log.begin(part)
    matcher = Matcher([Rule("bad", "bad$")])
    at, chunk = log.source.read(0, 1000)
    assert (at, chunk) == (0, b"one\nxxx"), "whole lines are there to be judged"
    at, chunk = log.source.read(4, 1000)
    assert (at, chunk) == (4, b"x" * 18 + b" bad\ntwo\n")
    hit = matcher.judge(chunk, 0)
    assert isinstance(hit, Hit)
    assert hit.end == len(chunk) - len(b"two\n")


def test_no_more_than_was_asked_for(log: Log) -> None:
    for _ in range(3):
        log.begin(b"xxxxxxx")
    assert log.source.read(0, 16) == (0, b"x" * 16)
    assert log.source.read(16, 16) == (16, b"x" * 5)


def test_a_line_whose_end_comes_after_a_rotation(log: Log) -> None:
    log.begin(b"ba")
    assert log.source.read(0, 100) == (0, b"ba")
    log.begin(b"")
    assert log.source.read(0, 100) == (0, b"ba")
    log.append(b"d\n")
    assert log.source.read(0, 100) == (0, b"bad\n")


def test_a_line_whose_end_is_gone_holds_nothing_up(log: Log) -> None:
    log.begin(b"xxxx")
    log.begin(b"xxx\n")
    log.begin(b"bad\n")
    os.unlink(log.path / "s.log.1")
    assert log.source.read(0, 100) == (8, b"bad\n")


def test_whose_a_line_is(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an index that grows, of which nothing is read twice, and that may be written anew."""
    monkeypatch.setattr(log_source, "AT_ONCE", 4 * index.SIZE)
    path = log.path / ".index" / "s.log"

    def life(position: int, generation: int, instance: int = 5) -> bytes:
        return index.encode(index.LIFE, position, 100.0, generation=generation, mark=instance)

    times = b"".join(index.encode(index.TIME, position, 100.0) for position in range(10))
    assert log.source.generation(0) == 0
    path.write_bytes(life(0, 1) + times + life(10, 2)[:20])
    assert [log.source.generation(position) for position in (0, 9, 10)] == [1, 1, 1]
    path.write_bytes(life(0, 1) + times + life(10, 2))
    read: list[int] = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: read.append(at) or real(fd, size, at))  # type: ignore[func-returns-value]
    assert [log.source.generation(position) for position in (9, 10, 11)] == [1, 2, 2]
    assert min(read) >= 10 * index.SIZE
    path.write_bytes(life(0, 1) + times + life(10, 2) + life(20, 1, instance=6))
    assert [log.source.generation(position) for position in (10, 20)] == [0, 1], "another daemon's lives are nobody's"
    path.write_bytes(times[: 3 * index.SIZE] + life(7, 9) + life(8, 10) + times[9 * index.SIZE :] * 20)
    assert [log.source.generation(position) for position in (6, 7, 30)] == [0, 9, 10]
