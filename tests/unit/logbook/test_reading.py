"""A log is one, whatever files it lies in; what is asked for comes, no line more or less."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amonsup.logbook import index, tape
from amonsup.logbook.pieces import Note, Piece, ReadError, Scanned

ODD = (
    b"\n\nplain\nNUL \0 here\n\xff\xfe not UTF-8\n\x1b[31mred\x1b[0m\nover\rwritten\r\n"
    + b"x" * 1_000_000
    + b"\nno end"
)


@pytest.fixture
def ten(book):
    """Ten lines over four files, two of them packed."""
    for number in range(1, 11):
        book.write("ce.log", b"line %d\n" % number, at=1000.0 + 100 * number)
        if number in (2, 5, 8):
            book.rotate("ce.log")
    assert sorted(os.listdir(book.path)) == [".index", "ce.log", "ce.log.1", "ce.log.2.gz", "ce.log.3.gz"]
    return book


ALL = b"".join(b"line %d\n" % number for number in range(1, 11))


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last + 1))


def test_rotated_packed_and_current_are_one(ten):
    assert ten.read("ce") == ALL


def test_who_has_no_log_of_stderr_is_named(ten):
    ten.write("db.err.log", b"oops\n", at=1000.0)
    assert [type(item).__name__ for item in ten.items("db", stream="err") if not isinstance(item, Scanned)] == ["Piece"]
    (note,) = [item for item in ten.items("ce", stream="err") if not isinstance(item, Scanned)]
    assert note.text.startswith("ce: no log of stderr; unless it has `stderr: separate`")
    assert not [item for item in ten.items("ce", stream="out") if isinstance(item, Note)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 1000])
def test_last_lines(ten, count):
    assert ten.read("ce", lines=count) == lines(max(1, 11 - count), 10)


def test_last_lines_do_not_read_the_rest(ten):
    (ten.path / "ce.log.3.gz").write_bytes(b"damaged" * 10)
    assert ten.read("ce", lines=3) == lines(8, 10)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({"since": "1970-01-01T00:25:00Z"}, 5, 10),
        ({"since": "1970-01-01T00:25:05Z"}, 5, 10),  # captured within ten seconds of the mark, so perhaps after it
        ({"since": "1970-01-01T00:25:20Z"}, 6, 10),
        ({"until": "1970-01-01T00:25:00Z"}, 1, 5),
        ({"since": "1970-01-01T00:20:00Z", "until": "1970-01-01T00:26:39Z"}, 2, 5),
        ({"since": "1h"}, 11, 10),
        ({"until": "1970-01-01"}, 11, 10),
        ({"since": "1970-01-01T00:25:00Z", "lines": 2}, 9, 10),
    ],
)
def test_since_and_until(ten, asked, first, last):
    assert ten.read("ce", **asked) == lines(first, last)


def test_a_cursor_goes_on_where_it_was_taken_over_rotation_and_packing(ten):
    pieces = [item for item in ten.items("ce", is_labelled=True) if isinstance(item, Piece)]
    for piece in pieces:
        assert ten.read("ce", cursor=f"ce.log:{piece.end}") == ALL[piece.end :]
    ten.rotate("ce.log")
    ten.rotate("ce.log")
    assert ten.read("ce", cursor=f"ce.log:{pieces[4].end}") == lines(6, 10)


def test_a_cursor_of_a_removed_file_goes_on_with_what_is_there(ten):
    os.unlink(ten.path / "ce.log.3.gz")
    assert ten.read("ce", cursor="ce.log:3") == lines(3, 10)


def test_lives(book):
    for life in (1, 2, 3):
        book.write("ce.log", b"begin %d\nend" % life, at=1000.0 + life, life=life)
        book.write("ce.err.log", b"trouble %d\n" % life, at=1000.5 + life, life=life)
        book.rotate("ce.log")
    assert book.read("ce", life="last", stream="out") == b"begin 3\nend"
    assert book.read("ce", life="2", stream="out") == b"begin 2\nend"
    assert book.read("ce", life="2", stream="err") == b"trouble 2\n"
    assert book.read("ce", life="last", lines=1, stream="out") == b"end"
    with pytest.raises(ReadError, match="ce: life '9' is not on record in its log; known: last, 1, 2, 3"):
        book.read("ce", life="9")


def test_a_life_that_wrote_nothing_to_stderr_has_nothing_there(book):
    book.write("ce.err.log", b"old trouble\n", at=1000.0, life=1)
    book.write("ce.log", b"fine\n", at=2000.0, life=2)
    assert book.read("ce", life="last") == b"fine\n"


def test_a_life_that_ended_in_mid_line_ends_its_line(book):
    book.write("ce.log", b"no end", at=1000.0, life=1)
    book.write("ce.log", b"begun\n", at=1001.0, life=2)
    pieces = [item for item in book.items("ce", is_labelled=True) if isinstance(item, Piece)]
    assert [(piece.data, piece.life, piece.at) for piece in pieces] == [(b"no end", 1, 1000.0), (b"begun\n", 2, 1001.0)]
    assert book.read("ce", grep="^begun$") == b"begun\n"


def test_several_services_by_time(book):
    book.write("b.log", b"b1\n", at=1001.0)
    book.write("a.log", b"a1\n", at=1002.0)
    book.write("b.log", b"b2\nb3\n", at=1003.0)
    book.write("a.err.log", b"e1\n", at=1004.0)
    book.write("a.log", b"a2\n", at=1005.0)
    book.write("b.log", b"b4\n", at=1006.0)
    assert book.read("a", "b") == b"b1\na1\nb2\nb3\ne1\na2\nb4\n"
    assert book.read("a", "b", lines=1) == b"e1\na2\nb4\n"


def test_a_clock_that_goes_back_reorders_no_log(book):
    book.write("a.log", b"a1\n", at=2000.0)
    book.write("a.log", b"a2\n", at=1000.0)
    book.write("b.log", b"b1\n", at=1500.0)
    assert book.read("a", "b") == b"b1\na1\na2\n"


def test_odd_lines_come_as_they_are(book):
    book.write("ce.log", ODD)
    assert book.read("ce") == ODD
    assert book.read("ce", is_labelled=True) == ODD
    assert book.read("ce", lines=1) == b"no end"
    assert book.read("ce", lines=2) == b"x" * 1_000_000 + b"\nno end"
    assert book.read("ce", grep="^$") == b"\n\n"
    assert book.read("ce", grep="NUL \\x00 here$") == b"NUL \0 here\n"
    assert book.read("ce", grep="not UTF") == b"\xff\xfe not UTF-8\n"
    assert book.read("ce", grep="no end$") == b"no end"


def test_a_line_too_long_to_be_held_comes_in_parts(book, monkeypatch):
    monkeypatch.setattr(tape, "BLOCK", 1000)
    monkeypatch.setattr(tape, "MAX_LINE", 4000)
    book.write("ce.log", b"first\n" + b"x" * 9_500 + b"\nlast\n")
    sizes = [len(item.data) for item in book.items("ce") if isinstance(item, Piece)]
    assert sum(sizes) == 9_512
    assert max(sizes) <= 5000
    assert book.read("ce", lines=1) == b"last\n"


def test_a_damaged_file_is_told_and_the_rest_is_read(ten):
    packed = ten.path / "ce.log.3.gz"
    raw = bytearray(packed.read_bytes())
    raw[-6] ^= 0xFF  # the checksum
    packed.write_bytes(raw)
    assert ten.read("ce").endswith(lines(3, 10))
    assert any("ce.log.3.gz is damaged" in note for note in ten.notes("ce"))


def test_what_could_not_be_written_is_told(book):
    book.write("ce.log", b"before\n")
    book.mark("ce.log", index.DROP, 1001.0, mark=42)
    book.write("ce.log", b"after\n")
    assert book.notes("ce") == ["ce.log: 42 bytes are missing here: they could not be written"]


def test_a_link_in_the_place_of_a_log_is_not_read(book, tmp_path):
    (tmp_path / "secret").write_text("secret\n")
    (book.path / "ce.log").symlink_to(tmp_path / "secret")
    assert book.read("ce") == b""


def test_without_an_index_the_files_alone_are_the_log(ten):
    os.unlink(ten.path / ".index" / "ce.log")
    assert ten.read("ce") == ALL
    assert ten.read("ce", lines=4) == lines(7, 10)


def test_progress_comes_with_every_block(ten):
    scanned = [item for item in ten.items("ce", grep="nowhere") if isinstance(item, Scanned)]
    assert scanned[-1].done == scanned[-1].total == len(ALL)


def test_a_rotation_while_reading_loses_and_doubles_nothing(ten):
    """All files are held from the beginning."""
    reading = ten.reading("ce")
    items = reading.items()
    found = [next(items)]
    for _ in range(3):
        ten.rotate("ce.log")
    for path in ten.path.glob("ce.log.*"):
        path.unlink()
    found += items
    reading.close()
    assert b"".join(item.data for item in found if isinstance(item, Piece)) == ALL


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"grep": "a(b"}, r"missing \): a\(b \(column 1\)"),
        ({"grep": "x**"}, r"bad repetition operator: \*\* \(column 2\)"),
        ({"grep": "(?=x)"}, "column 1"),
        ({"since": "tomorrowish"}, "since: 'tomorrowish' is no moment; allowed: 10m, 2h ago"),
        ({"until": "25:99"}, "until: '25:99'"),
        ({"cursor": "ce.log"}, "cursor: 'ce.log' is none"),
        ({"cursor": "ce.log:-1"}, "cursor"),
        ({"stream": "both"}, "allowed: out, err"),
        ({"context": -1, "grep": "x"}, "context: 0 to 1000"),
        ({"context": 3}, "belong to grep"),
        ({"follow": True, "until": "1h"}, "only one of them"),
        ({"follow": True, "life": "2"}, "cannot be followed"),
    ],
)
def test_what_cannot_be_asked_is_told(ten, asked, says):
    with pytest.raises(ReadError, match=says) as raised:
        ten.read("ce", **asked)
    assert raised.value.code == "bad-request"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"\n")), min_size=1, max_size=6),
    block=st.integers(min_value=1, max_value=30),
    count=st.integers(min_value=0, max_value=20),
)
def test_any_bytes_in_any_files_in_any_blocks(new_book, monkeypatch, parts, block, count):
    book = new_book()
    monkeypatch.setattr(tape, "BLOCK", block)
    for number, part in enumerate(parts):
        if number:
            book.rotate("ce.log", packs=number % 2 == 0)
        book.write("ce.log", part, at=1000.0 + number)
    whole = b"".join(parts)
    assert book.read("ce") == whole
    assert book.read("ce", is_labelled=True) == whole
    all_lines = [line + b"\n" for line in whole.split(b"\n")]
    all_lines[-1] = all_lines[-1][:-1]
    all_lines = [line for line in all_lines if line]
    assert book.read("ce", lines=count) == b"".join(all_lines[max(0, len(all_lines) - count) :])
