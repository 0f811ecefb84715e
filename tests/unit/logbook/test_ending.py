"""What `show` has of a log: the last lines of the last life, exactly, at a bounded cost."""

from __future__ import annotations

import os

import pytest

from amonsup.logbook import ending, index
from amonsup.logbook.ending import last_lines


def test_of_the_last_life_only(book):
    book.write("ce.log", b"old 1\nold 2\n", life=1)
    book.write("ce.log", b"new 1\nnew 2\nnew 3", life=2)
    assert last_lines(str(book.path), "ce.log", 10) == [b"new 1", b"new 2", b"new 3"]
    assert last_lines(str(book.path), "ce.log", 2) == [b"new 2", b"new 3"]


def test_a_life_that_wrote_nothing_has_none(book):
    book.write("ce.log", b"old\n", life=1)
    book.mark("ce.log", index.LIFE, 2000.0, generation=2, mark=2)
    assert last_lines(str(book.path), "ce.log", 10) == []


def test_over_a_rotation(book):
    book.write("ce.log", b"old\n", life=1)
    book.write("ce.log", b"1\n2\n", life=2)
    book.rotate("ce.log")
    assert last_lines(str(book.path), "ce.log", 10) == [b"1", b"2"]
    book.write("ce.log", b"3\n")
    assert last_lines(str(book.path), "ce.log", 10) == [b"1", b"2", b"3"]


def test_of_the_life_before_it(book):
    book.write("ce.log", b"older\n", life=1)
    book.write("ce.log", b"old 1\nold 2\n", life=2)
    book.write("ce.log", b"new\n" * 5000, life=3)
    assert last_lines(str(book.path), "ce.log", 10, 2) == [b"old 1", b"old 2"]
    assert last_lines(str(book.path), "ce.log", 1, 3) == [b"new"]
    assert last_lines(str(book.path), "ce.log", 10, 1) == [], "too long ago"
    assert last_lines(str(book.path), "ce.log", 10, 4) == [], "it has said nothing so far"


def test_of_the_life_before_it_over_a_rotation(book):
    book.write("ce.log", b"1\n", life=2)
    book.rotate("ce.log")
    book.write("ce.log", b"2\n")
    book.write("ce.log", b"new\n", life=3)
    assert last_lines(str(book.path), "ce.log", 10, 2) == [b"1", b"2"]
    book.rotate("ce.log")
    book.write("ce.log", b"newer\n")
    assert last_lines(str(book.path), "ce.log", 10, 3) == [b"new", b"newer"]
    assert last_lines(str(book.path), "ce.log", 10, 2) == [b"2"], "the rest is in an older file"


def test_a_life_that_ended_in_the_file_before(book):
    book.write("ce.log", b"1\n", life=2)
    book.write("ce.log", b"new\n", life=3)
    book.rotate("ce.log")
    assert last_lines(str(book.path), "ce.log", 10, 2) == [b"1"]


def test_a_long_life_costs_no_more(book):
    book.write("ce.log", b"begin\n", life=1)
    for number in range(3000):
        book.mark("ce.log", index.TIME, 2000.0 + number)
    book.write("ce.log", b"x" * 100_000 + b"\nend\n")
    lines = last_lines(str(book.path), "ce.log", 10)
    assert lines[-1] == b"end"
    assert len(lines[0]) < ending.MOST_BYTES


def test_without_an_index_it_is_the_end_of_the_file(book):
    book.write("ce.log", b"1\n2\n", life=1)
    os.unlink(book.path / ".index" / "ce.log")
    assert last_lines(str(book.path), "ce.log", 1) == [b"2"]
    assert last_lines(str(book.path), "none.log", 1) == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
def test_what_is_no_file_is_not_read(book, make):
    make(book.path / "ce.log")
    assert last_lines(str(book.path), "ce.log", 10) == []
