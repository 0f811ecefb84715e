"""A log being written, rotated, spoiled by others, and killed at every system call."""

from __future__ import annotations

import errno
import gzip
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.descriptors import close_since, opened

from amonsup.logbook import index, names
from amonsup.logbook.layout import layout
from amonsup.logs import marking, packing, sink, spool
from amonsup.logs.settings import Settings
from amonsup.logs.sink import Sink
from amonsup.logs.spool import Spool

CALLS = ("open", "mkdir", "pwrite", "write", "ftruncate", "rename", "unlink", "splice")
"""Everything that changes something on disk."""


class KilledError(BaseException):
    """The process is gone: no handler of ours is run by it."""


class Mortal:
    """`os`, for the modules that write, with a last call to come."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **options: Any) -> Any:
            if self.left == 0:
                raise KilledError(name)
            self.left -= 1
            return real(*args, **options)

        return call


def mortal(patch: pytest.MonkeyPatch, calls: int) -> None:
    one = Mortal(calls)
    for module in (sink, marking, spool):
        patch.setattr(module, "os", one)


def settings_of(**told: Any) -> Settings:
    return Settings({"max_size": 4096, "max_files": 100, **told})


def contents(directory: Path, log: str = "s.log") -> list[bytes]:
    """Of all files, oldest first; they must lie as the index says."""
    found = layout(str(directory), log)
    assert not found.is_rebuilt
    parts, end = [], found.start
    for segment in found.segments:
        raw = Path(found.path(segment)).read_bytes()
        raw = gzip.decompress(raw) if segment.file.is_packed else raw
        assert (segment.start, segment.end) == (end, end + len(raw)), segment.file.name
        parts.append(raw)
        end = segment.end
    return parts


class Pipe:
    """A FIFO that outlives loggers."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK)

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.reader)
        os.close(self.writer)


def drain(out: Sink, source: int) -> None:
    """What a stream does, until the pipe is empty."""
    while True:
        out.check()
        out.begin_life(1, 7)
        if out.is_full:
            out.rotate(is_forced=True)
        start = out.end
        try:
            out.splice(source)
        except BlockingIOError:
            return
        out.mark_time(start, 100.0)


def drain_stamped(out: Sink, through: Spool, source: int) -> None:
    while True:
        out.check()
        if through.is_empty:
            out.begin_life(1, 7)
            try:
                through.fill(source)
            except BlockingIOError:
                return
        if through.pour(out) == 0:
            out.rotate(is_forced=True)


LINES = b"".join(b"%d %s\n" % (number, b"x" * (number % 97)) for number in range(1200))


@pytest.mark.parametrize("is_stamped", [False, True])
def test_killed_at_any_call_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_stamped: bool
) -> None:
    monkeypatch.setattr(spool, "PIECE", 1000)  # several to a file
    kills = 0
    for calls in range(0, 60, 2):
        directory = tmp_path / str(calls)
        directory.mkdir()
        with Pipe() as pipe:
            os.write(pipe.writer, LINES)
            budget, is_done, before = calls, False, opened()
            while not is_done:
                with monkeypatch.context() as patch:
                    mortal(patch, budget)
                    try:
                        out = Sink(str(directory), "s.log", settings_of())
                        if is_stamped:
                            through = Spool(str(directory), out)
                            drain_stamped(out, through, pipe.reader)
                            through.close()
                        else:
                            drain(out, pipe.reader)
                        is_done = True
                    except KilledError:
                        kills += 1
                        budget += 1
            close_since(before)
        parts = contents(directory)
        whole = b"".join(parts)
        if is_stamped:
            whole = b"".join(line[25:] for line in whole.splitlines(keepends=True))
        assert whole == LINES, calls
        assert all(part.endswith(b"\n") and len(part) <= 4096 for part in parts[:-1])
        marks = layout(str(directory), "s.log").marks
        assert [record[1] for record in marks.of_kind(index.LIFE)] == [1]
        assert not list((directory / names.INDEX_DIR).glob("*.next"))
    assert kills > 100


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=6000), max_size=12), st.data())
def test_whatever_is_written_is_kept(pieces: list[bytes], data: st.DataObject) -> None:
    """Long lines, empty ones, NUL bytes, none at the end; rotations at any moment."""
    import tempfile

    with tempfile.TemporaryDirectory() as name, Pipe() as pipe:
        out = Sink(name, "s.log", settings_of())
        for piece in pieces:
            os.write(pipe.writer, piece)
            drain(out, pipe.reader)
            if data.draw(st.booleans()):
                out.rotate(is_forced=False)
        out.close()
        parts = contents(Path(name))
        assert b"".join(parts) == b"".join(pieces)
        assert all(len(part) <= 4096 for part in parts)
        for part, following in pairwise(parts):
            longest = max((len(line) for line in b"".join(pieces).split(b"\n")), default=0)
            assert part.endswith(b"\n") or longest >= 4096 or not following


