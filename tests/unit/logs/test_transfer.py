"""Floods through the transfer pipe: killed at every system call, while its owner's log cannot be written, and how a
stream comes back to its FIFO meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amonsup.logbook import index, names
from amonsup.logbook.layout import layout
from amonsup.logs import marking, sink, stream, transfer
from amonsup.logs.life import ROOMY, Life, waiting
from amonsup.logs.settings import Settings
from amonsup.logs.stream import Stream
from amonsup.logs.transfer import Transfer

CALLS = ("open", "mkdir", "pwrite", "write", "ftruncate", "rename", "unlink", "splice", "stat", "fstat")
FIRST = b"".join(b"first %d\n" % number for number in range(3000))
SECOND = b"".join(b"second %d\n" % number for number in range(2000))
OTHER = b"".join(b"other %d\n" % number for number in range(3000))


class KilledError(BaseException):
    """The process is gone: no handler of ours is run by it."""


class Loop:
    """Calls what is asked for when it is told to."""

    def __init__(self) -> None:
        self.time = 100.0
        self.soon: list[Callable[[], None]] = []
        self.timers: list[Any] = []
        self.watched: dict[int, Callable[[int], None]] = {}

    def now(self) -> float:
        return self.time

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_at(self, when: float, callback: Callable[[], None]) -> Any:
        timer = SimpleNamespace(when=when, callback=callback)
        timer.cancel = lambda: setattr(timer, "callback", None)
        self.timers.append(timer)
        return timer

    def watch(self, fd: int, callback: Callable[[int], None], _mask: int) -> None:
        self.watched[fd] = callback

    def unwatch(self, fd: int) -> None:
        self.watched.pop(fd, None)

    def run(self, seconds: float = 0.5) -> None:
        """Until nothing happens for so long."""
        until = self.time + seconds
        while True:
            ready = [call for fd, call in self.watched.items() if waiting(fd)]
            due = [timer for timer in self.timers if timer.callback and timer.when <= until]
            if self.soon:
                self.soon.pop(0)()
            elif ready:
                ready[0](1)
            elif due:
                timer = min(due, key=lambda each: each.when)
                self.time = max(self.time, timer.when)
                callback, timer.callback = timer.callback, None
                callback()
            else:
                self.time = until
                return


class Site:
    """What outlives loggers: the log directory, FIFOs, the transfer pipe and the note of its owner."""

    def __init__(self, directory: Path) -> None:
        self.log_dir = str(directory)
        self.fifos: dict[tuple[str, int], tuple[int, int]] = {}
        self.over: set[tuple[str, int]] = set()
        self.drained: list[tuple[str, int]] = []
        self.pipe = os.pipe2(os.O_NONBLOCK)
        fcntl.fcntl(self.pipe[0], fcntl.F_SETPIPE_SZ, ROOMY)
        self.note = os.memfd_create("note")

    def say(self, log: str, generation: int, text: bytes, *, is_over: bool = False) -> None:
        self.fifos[log, generation] = fifo = os.pipe2(os.O_NONBLOCK)
        fcntl.fcntl(fifo[0], fcntl.F_SETPIPE_SZ, ROOMY)
        assert os.write(fifo[1], text) == len(text)
        if is_over:
            self.over.add((log, generation))

    def transfer(self) -> Transfer:
        return Transfer(self._both_ends(), os.dup(self.note))

    def _both_ends(self) -> int:
        return os.open(f"/proc/self/fd/{self.pipe[0]}", os.O_RDWR | os.O_NONBLOCK)

    def close(self) -> None:
        for each in (*self.pipe, self.note, *(fd for pair in self.fifos.values() for fd in pair)):
            os.close(each)


class Logger:
    """The owner of streams, as logger.py is."""

    def __init__(self, site: Site, **told: Any) -> None:
        self.site = site
        self.loop = Loop()
        self.log_dir = site.log_dir
        self.null = os.open(os.devnull, os.O_WRONLY)
        self.transfer: Transfer | None = site.transfer()
        self.settings = Settings({"max_size": 4096, "max_files": 1000, **told})
        self.streams: dict[str, Stream] = {}
        self.troubles: list[tuple[str, int]] = []
        self.grown: list[tuple[str, int, int]] = []

    def capture(self) -> None:
        for (log, generation), fifo in self.site.fifos.items():
            if (log, generation) in self.site.drained:
                continue
            if log not in self.streams:
                self.streams[log] = Stream(self, names.service_of(log), log, self.settings)  # type: ignore[arg-type]
                self.streams[log].on_grown = lambda log, start, end: self.grown.append((log, start, end))
            self.streams[log].capture(Life(generation, 7, os.dup(fifo[0])))
            if (log, generation) in self.site.over:
                self.streams[log].over(generation)

    def die(self) -> None:
        """What the kernel does for a process that is gone."""
        assert self.transfer is not None
        fds = [self.null, self.transfer._pipe, self.transfer._record]
        for each in self.streams.values():
            fds += [life.fd for life in each.lives]
            fds += [each.sink.fd] if each.sink is not None and each.sink.fd >= 0 else []
        for fd in fds:
            os.close(fd)

    def wall(self) -> float:
        return 1e9

    def listing(self, _log: str) -> None:
        return None

    def flooded(self) -> None:
        raise AssertionError("there is a transfer pipe")

    def rotated(self, _stream: Stream) -> None:
        pass

    def ended(self, _stream: Stream) -> None:
        pass

    def troubled(self, _stream: Stream, text: str, dropped: int) -> None:
        self.troubles.append((text, dropped))

    def drained(self, one: Stream, generation: int) -> None:
        self.site.drained.append((one.log, generation))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path)
    yield one
    one.close()


def mortal(patch: pytest.MonkeyPatch, calls: int) -> None:
    """`calls` more system calls, then the process is gone."""
    left = [calls]

    class Mortal:
        def __getattr__(self, name: str) -> Any:
            real = getattr(os, name)
            if name not in CALLS:
                return real

            def call(*args: Any, **options: Any) -> Any:
                if left[0] <= 0:
                    raise KilledError(name)
                left[0] -= 1
                return real(*args, **options)

            return call

    for module in (sink, marking, transfer, stream):
        patch.setattr(module, "os", Mortal())


def contents(site: Site, log: str) -> bytes:
    found = layout(site.log_dir, log)
    assert not found.is_rebuilt
    return b"".join(Path(found.path(segment)).read_bytes() for segment in found.segments)


def lives(site: Site, log: str) -> list[int]:
    return [record[1] for record in layout(site.log_dir, log).marks.of_kind(index.LIFE)]


def test_killed_at_any_call_nothing_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kills = with_content = 0
    for calls in range(1, 70, 3):
        directory = tmp_path / str(calls)
        directory.mkdir()
        site, budget, is_done = Site(directory), calls, False
        site.say("a.log", 1, FIRST, is_over=True)
        site.say("a.log", 2, SECOND)
        site.say("b.log", 1, OTHER, is_over=True)
        while not is_done:
            with monkeypatch.context() as patch:
                logger = Logger(site)
                mortal(patch, budget)
                try:
                    logger.capture()
                    logger.loop.run()
                    is_done = True
                except KilledError:
                    kills += 1
                finally:
                    logger.die()
                if not is_done:
                    with_content += waiting(site.pipe[0]) > 0
                    budget += 1
        assert contents(site, "a.log") == FIRST + SECOND, calls
        assert contents(site, "b.log") == OTHER, calls
        assert lives(site, "a.log") == [1, 2]
        assert site.drained.count(("a.log", 1)) == site.drained.count(("b.log", 1)) == 1
        begin = next(record for record in layout(site.log_dir, "a.log").marks.of_kind(index.LIFE) if record[1] == 2)
        assert begin[4] == len(FIRST), "the second life begins behind the first one's last byte"
        site.close()
    assert kills > 50
    assert with_content > 25, "the pipe had something in it"


def test_all_that_came_is_told_to_who_reads_along(site: Site) -> None:
    site.say("a.log", 1, FIRST)
    logger = Logger(site)
    logger.capture()
    logger.loop.run()
    ends = [0, *(end for _, _, end in logger.grown)]
    assert [start for _, start, _ in logger.grown] == ends[:-1]
    assert ends[-1] == len(FIRST)


def left_behind(site: Site, **told: Any) -> Logger:
    """A logger whose predecessor was killed when it had moved the FIFO of a.log into the pipe."""
    site.say("a.log", 1, FIRST)
    site.transfer().fill(Life(1, 7, site.fifos["a.log", 1][0]), "a.log")
    assert waiting(site.pipe[0]) == len(FIRST)
    assert os.write(site.fifos["a.log", 1][1], SECOND) == len(SECOND)
    return Logger(site, **told)


def test_what_was_left_in_the_pipe_comes_first(site: Site) -> None:
    logger = left_behind(site)
    logger.capture()
    logger.loop.run()
    assert contents(site, "a.log") == FIRST + SECOND


def test_what_was_left_comes_even_if_nothing_else_does(site: Site) -> None:
    """The life is over, its FIFO empty."""
    logger = left_behind(site)
    assert os.read(site.fifos["a.log", 1][0], ROOMY) == SECOND
    site.over.add(("a.log", 1))
    logger.capture()
    logger.loop.run()
    assert contents(site, "a.log") == FIRST
    assert site.drained == [("a.log", 1)]


def test_a_log_that_cannot_be_written_keeps_the_pipe_and_nobody_waits_for_it(site: Site) -> None:
    logger = left_behind(site)
    os.mkdir(os.path.join(site.log_dir, "a.log"))
    site.say("b.log", 1, OTHER)
    logger.capture()
    logger.loop.run()
    assert contents(site, "b.log") == OTHER
    assert waiting(site.pipe[0]) == len(FIRST)
    assert [dropped for _, dropped in logger.troubles] == [0]

    os.rmdir(os.path.join(site.log_dir, "a.log"))
    logger.loop.run(5.0)
    assert contents(site, "a.log") == FIRST + SECOND
    assert logger.troubles[-1] == ("", 0)


def test_on_full_drop_throws_away_what_is_in_the_pipe_too(site: Site) -> None:
    logger = left_behind(site, on_full="drop")
    os.mkdir(os.path.join(site.log_dir, "a.log"))
    logger.capture()
    logger.loop.run(5.0)
    assert waiting(site.pipe[0]) == 0
    assert logger.troubles[-1][1] == len(FIRST) + len(SECOND)

    os.rmdir(os.path.join(site.log_dir, "a.log"))
    os.write(site.fifos["a.log", 1][1], b"later\n")
    logger.loop.run(5.0)
    assert contents(site, "a.log") == b"later\n"


def test_what_was_dropped_is_marked_as_soon_as_that_can_be_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full may have room left in the log's last block, and none in the index's."""
    logger = left_behind(site, on_full="drop")
    os.mkdir(os.path.join(site.log_dir, "a.log"))
    logger.capture()
    logger.loop.run(5.0)
    os.rmdir(os.path.join(site.log_dir, "a.log"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(marking, "insert", full)
        patch.setattr(marking, "begin_segment", lambda *_: None)
        os.write(site.fifos["a.log", 1][1], b"in the last block\n")
        logger.loop.run(0.5)
    assert logger.troubles[-1][0], "it is not over"
    logger.loop.run(5.0)
    os.write(site.fifos["a.log", 1][1], b"later\n")
    logger.loop.run(5.0)
    assert contents(site, "a.log") == b"in the last block\nlater\n"
    text, dropped = logger.troubles[-1]
    assert not text
    assert [mark[2] for mark in layout(site.log_dir, "a.log").marks.of_kind(index.DROP)] == [dropped]
    logger.die()


def test_stamps_that_are_asked_for_meanwhile_are_for_what_comes_later(site: Site) -> None:
    logger = left_behind(site, timestamps=True, max_size=1 << 20)
    logger.capture()
    logger.loop.run()
    found = contents(site, "a.log")
    assert found[: len(FIRST)] == FIRST
    assert b"".join(line[25:] for line in found[len(FIRST) :].splitlines(keepends=True)) == SECOND


def test_a_usual_fifo_is_not_worth_the_way(site: Site) -> None:
    site.say("a.log", 1, FIRST)
    assert site.transfer().may_take(Life(1, 7, site.fifos["a.log", 1][0]))
    fcntl.fcntl(site.fifos["a.log", 1][0], fcntl.F_SETPIPE_SZ, 1 << 16)
    assert not site.transfer().may_take(Life(1, 7, site.fifos["a.log", 1][0]))


def test_who_says_nothing_is_listened_to_after_a_first_look(site: Site) -> None:
    site.say("a.log", 1, b"")
    logger = Logger(site)
    logger.capture()
    fd = logger.streams["a.log"].lives[0].fd
    assert logger.loop.watched == {}, "the first look is by the clock"
    logger.loop.run()
    assert list(logger.loop.watched) == [fd]
    assert os.listdir(site.log_dir) == [], "nothing was written"
    os.write(site.fifos["a.log", 1][1], b"after all\n")
    logger.loop.run()
    assert contents(site, "a.log") == b"after all\n"
    logger.die()


def test_a_life_that_is_over_before_the_first_look_is_drained(site: Site) -> None:
    site.say("a.log", 1, FIRST)
    logger = Logger(site)
    logger.capture()
    logger.streams["a.log"].over(1)
    logger.loop.run()
    assert site.drained == [("a.log", 1)]
    assert contents(site, "a.log") == FIRST
    logger.die()


@pytest.mark.parametrize("size", [1 << 16, ROOMY])
def test_a_piece_of_a_line_may_be_longer_than_a_file_may_be_by_now(site: Site, size: int) -> None:
    """An apply has made files smaller than what the next one begins with."""
    begun = b"a line\n" + b"x" * 10_000
    site.say("a.log", 1, begun)
    fcntl.fcntl(site.fifos["a.log", 1][0], fcntl.F_SETPIPE_SZ, size)
    logger = Logger(site, max_size=1 << 20)
    logger.capture()
    logger.loop.run()
    logger.streams["a.log"].set(Settings({"max_size": 4096, "max_files": 1000}))
    os.write(site.fifos["a.log", 1][1], b"x its end\n")
    logger.loop.run()
    assert contents(site, "a.log") == begun + b"x its end\n"
    logger.die()


def test_in_a_flood_nobody_listens(site: Site) -> None:
    """As long as each look finds something new."""
    site.say("a.log", 1, FIRST)
    logger = Logger(site, max_size=1 << 30)
    loop = logger.loop
    logger.capture()
    writer = site.fifos["a.log", 1][1]
    line = b"x" * 1023 + b"\n"
    for kib in (900, 100, 900, 900, 1):
        assert os.write(writer, line * kib) == 1024 * kib
        (timer,) = [timer for timer in loop.timers if timer.callback]
        loop.run(timer.when - loop.now())
        assert (waiting(writer), loop.watched) == (0, {})
    loop.run()
    assert list(loop.watched) == [logger.streams["a.log"].lives[0].fd], "quiet again"
    assert len(contents(site, "a.log")) == len(FIRST) + 1024 * (900 + 100 + 900 + 900 + 1)
    logger.die()


@pytest.mark.parametrize("length", [2100, 4100, 100])
def test_a_fifo_that_is_full_by_its_pages_is_a_flood(site: Site, length: int) -> None:
    """A line that does not fit into what is left of a page begins a new one: half of the bytes may be all there is."""
    site.say("a.log", 1, b"")
    fifo = site.fifos["a.log", 1]
    fcntl.fcntl(fifo[0], fcntl.F_SETPIPE_SZ, 1 << 16)
    fill(fifo[1], length)
    logger = Logger(site, max_size=1 << 30)
    logger.capture()
    logger.loop.run(stream.PAUSE_S + stream.BRIEF_S / 2)
    assert fcntl.fcntl(fifo[0], fcntl.F_GETPIPE_SZ) == ROOMY
    logger.die()


def fill(fd: int, length: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, b"x" * (length - 1) + b"\n")


def test_what_a_life_that_ends_in_trouble_lost_is_marked(site: Site) -> None:
    site.say("a.log", 1, FIRST)
    os.mkdir(os.path.join(site.log_dir, "a.log"))
    logger = Logger(site, on_full="drop")
    logger.capture()
    logger.loop.run()
    os.rmdir(os.path.join(site.log_dir, "a.log"))
    logger.streams["a.log"].over(1)
    logger.loop.run(5.0)
    assert site.drained == [("a.log", 1)]
    assert logger.troubles[-1] == ("", len(FIRST))
    assert [record[2] for record in layout(site.log_dir, "a.log").marks.of_kind(index.DROP)] == [len(FIRST)]


def test_who_ends_pours_out_what_is_in_the_pipe(site: Site) -> None:
    """Over as many files as it takes; the FIFO is left to who comes next, the services hold it."""
    logger = left_behind(site)
    logger.capture()
    logger.streams["a.log"].pour_out()
    assert waiting(site.pipe[0]) == 0
    assert contents(site, "a.log") == FIRST
    assert waiting(site.fifos["a.log", 1][0]) == len(SECOND)
    logger.die()


def test_what_cannot_be_poured_out_hinders_no_end(site: Site) -> None:
    logger = left_behind(site)
    os.mkdir(os.path.join(site.log_dir, "a.log"))
    logger.capture()
    logger.streams["a.log"].pour_out()
    assert waiting(site.pipe[0]) == len(FIRST)
    logger.die()
