"""One log's stream by itself; what it does under kills and in floods is told in test_transfer.py and the scenarios."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from amonsup.logs import sink
from amonsup.logs.life import Life
from amonsup.logs.settings import Settings
from amonsup.logs.stream import Stream
from amonsup.loop.loop import Loop

AFTER_NOON = time.mktime((2026, 11, 24, 12, 10, 0, 0, 0, -1))


def owner_of(log_dir: Path, wall: Callable[[], float]) -> SimpleNamespace:
    """What logger.py is for streams; `all_drained` has the generations of the lives that were drained."""
    drained: list[int] = []
    return SimpleNamespace(
        loop=Loop(),
        log_dir=str(log_dir),
        transfer=None,
        wall=wall,
        listing=lambda _log: None,
        rotated=lambda _stream: None,
        ended=lambda _stream: None,
        all_drained=drained,
        drained=lambda _stream, generation: drained.append(generation),
    )


def test_a_clock_that_is_set_is_noticed_at_the_next_full_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes, nobody tells us, and midnight has come while we counted twelve hours."""
    wall = [AFTER_NOON]
    monkeypatch.setattr(sink.time, "time", lambda: wall[0])
    owner = owner_of(tmp_path, lambda: wall[0])
    loop = owner.loop
    stream = Stream(owner, "s", "s.log", Settings({"rotate": "daily"}))  # type: ignore[arg-type]
    reader, writer = os.pipe2(os.O_NONBLOCK)
    os.write(writer, b"line\n")
    stream.capture(Life(1, 0, reader))
    while stream.due is None:
        loop.turn()
    assert 2990 < stream.due.at - loop.now() <= 3001
    wall[0] += 3000.5
    stream.due.callback()
    assert not (tmp_path / "s.log.1").exists(), "it was a look"
    assert stream.due is not None
    assert 3590 < stream.due.at - loop.now() <= 3601
    wall[0] += 86400
    stream.due.callback()
    assert (tmp_path / "s.log.1").read_bytes() == b"line\n"
    stream.close()
    for fd in (reader, writer):
        os.close(fd)


def test_a_number_that_comes_a_second_time_is_another_life(tmp_path: Path) -> None:
    """The same one told again is not: a successor tells of everything."""
    owner = owner_of(tmp_path, lambda: AFTER_NOON)
    stream = Stream(owner, "s", "s.log", Settings({}))  # type: ignore[arg-type]
    first, writer = os.pipe2(os.O_NONBLOCK)
    again = os.dup(first)
    second, other = os.pipe2(os.O_NONBLOCK)
    os.write(writer, b"one\n")
    os.write(other, b"two\n")
    stream.capture(Life(4, 0, first))
    stream.capture(Life(4, 0, again))
    stream.capture(Life(4, 0, second))
    assert len(stream.lives) == 2
    stream.over(4)
    while stream.lives:
        owner.loop.turn()
    assert (tmp_path / "s.log").read_bytes() == b"one\ntwo\n"
    assert owner.all_drained == [4, 4]
    for fd in (writer, other):
        os.close(fd)