def test_a_file_holds_as_many_whole_lines_as_fit(tmp_path: Path) -> None:
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of())
        for number in range(1000):
            os.write(pipe.writer, b"%099d\n" % number)
            if number % 50 == 0:
                drain(out, pipe.reader)
        drain(out, pipe.reader)
        out.close()
    assert {len(part) for part in contents(tmp_path)[:-1]} == {4000}


def test_max_files_and_max_total(tmp_path: Path) -> None:
    with Pipe() as pipe:
        for told in ({"max_files": 3}, {"max_total": 20000}):
            out = Sink(str(tmp_path), "s.log", settings_of(**told))
            for _ in range(20):
                os.write(pipe.writer, LINES[:5000])
                drain(out, pipe.reader)
                files = list(tmp_path.glob("s.log*"))
                assert len(files) <= 1 + out.settings.max_files
                if "max_total" in told:
                    assert sum(path.stat().st_size for path in files) <= 20000
            out.close()
    assert layout(str(tmp_path), "s.log").start > 150_000, "positions go on for ever"


def test_somebody_removes_and_cuts_the_file(tmp_path: Path) -> None:
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of())
        for hurt in (lambda: out.path and os.unlink(out.path), lambda: os.truncate(out.path, 0)):
            os.write(pipe.writer, b"before\n")
            drain(out, pipe.reader)
            end = out.end
            hurt()
            os.write(pipe.writer, b"after\n")
            drain(out, pipe.reader)
            assert Path(out.path).read_bytes() == b"after\n"
            found = layout(str(tmp_path), "s.log")
            assert (found.segments[-1].start, found.end) == (end, end + 6)
        Path(out.path).write_bytes(b"somebody's\n" * 3)
        os.write(pipe.writer, b"ours\n")
        drain(out, pipe.reader)
        assert Path(out.path).read_bytes() == b"somebody's\n" * 3 + b"ours\n"
        out.close()


def test_moved_away_and_reopened(tmp_path: Path) -> None:
    """What was begun of a line goes along; so every file ends on a whole line, and positions go on."""
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of())
        os.write(pipe.writer, b"one\ntw")
        drain(out, pipe.reader)
        assert out.reopen(), "it has its name"
        assert Path(out.path).read_bytes() == b"one\ntw"
        (tmp_path / "s.log").rename(tmp_path / "moved")
        assert out.reopen()
        (tmp_path / "s.log").rename(tmp_path / "moved again")
        (tmp_path / "s.log").touch(0o600)
        assert out.reopen(), "an empty one is as good as none"
        os.write(pipe.writer, b"o\n")
        drain(out, pipe.reader)
        assert (tmp_path / "moved").read_bytes() == b"one\n"
        assert (tmp_path / "moved again").read_bytes() == b""
        assert contents(tmp_path) == [b"two\n"]
        assert layout(str(tmp_path), "s.log").start == len(b"one\n")

        (tmp_path / "s.log").rename(tmp_path / "once more")
        (tmp_path / "s.log").write_bytes(b"somebody's\n")
        assert not out.reopen(), "who wrote into it shall find it again"
        assert Path(out.path).read_bytes() == b"somebody's\n"
        out.close()


def test_killed_while_it_reopens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for calls in range(8):
        directory = tmp_path / str(calls)
        directory.mkdir()
        with Pipe() as pipe:
            out = Sink(str(directory), "s.log", settings_of())
            os.write(pipe.writer, b"one\ntw")
            drain(out, pipe.reader)
            (directory / "s.log").rename(directory / "moved")
            is_killed = False
            with monkeypatch.context() as patch:
                mortal(patch, calls)
                try:
                    out.reopen()
                except KilledError:
                    is_killed = True
            out.close()
            out = Sink(str(directory), "s.log", settings_of())
            os.write(pipe.writer, b"o\n")
            drain(out, pipe.reader)
            out.close()
        assert (directory / "moved").read_bytes() + Path(out.path).read_bytes() == b"one\ntwo\n", calls
        assert not list((directory / names.INDEX_DIR).glob("*.next"))
    assert not is_killed, "all calls had their turn"


