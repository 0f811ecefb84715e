"""Raw lines on their way to a stamped log, and a disk that is full in the middle of them.

(Killed at every system call: test_sink.py.)
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from amonsup.logs import spool
from amonsup.logs.settings import Settings
from amonsup.logs.sink import Sink
from amonsup.logs.spool import Spool

FIRST = b"before\n"
LINES = b"".join(b"line %d\n" % number for number in range(100))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe2(os.O_NONBLOCK)
    yield ends
    for each in ends:
        os.close(each)


def pour(through: Spool, out: Sink, pipe: tuple[int, int], raw: bytes) -> int:
    os.write(pipe[1], raw)
    assert through.fill(pipe[0]) == len(raw)
    return through.pour(out)


def unstamped(path: str) -> bytes:
    return b"".join(line[25:] for line in Path(path).read_bytes().splitlines(keepends=True))


def run_full_after(monkeypatch: pytest.MonkeyPatch, out: Sink, writes: int) -> None:
    """The write after so many gets half of its bytes onto the disk."""
    real, left = Sink.write, [writes]

    def write(self: Sink, content: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            real(self, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, content)

    monkeypatch.setattr(type(out), "write", write)


def test_a_disk_full_between_two_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]) -> None:
    """Whoever tries again later finds nothing of it in the log, and all of it in the spool."""
    monkeypatch.setattr(spool, "PIECE", 90)
    out = Sink(str(tmp_path), "s.log", Settings({}))
    through = Spool(str(tmp_path), out)
    pour(through, out, pipe, FIRST)
    with monkeypatch.context() as patch:
        run_full_after(patch, out, 3)
        with pytest.raises(OSError, match="No space"):
            pour(through, out, pipe, LINES)
    for each in (through, out):
        each.close()
    assert len(unstamped(out.path)) > len(FIRST)
    out = Sink(str(tmp_path), "s.log", Settings({}))
    through = Spool(str(tmp_path), out)
    assert unstamped(out.path) == FIRST
    assert through.pour(out) == len(LINES)
    assert through.is_empty
    assert unstamped(out.path) == FIRST + LINES
    through.close()
    out.close()


def test_what_somebody_wrote_into_the_log_is_not_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]
) -> None:
    out = Sink(str(tmp_path), "s.log", Settings({}))
    through = Spool(str(tmp_path), out)
    pour(through, out, pipe, FIRST)
    with open(out.path, "ab") as file:
        file.write(b"by hand\n")
    out.check()
    with monkeypatch.context() as patch:
        run_full_after(patch, out, 0)
        with pytest.raises(OSError, match="No space"):
            pour(through, out, pipe, LINES)
    for each in (through, out):
        each.close()
    out = Sink(str(tmp_path), "s.log", Settings({}))
    through = Spool(str(tmp_path), out)
    through.pour(out)
    assert unstamped(out.path).endswith(LINES)
    assert Path(out.path).read_bytes().count(b"by hand\n") == 1
    through.close()
    out.close()


def test_a_spool_that_cannot_be_put_on_record_is_gone_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]
) -> None:
    """A file system that writes elsewhere (btrfs) needs room for that, too."""
    out = Sink(str(tmp_path), "s.log", Settings({}))
    through = Spool(str(tmp_path), out)
    os.write(pipe[1], LINES)
    through.fill(pipe[0])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "_record", full)
        assert through.discard(out) == len(LINES)
    through.close()
    through = Spool(str(tmp_path), out)
    assert through.is_empty
    assert pour(through, out, pipe, FIRST) == len(FIRST)
    assert unstamped(out.path) == FIRST
    through.close()
    out.close()


def test_what_is_given_up_is_counted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]
) -> None:
    """Pieces that were in the log already, and are taken back, are among what is missing."""
    monkeypatch.setattr(spool, "PIECE", 90)
    out = Sink(str(tmp_path), "s.log", Settings({}))
    through = Spool(str(tmp_path), out)
    pour(through, out, pipe, FIRST)
    with monkeypatch.context() as patch:
        run_full_after(patch, out, 3)
        with pytest.raises(OSError, match="No space"):
            pour(through, out, pipe, LINES + b"and half a li")
    assert through.discard(out) == len(LINES) + len(b"and half a li")
    assert pour(through, out, pipe, b"after\n") == 6
    assert unstamped(out.path) == FIRST + b"after\n"
    assert Path(out.path).read_bytes().count(b"Z ") == 2
    through.close()
    out.close()


def test_a_file_gets_as_many_stamped_lines_as_fit(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """Also if the piece that was read of the spool ends with the room that is left, in the middle of a line."""
    out = Sink(str(tmp_path), "s.log", Settings({"max_size": 4096, "max_files": 100}))
    through = Spool(str(tmp_path), out)
    os.write(pipe[1], b"%074d\n" * 400 % (*range(400),))
    through.fill(pipe[0])
    while not through.is_empty:
        if through.pour(out) == 0:
            out.rotate(is_forced=True)
    files = sorted(tmp_path.glob("s.log.*"), key=lambda path: int(path.suffix[1:]), reverse=True)
    assert {path.stat().st_size for path in files} == {4000}
    assert b"".join(unstamped(str(path)) for path in (*files, out.path)) == b"%074d\n" * 400 % (*range(400),)
    through.close()
    out.close()
