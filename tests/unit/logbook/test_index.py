"""The index: what is written is found by position and time, and rubbish ends it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amonsup.logbook import index

KIND = st.sampled_from(sorted(index.KINDS))
STEP = st.tuples(KIND, st.integers(0, 1000), st.floats(0, 100), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
STEPS = st.lists(STEP, max_size=40)


def records(steps: list[tuple[bytes, int, float, int, int]]) -> list[tuple[bytes, int, int, float, int]]:
    found, position, time = [], 0, 0.0
    for kind, bytes_on, seconds_on, generation, mark in steps:
        position, time = position + bytes_on, time + seconds_on
        found.append((kind, generation, mark, time, position))
    return found


def encoded(steps: list[tuple[bytes, int, float, int, int]]) -> bytes:
    return b"".join(
        index.encode(kind, position, time, generation=generation, mark=mark)
        for kind, generation, mark, time, position in records(steps)
    )


@given(STEPS)
def test_every_record_comes_back(steps: list[tuple[bytes, int, float, int, int]]) -> None:
    marks = index.Marks(encoded(steps))
    wanted = records(steps)
    assert [marks.record(n) for n in range(len(marks))] == wanted
    assert marks.is_whole
    assert marks.last_position == (wanted[-1][4] if wanted else 0)
    for kind in index.KINDS:
        assert marks.of_kind(kind) == [record for record in wanted if record[0] == kind]


@given(STEPS, st.integers(0, 50_000), st.floats(0, 5000))
def test_it_is_searched_by_position_and_time(
    steps: list[tuple[bytes, int, float, int, int]], position: int, time: float
) -> None:
    marks, wanted = index.Marks(encoded(steps)), records(steps)
    assert marks.count_before(position) == sum(record[4] < position for record in wanted)
    assert marks.count_until(position) == sum(record[4] <= position for record in wanted)
    assert marks.first_since(time) == sum(record[3] < time for record in wanted)
    until = [record for record in wanted if record[4] <= position]
    assert marks.time_of(position) == (until[-1][3] if until else 0.0)
    lives = [record for record in until if record[0] == index.LIFE]
    assert marks.life_at(position) == (lives[-1] if lives else None)


@given(STEPS, st.binary(max_size=100), st.integers(0, 2000))
def test_rubbish_ends_it_and_is_noticed(
    steps: list[tuple[bytes, int, float, int, int]], rubbish: bytes, cut: int
) -> None:
    raw = encoded(steps)
    marks = index.Marks(raw[:cut] + rubbish)
    assert marks.valid_bytes <= len(raw[:cut] + rubbish)
    wanted = records(steps)[: min(cut, len(raw)) // index.SIZE]
    assert [marks.record(n) for n in range(len(marks))][: len(wanted)] == wanted
    assert marks.is_whole == (marks.valid_bytes == len(raw[:cut] + rubbish))


def test_positions_that_go_back_are_not_believed() -> None:
    raw = index.encode(index.TIME, 10, 1.0) + index.encode(index.TIME, 9, 2.0)
    assert len(index.Marks(raw)) == 1
