"""The line on stderr while an operation takes its time."""

from __future__ import annotations

import io

from amonsup.cli.progress import NEVER, Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_appears_after_a_second_and_leaves_nothing_behind() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, clock)
    progress.wait_for(("ce", "db"))
    clock.now = 0.5
    progress.tick()
    progress.clear()
    assert stream.getvalue() == ""
    clock.now = 3.0
    progress.tick()
    assert stream.getvalue() == "\rwaiting for ce, db … 3s\x1b[K"
    progress.clear()
    progress.clear()
    assert stream.getvalue().endswith("\x1b[K\r\x1b[K")


def test_many_and_hostile_targets() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, clock)
    clock.now = 75.0
    progress.wait_for(("\x1b[2J", *(f"s{number}" for number in range(9))))
    progress.tick()
    assert stream.getvalue() == "\rwaiting for \\x1b[2J, s0, s1, s2, s3, s4 and 4 more … 1m15s\x1b[K"


def test_where_nobody_looks_nobody_wakes_up() -> None:
    progress = Progress(None, Clock())
    assert progress.interval_s == NEVER
    progress.tick()
    progress.clear()
