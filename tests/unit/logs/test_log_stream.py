"""One log's stream by itself; what it does under kills and in floods is told in test_transfer.py and the scenarios."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from amonsup.logs import sink
from amonsup.logs.life import Life
from amonsup.logs.settings import Settings
from amonsup.logs.stream import Stream
from amonsup.loop.loop import Loop

AFTER_NOON = time.mktime((2026, 11, 24, 12, 10, 0, 0, 0, -1))


def test_a_clock_that_is_set_is_noticed_at_the_next_full_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes, nobody tells us, and midnight has come while we counted twelve hours."""
    wall = [AFTER_NOON]
    monkeypatch.setattr(sink.time, "time", lambda: wall[0])
    loop = Loop()
    owner = SimpleNamespace(
        loop=loop,
        log_dir=str(tmp_path),
        transfer=None,
        wall=lambda: wall[0],
        listing=lambda _log: None,
        rotated=lambda _stream: None,
    )
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
