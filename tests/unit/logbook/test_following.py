"""Going on with what is written, over everything that can happen to files. The test's hand moves between two looks."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from amonsup.logbook import index, tail


def script(*steps: Callable[[], object]) -> Callable[[int], bool]:
    """A `wait` that does the next step each time, and ends after the last."""
    todo = list(steps)

    def wait(_fd: int) -> bool:
        if not todo:
            return False
        todo.pop(0)()
        return True

    return wait


@pytest.fixture
def begun(book):
    book.write("ce.log", b"old 1\nold 2\n")
    return book


def follow(book, *steps, services=("ce",), **asked):
    asked.setdefault("lines", 0)
    return book.read(*services, wait=script(*steps), follow=True, **asked)


def test_begins_with_the_last_ten_lines(book):
    book.write("ce.log", b"".join(b"%d\n" % number for number in range(20)))
    assert book.read("ce", wait=script(), follow=True) == b"".join(b"%d\n" % number for number in range(10, 20))


def test_new_lines(begun):
    found = follow(begun, lambda: begun.write("ce.log", b"a\n"), lambda: begun.write("ce.log", b"b\nc\n"))
    assert found == b"a\nb\nc\n"


def test_half_a_line_waits_for_its_end(begun):
    reading = begun.reading("ce", follow=True, lines=0)
    seen = []
    steps = script(
        lambda: begun.write("ce.log", b"a\nhal"),
        lambda: seen.append(list(shown)),
        lambda: begun.write("ce.log", b"f\n"),
    )
    shown = []
    for item in reading.items(steps):
        if hasattr(item, "data"):
            shown.append(item.data)
    reading.close()
    assert seen == [[b"a\n"]]
    assert shown == [b"a\n", b"half\n"]


def test_half_a_line_of_before_is_given_whole_and_once(book):
    book.write("ce.log", b"a\nhal")
    assert follow(book, lambda: book.write("ce.log", b"f\n"), lines=5) == b"a\nhalf\n"


@pytest.mark.parametrize("times", [1, 2, 5])
def test_rotations(begun, times):
    def step():
        for number in range(times):
            begun.write("ce.log", b"last of %d\n" % number)
            begun.rotate("ce.log")
            begun.write("ce.log", b"first of %d\n" % number)

    expected = b"".join(b"last of %d\nfirst of %d\n" % (number, number) for number in range(times))
    assert follow(begun, step, lambda: begun.write("ce.log", b"end\n")) == expected + b"end\n"


def test_a_rotation_with_nothing_new_in_it(begun):
    steps = [lambda: begun.rotate("ce.log"), lambda: begun.write("ce.log", b"new\n")]
    assert follow(begun, *steps, *steps) == b"new\nnew\n"


def test_between_the_history_and_the_following(begun):
    """What is written, and rotated away, after the history was read and before anybody watches."""
    reading = begun.reading("ce", follow=True, lines=1)
    items = reading.items(script())
    found = [next(item.data for item in items if hasattr(item, "data"))]
    begun.write("ce.log", b"new 1\n")
    begun.rotate("ce.log")
    begun.write("ce.log", b"new 2\n")
    found += [item.data for item in items if hasattr(item, "data")]
    reading.close()
    assert b"".join(found) == b"old 2\nnew 1\nnew 2\n"


def test_a_log_that_is_not_there_yet(book):
    assert follow(book, lambda: book.write("ce.log", b"first\n"), lambda: book.write("ce.log", b"2\n")) == b"first\n2\n"


def test_stderr_that_begins_later(begun):
    found = follow(begun, lambda: begun.write("ce.err.log", b"oh\n"), lambda: begun.write("ce.log", b"a\n"))
    assert found == b"oh\na\n"


def test_cut_by_somebody_else(begun):
    """truncate -s 0: the logger goes on in a new segment of the same file."""

    def cut():
        os.truncate(begun.path / "ce.log", 0)

    def goes_on():
        inode = (begun.path / "ce.log").stat().st_ino
        begun.mark("ce.log", index.SEGMENT, 1001.0, mark=inode)
        begun.write("ce.log", b"after\n")

    assert follow(begun, cut, goes_on, lambda: begun.write("ce.log", b"more\n")) == b"after\nmore\n"


def test_cut_and_grown_beyond_where_we_were(begun):
    def step():
        os.truncate(begun.path / "ce.log", 0)
        begun.mark("ce.log", index.SEGMENT, 1001.0, mark=(begun.path / "ce.log").stat().st_ino)
        begun.write("ce.log", b"after that there is much more of it\n" * 5)

    assert follow(begun, step) == b"after that there is much more of it\n" * 5


def test_removed_by_somebody_else(begun):
    def step():
        begun.write("ce.log", b"last\n")
        os.unlink(begun.path / "ce.log")

    def goes_on():
        (begun.path / "ce.log").touch()
        begun.mark("ce.log", index.SEGMENT, 1001.0, mark=(begun.path / "ce.log").stat().st_ino)
        begun.write("ce.log", b"new\n")

    assert follow(begun, step, goes_on) == b"last\nnew\n"


def test_what_went_away_unread_is_told(begun):
    def step():
        for number in range(4):
            begun.write("ce.log", b"line %d\n" % number)
            begun.rotate("ce.log")
        os.unlink(begun.path / "ce.log.4.gz")
        os.unlink(begun.path / "ce.log.3.gz")

    items = begun.items("ce", wait=script(step), follow=True, lines=0)
    assert b"".join(item.data for item in items if hasattr(item, "data")) == b"line 2\nline 3\n"
    assert [item.text for item in items if hasattr(item, "text")] == [
        "ce.log: 14 bytes are gone before they could be read"
    ]


def test_without_an_index(begun):
    os.unlink(begun.path / ".index" / "ce.log")

    def append(data: bytes) -> None:
        with open(begun.path / "ce.log", "ab") as file:
            file.write(data)

    def rotate() -> None:
        append(b"b\n")
        (begun.path / "ce.log").rename(begun.path / "ce.log.1")
        append(b"c\n")

    assert follow(begun, lambda: append(b"a\n"), rotate, lambda: append(b"d\n")) == b"a\nb\nc\nd\n"


def test_a_flood_is_taken_in_turns(begun, monkeypatch):
    monkeypatch.setattr(tail, "MOST_AT_ONCE", 100)
    monkeypatch.setattr(tail, "BLOCK", 50)
    text = b"".join(b"line %d\n" % number for number in range(100))
    assert follow(begun, lambda: begun.write("ce.log", text)) == text


def test_grep_goes_on_with_its_context(begun):
    steps = [lambda line=line: begun.write("ce.log", line) for line in (b"1\n", b"hit\n", b"2\n", b"3\n", b"hit\n")]
    assert follow(begun, *steps, grep="hit", context=1) == b"1\nhit\n2\n3\nhit\n"


def test_lives_and_times_of_what_is_new(begun):
    items = begun.items(
        "ce",
        wait=script(
            lambda: begun.write("ce.log", b"a\n", at=5000.0, life=7), lambda: begun.write("ce.log", b"b\n", at=5020.0)
        ),
        follow=True,
        lines=0,
        is_labelled=True,
    )
    assert [(item.data, item.at, item.life, item.position) for item in items if hasattr(item, "data")] == [
        (b"a\n", 5000.0, 7, 12),
        (b"b\n", 5020.0, 7, 14),
    ]


def test_what_is_not_marked_yet_was_captured_now(begun):
    """The logger marks a moment after it has written; the mark before may be hours old."""

    def step():
        begun.now = 9000.0
        with open(begun.path / "ce.log", "ab") as file:
            file.write(b"a\n")

    items = begun.items("ce", wait=script(step), follow=True, lines=0, is_labelled=True)
    assert [item.at for item in items if hasattr(item, "data")] == [9000.0]


def test_a_rotation_that_is_decided_but_not_carried_out(begun):
    """What stands behind the last whole line is carried over: for a moment, or until a logger lives again, twice."""
    log, following = begun.path / "ce.log", begun.path / ".index" / "ce.log.next"

    def decided():
        begun.write("ce.log", b"whole\nhal")
        following.write_bytes(b"hal")
        begun.ends["ce.log"] -= 3
        begun.mark("ce.log", index.SEGMENT, 1001.0, mark=following.stat().st_ino)
        begun.ends["ce.log"] += 3
        assert begun.read("ce", lines=2) == b"whole\nhal"

    def cut():
        os.truncate(log, log.stat().st_size - 3)
        assert begun.read("ce").endswith(b"whole\n")

    def moved():
        log.rename(begun.path / "ce.log.1")
        assert begun.read("ce", lines=1) == b"whole\n"

    def done():
        following.rename(log)
        assert begun.read("ce", lines=2) == b"whole\nhal"

    steps = [decided, cut, moved, done, lambda: begun.write("ce.log", b"f\n")]
    assert follow(begun, *steps) == b"whole\nhalf\n"


def test_only_what_changed_is_looked_at(begun, monkeypatch):
    begun.write("db.log", b"x\n")
    looked: list[str] = []
    look = tail.Tail.look
    monkeypatch.setattr(tail.Tail, "look", lambda self: (looked.append(self.log), look(self))[1])

    def step():
        looked.clear()
        begun.write("db.log", b"y\n")

    assert follow(begun, step, services=("ce", "db")) == b"y\n"
    assert looked == ["db.log"]
