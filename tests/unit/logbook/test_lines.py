"""What comes bit by bit is given on by the line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amonsup.logbook import lines
from amonsup.logbook.lines import Lines


@given(st.lists(st.text("ab\n", max_size=9).map(str.encode)))
def test_however_it_comes(parts):
    taker, found = Lines(7), []
    for part in parts:
        taker.cut(part, found)
    whole = b"".join(parts)
    end = whole.rfind(b"\n") + 1
    assert b"".join(data for _, data in found) == whole[:end]
    assert all(data.endswith(b"\n") for _, data in found)
    assert [position for position, _ in found] == [7 + sum(len(d) for _, d in found[:n]) for n in range(len(found))]
    assert (taker.position, taker.rest, taker.at) == (7 + end, whole[end:], 7 + len(whole))


def test_a_line_that_is_too_long_comes_in_parts(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE", 4)
    taker, found = Lines(0), []
    for part in (b"xx", b"x", b"yy", b"z\n"):
        taker.cut(part, found)
    assert found == [(0, b"xxxyy"), (5, b"z\n")]


def test_what_is_gone_takes_the_rest_with_it():
    taker, found = Lines(0), []
    taker.cut(b"one\nha", found)
    taker.skip_to(100)
    taker.cut(b"two\n", found)
    assert found == [(0, b"one\n"), (100, b"two\n")]