def test_a_rotation_is_not_finished_without_the_file_that_it_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the piece of a line that is carried over stands there twice."""
    failing = {"ftruncate"}

    class Failing:
        def __getattr__(self, name: str) -> Any:
            real = getattr(os, name)

            def call(path: Any, *args: Any) -> Any:
                if name in failing and path != f"{out.index}.next":
                    raise OSError(errno.EMFILE, "Too many open files")
                return real(path, *args)

            return call if name in ("open", "ftruncate") else real

    out = Sink(str(tmp_path), "s.log", settings_of())
    out.write(b"a line\na piece")
    monkeypatch.setattr(sink, "os", Failing())
    with pytest.raises(OSError, match="Too many"):
        out.rotate(is_forced=True)
    out.close()
    failing.add("open")
    with pytest.raises(OSError, match="Too many"):
        Sink(str(tmp_path), "s.log", settings_of())
    monkeypatch.undo()
    Sink(str(tmp_path), "s.log", settings_of()).close()
    assert contents(tmp_path) == [b"a line\n", b"a piece"]


def test_the_number_of_a_moved_file_may_be_anothers_by_now(tmp_path: Path) -> None:
    """Nothing is cut off it but what the next file begins with."""
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of())
        os.write(pipe.writer, b"one\ntw")
        drain(out, pipe.reader)
        out.close()
    (tmp_path / "s.log").rename(tmp_path / "other.log")
    (tmp_path / "other.log").write_bytes(b"of others\n")
    following = Path(f"{out.index}.next")
    following.write_bytes(b"tw")
    marking.begin_segment(out.index, 4, 100.0, following.stat().st_ino)
    Sink(str(tmp_path), "s.log", settings_of()).close()
    assert (tmp_path / "other.log").read_bytes() == b"of others\n"
    assert Path(out.path).read_bytes() == b"tw"


@pytest.mark.parametrize("fate", ["moved", "moved elsewhere", "removed", "replaced"])
def test_positions_never_come_again(tmp_path: Path, fate: str) -> None:
    """The last marks are older than the last bytes; whoever read up to those must not miss what comes next."""
    directory = tmp_path / "log"
    directory.mkdir()
    with Pipe() as pipe:
        out = Sink(str(directory), "s.log", settings_of())
        for _ in range(3):
            os.write(pipe.writer, LINES[:300])
            drain(out, pipe.reader)
        end = out.end
        out.close()  # it is killed
        assert index.read(out.index).last_position < end
        path = directory / "s.log"
        if fate.startswith("moved"):
            path.rename(directory / "moved" if fate == "moved" else tmp_path / "moved")
        elif fate == "removed":
            path.unlink()
        else:
            (directory / "new").touch()
            (directory / "new").rename(path)
        out = Sink(str(directory), "s.log", settings_of())
        start = out.start
        assert start == end if fate == "moved" else start >= end
        os.write(pipe.writer, b"more\n")
        drain(out, pipe.reader)
        out.close()
    assert contents(directory) == [b"more\n"]
    assert layout(str(directory), "s.log").start == start


def test_somebody_puts_a_file_in_the_place_of_a_removed_one(tmp_path: Path) -> None:
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of())
        os.write(pipe.writer, b"before\n")
        drain(out, pipe.reader)
        end = out.end
        os.unlink(out.path)
        Path(out.path).write_bytes(b"somebody's\n")
        os.write(pipe.writer, b"after\n")
        drain(out, pipe.reader)
        out.close()
    assert contents(tmp_path) == [b"somebody's\nafter\n"]
    assert layout(str(tmp_path), "s.log").start == end


def test_what_is_missing_is_marked_where_it_is_missing(tmp_path: Path) -> None:
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of())
        os.write(pipe.writer, b"before\n")
        drain(out, pipe.reader)
        out.close()
        out = Sink(str(tmp_path), "s.log", settings_of())
        out.begin_life(2, 7)
        os.write(pipe.writer, b"after\n")
        out.splice(pipe.reader)
        out.mark_time(7, 200.0)
        out.mark_dropped(1234)
        out.close()
    marks = index.read(out.index)
    assert marks.is_whole
    assert [(record[2], record[4]) for record in marks.of_kind(index.DROP)] == [(1234, 7)]
    assert contents(tmp_path) == [b"before\nafter\n"]


def test_what_is_missing_is_marked_where_we_go_on(tmp_path: Path) -> None:
    """A spool takes back the part of what it has that got into the log already."""
    (tmp_path / "s.log").write_bytes(b"before\nhalf a li")
    out = Sink(str(tmp_path), "s.log", settings_of())
    out.cut(7)
    out.begin_life(2, 7)
    out.write(b"half a line\n")
    out.mark_dropped(1234)
    out.close()
    assert [(record[2], record[4]) for record in index.read(out.index).of_kind(index.DROP)] == [(1234, 7)]
    assert contents(tmp_path) == [b"before\nhalf a line\n"]


def test_what_is_not_a_file_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    (tmp_path / "s.log").symlink_to(victim)
    with pytest.raises(OSError, match="not a regular file"):
        Sink(str(tmp_path), "s.log", settings_of())
    assert victim.read_bytes() == b""


def test_an_index_that_is_lost_or_spoiled_is_made_anew(tmp_path: Path) -> None:
    path = Path(names.index_path(str(tmp_path), "s.log"))
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of())
        os.write(pipe.writer, LINES)
        drain(out, pipe.reader)
        out.close()
        for spoil in (path.unlink, lambda: path.write_bytes(b"\0" * 500), lambda: path.write_bytes(b"SEGM" * 20)):
            spoil()
            Sink(str(tmp_path), "s.log", settings_of()).close()
            assert b"".join(contents(tmp_path)) == LINES
            assert index.read(str(path)).is_whole


def test_plain_and_packed_side_by_side(tmp_path: Path) -> None:
    """Killed between putting the packed one in place and removing the plain one; or the machine died over it."""
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of())
        os.write(pipe.writer, LINES)
        drain(out, pipe.reader)
        out.close()
    assert not out.is_unpacked, "nothing was there"
    for number, is_complete in ((2, True), (3, False)):
        plain = tmp_path / f"s.log.{number}"
        packed = gzip.compress(plain.read_bytes())
        Path(f"{plain}.gz").write_bytes(packed if is_complete else packed[:-9])
    out = Sink(str(tmp_path), "s.log", settings_of())
    out.close()
    assert out.is_unpacked, "what an earlier logger had not come to pack is packed by the next"
    assert not (tmp_path / "s.log.2").exists()
    assert not (tmp_path / "s.log.3.gz").exists()
    assert b"".join(contents(tmp_path)) == LINES


def test_the_index_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking, "TRIM_ABOVE", 1000)
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of(max_files=2))
        for _ in range(100):
            os.write(pipe.writer, LINES[:4500])
            drain(out, pipe.reader)
        out.close()
    found = layout(str(tmp_path), "s.log")
    assert os.stat(names.index_path(str(tmp_path), "s.log")).st_size < 2000
    assert found.marks.life_at(found.start) is not None, "whose life the oldest line is of is still known"


def test_rotation_by_time_counts_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = [1_795_448_917.0]
    monkeypatch.setattr(sink.time, "time", lambda: wall[0])
    with Pipe() as pipe:
        out = Sink(str(tmp_path), "s.log", settings_of(rotate="daily"))
        assert out.due == 0.0, "an empty file is not rotated"
        wall[0] += 5 * 86400
        os.write(pipe.writer, b"first\n")
        drain(out, pipe.reader)
        assert wall[0] < out.due <= wall[0] + 86400
        due = out.due
        out.close()
        wall[0] += 60
        out = Sink(str(tmp_path), "s.log", settings_of(rotate="daily"))
        assert out.due == due, "a new logger knows"
        assert out.rotate(is_forced=False)
        assert out.due == 0.0
        out.close()


def test_packing_takes_the_newest_that_may_be_packed(tmp_path: Path) -> None:
    for number in (1, 2, 3, 5):
        (tmp_path / f"s.log.{number}").write_bytes(b"x\n")
    (tmp_path / "s.log.2").rename(tmp_path / "s.log.2.gz")
    packer = packing.Packer(None, str(tmp_path), lambda *_: None)  # type: ignore[arg-type]
    assert packer._newest("s.log") == 3


def test_a_compressor_that_was_left_over_writes_into_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / names.INDEX_DIR).mkdir()
    (tmp_path / "s.log.2").write_bytes(LINES)
    packer = packing.Packer(None, str(tmp_path), lambda *_: None)  # type: ignore[arg-type]
    left_over = os.open(packer._temporary("s.log"), os.O_RDWR | os.O_CREAT)
    job = packer._begin("s.log")
    assert job is not None
    os.waitid(os.P_PIDFD, job.pidfd, os.WEXITED)
    os.pwrite(left_over, b"garbage" * 100, 0)
    packer._put_in_place(job, 0)
    assert gzip.decompress((tmp_path / "s.log.2.gz").read_bytes()) == LINES
    assert not (tmp_path / "s.log.2").exists()
    for fd in (left_over, job.target, job.pidfd):
        os.close(fd)
