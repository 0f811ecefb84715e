"""What a reader says arrives as it was said, in whatever parts the socket hands it over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.logbook import frames
from amonsup.logbook.pieces import Idle, Note, Piece, ReadError, Scanned

ITEMS = [
    Scanned("ce.log", 0, 0.0, 0, 10),
    Piece("ce.log", 0, b"{}\n\0\xff", 1764000000.25, 3),
    Piece("ce.log", 5, b"\n", is_context=True),
    Note("a word"),
    Idle({"ce.log": 6}),
]


@given(st.integers(1, 60))
def test_in_parts(size):
    said = b"".join(map(frames.encode, ITEMS)) + frames.END
    reader = frames.Frames()
    found = [item for at in range(0, len(said), size) for item in reader.feed(said[at : at + size])]
    assert found == ITEMS
    assert reader.is_ended


def test_without_its_end_it_is_not_ended_and_half_a_piece_is_none():
    reader = frames.Frames()
    assert reader.feed(frames.encode(ITEMS[1])[:-1]) == []
    assert not reader.is_ended


def test_a_refusal():
    with pytest.raises(ReadError, match="no such life") as raised:
        frames.Frames().feed(frames.refusal(ReadError("bad-request", "no such life")))
    assert raised.value.code == "bad-request"


def test_what_a_newer_reader_says_is_passed_over():
    assert frames.Frames().feed(b'{"weather":"fine"}\n') == []


@pytest.mark.parametrize(
    "junk", [b"\n", b"hello\n", b"[]\n", b'{"log":"a","bytes":-1}\n', b'{"log":"a"}\n', b'{"scanned":[]}\n']
)
def test_junk_is_told(junk):
    with pytest.raises(frames.FrameError):
        frames.Frames().feed(junk)


@pytest.mark.parametrize(
    "line",
    [
        b'{"log":5,"position":1,"at":0,"life":0,"bytes":0}',
        b'{"log":"a\\u001b[2J","position":1,"at":0,"life":0,"bytes":0}',
        b'{"log":"a","position":"x","at":0,"life":0,"bytes":0}',
        b'{"log":"a","position":1,"at":1e300,"life":0,"bytes":0}',
        b'{"scanned":["a",null,0,0,0]}',
        b'{"idle":[1]}',
        b'{"idle":{"a":"b"}}',
    ],
)
def test_what_a_service_may_have_put_into_its_reader_s_mouth(line: bytes) -> None:
    """A reader of own files has the rights of the service whose they are."""
    with pytest.raises(frames.FrameError):
        frames.Frames().feed(line + b"\n")
