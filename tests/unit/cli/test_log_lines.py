"""How lines of logs are shown: as they came, behind names, on a terminal, as JSON."""

from __future__ import annotations

import base64
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.cli.log_lines import Lines, lines_for
from amonsup.logbook.pieces import Piece

ODD = (
    b"\nNUL \0\n\xff\xfe\n\x1b[31mred\x1b[0m\nover\rwritten\r\n\ttab\n"
    + b"x" * 1_000_000
    + b"\n\xe2\x80\xaerev\nno end"
)


def lines(*services: str, **how: bool) -> Lines:
    asked = {"is_json": False, "is_terminal": False, "is_coloured": False, "separates": False, **how}
    return lines_for(list(services), **asked)


def shown(view: Lines, *pieces: Piece) -> bytes:
    return b"".join(view.render(piece) for piece in pieces) + view.last()


def test_one_service_into_a_pipe_is_byte_for_byte():
    assert shown(lines("ce"), Piece("ce.log", 0, ODD)) == ODD


def test_several_into_a_pipe_each_behind_its_name():
    pieces = [Piece("a.log", 0, b"1\n\n2\n"), Piece("long.err.log", 0, b"\xff\n"), Piece("a.log", 5, b"no end")]
    assert shown(lines("a", "long"), *pieces) == b"a | 1\na | \na | 2\nlong | \xff\na | no end\n"


def test_a_line_without_its_end_gets_one_before_another_begins():
    view = lines("a", "b")
    assert shown(view, Piece("a.log", 0, b"half"), Piece("b.log", 0, b"b\n")) == b"a | half\nb | b\n"
    assert shown(view, Piece("a.log", 4, b"first life", life=1), Piece("a.log", 14, b"2\n", life=2)) == (
        b"a | first life\na | 2\n"
    )


def test_the_parts_of_a_line_too_long_to_be_held_are_one_line():
    pieces = [Piece("a.log", 0, b"par"), Piece("a.log", 3, b"ts\nnext\n")]
    assert shown(lines("a", "b"), *pieces) == b"a | parts\na | next\n"


def test_a_terminal_has_nothing_to_obey():
    text = shown(lines("ce", is_terminal=True), Piece("ce.log", 0, ODD)).decode()
    assert all(each.isprintable() or each == "\n" for each in text)
    head, _, tail = text.partition("x" * 1_000_000)
    assert head.split("\n") == ["", "NUL \\x00", "\\xff\\xfe", "\\x1b[31mred\\x1b[0m", "over\\rwritten", "    tab", ""]
    assert tail == "\n\\u202erev\nno end\n"


@given(st.binary(max_size=200))
def test_whatever_it_is_a_terminal_is_safe(data):
    text = shown(lines("a", "b", is_terminal=True), Piece("a.log", 0, data or b"\n")).decode()
    assert all(each.isprintable() or each == "\n" or unicodedata.category(each) == "Zs" for each in text)
    assert text.count("\n") == data.count(b"\n") + (not data.endswith(b"\n"))


def test_names_on_a_terminal_are_aligned_and_have_colours():
    view = lines("a", "long", is_terminal=True, is_coloured=True)
    text = shown(view, Piece("a.log", 0, b"1\n"), Piece("long.log", 0, b"2\n")).decode().split("\n")
    assert [line.partition("m")[2] for line in text[:2]] == ["a    |\x1b[0m 1", "long |\x1b[0m 2"]
    assert text[0][:5] != text[1][:5]


@pytest.mark.parametrize("is_terminal", [False, True])
def test_gaps_between_matches_are_shown(is_terminal):
    pieces = [Piece("a.log", 10, b"x\n"), Piece("a.log", 12, b"y\n", is_context=True), Piece("a.log", 50, b"x\n")]
    view = lines("a", separates=True, is_terminal=is_terminal)
    assert shown(view, *pieces) == b"x\ny\n--\nx\n"


def test_json_is_an_object_a_line():
    piece = Piece("ce.err.log", 100, b"caf\xc3\xa9\n\xff\xfe\r\n\x1b\x9b\0\nno end", at=1764000000.5, life=3)
    documents = [json.loads(line) for line in shown(lines("ce", is_json=True), piece).splitlines()]
    same = {"service": "ce", "stream": "err", "at": "2025-11-24T16:00:00.500Z", "life": 3}
    assert documents == [
        {**same, "text": "café", "cursor": "ce.err.log:106"},
        {**same, "text": "\ufffd\ufffd\r", "cursor": "ce.err.log:110", "raw": base64.b64encode(b"\xff\xfe\r").decode()},
        {**same, "text": "\x1b\ufffd\0", "cursor": "ce.err.log:114", "raw": base64.b64encode(b"\x1b\x9b\0").decode()},
        {**same, "text": "no end", "cursor": "ce.err.log:120"},
    ]


@given(st.binary(min_size=1, max_size=300))
def test_json_keeps_every_byte(data):
    found = b""
    for line in shown(lines("ce", is_json=True), Piece("ce.log", 0, data)).decode().split("\n")[:-1]:
        document = json.loads(line)
        assert document["at"] is None
        found += base64.b64decode(document["raw"]) if "raw" in document else document["text"].encode()
        found += b"\n"
    assert found == data if data.endswith(b"\n") else found == data + b"\n"
    assert document["cursor"] == f"ce.log:{len(data)}"
