"""Lines with the time in front, however they come in pieces."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from amonsup.logs.stamps import fitting, stamp, stamped

RAW = st.lists(st.sampled_from([b"a", b"line", b"\n", b"\n\n", b"\0\xff", b"long " * 20]), max_size=30).map(b"".join)
MARK = b"<T> "


def lines_of(raw: bytes) -> list[bytes]:
    return [line + b"\n" for line in raw.split(b"\n")[:-1]] + ([raw.split(b"\n")[-1]] if raw.split(b"\n")[-1] else [])


@given(RAW, st.lists(st.integers(0, 400), max_size=5))
def test_however_it_is_cut_each_line_is_stamped_once(raw: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(raw), *(min(cut, len(raw)) for cut in cuts)})
    is_at_start, found = True, b""
    for begin, end in pairwise(edges):
        piece = raw[begin:end]
        found += stamped(piece, MARK, is_at_start)
        is_at_start = piece.endswith(b"\n")
    assert found == b"".join(MARK + line for line in lines_of(raw))


@given(RAW, st.booleans(), st.integers(0, 800))
def test_what_fits_fits_and_one_more_line_would_not(raw: bytes, is_at_start: bool, room: int) -> None:
    used = fitting(raw, MARK, is_at_start, room)
    assert len(stamped(raw[:used], MARK, is_at_start)) <= room or used == 0
    assert used == len(raw) or raw[:used] == b"" or raw[:used].endswith(b"\n")
    end = raw.find(b"\n", used) + 1
    if used < len(raw) and end:
        assert len(stamped(raw[:end], MARK, is_at_start)) > room


@given(st.integers(0, 4_000_000_000_000))
def test_the_stamp_is_the_time_in_milliseconds(milliseconds: int) -> None:
    text = stamp(milliseconds / 1000 + 0.0001).decode()
    assert text.endswith("Z ")
    assert round(datetime.fromisoformat(text.strip()).astimezone(UTC).timestamp() * 1000) == milliseconds
    assert len(text) == 25
