"""What a rotation renames and deletes, and when one is due: pure rules."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.logs.rotation import next_boundary, next_look, shift

Disk = dict[tuple[int, bool], str]

NUMBERS = st.sets(st.integers(1, 12))
SIZES = st.lists(st.integers(1, 100), min_size=14, max_size=14)


def carried_out(disk: Disk, deleted: list[tuple[int, bool]], renamed: list[tuple[int, bool]], steps: int) -> Disk:
    """The disk after so many of the steps; a name is never overwritten."""
    now = dict(disk)
    for step, which in enumerate([*deleted, *renamed]):
        if step == steps:
            break
        content = now.pop(which)
        if step >= len(deleted):
            target = which[0] + 1, which[1]
            assert all((target[0], is_packed) not in now for is_packed in (False, True)), "somebody's number is taken"
            now[target] = content
    return now


def order(disk: Disk) -> list[str]:
    """Contents, newest first."""
    return [disk[which] for which in sorted(disk)]


@given(NUMBERS, SIZES, st.integers(1, 13), st.integers(0, 40), st.integers(0, 600))
def test_killed_anywhere_the_order_stays_and_the_next_one_goes_on(
    numbers: set[int], sizes: list[int], max_files: int, steps: int, max_bytes: int
) -> None:
    disk: Disk = {(number, number % 3 == 0): f"file {number}" for number in numbers}
    files = [(number, is_packed, sizes[number]) for number, is_packed in disk]
    deleted, renamed = shift([(0, False, sizes[0]), *files], max_files, max_bytes)
    killed = carried_out(disk, deleted, renamed, steps)
    assert order(killed) == [each for each in order(disk) if each in killed.values()]
    left = [(number, is_packed, sizes[int(killed[number, is_packed][5:])]) for number, is_packed in killed]
    deleted, renamed = shift([(0, False, sizes[0]), *left], max_files, max_bytes)
    done = carried_out(killed, deleted, renamed, 99)
    assert (1, False) not in done
    assert (1, True) not in done
    assert len(done) + 1 <= max_files or not done
    assert order(done) == [each for each in order(disk) if each in done.values()]
    if max_bytes:
        assert sum(sizes[int(text[5:])] for text in done.values()) + sizes[0] <= max(max_bytes, sizes[0])


def test_nothing_goes_without_need() -> None:
    files = [(number, False, 10) for number in range(5)]
    assert shift(files, 5, 0) == ([], [(4, False), (3, False), (2, False), (1, False)])
    assert shift(files, 4, 0) == ([(4, False)], [(3, False), (2, False), (1, False)])
    assert shift(files, 9, 30) == ([(4, False), (3, False)], [(2, False), (1, False)])
    assert shift([(0, False, 10), (1, False, 1), (3, True, 1)], 9, 0) == ([], [(1, False)])


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("kind", "after", "due"),
    [
        ("hourly", "2026-11-23 15:04:05", "2026-11-23 16:00:00"),
        ("hourly", "2026-11-23 16:00:00", "2026-11-23 17:00:00"),
        ("daily", "2026-11-23 00:00:00", "2026-11-24 00:00:00"),
        ("daily", "2026-12-31 23:59:59", "2027-01-01 00:00:00"),
        ("daily", "2026-10-25 01:00:00", "2026-10-26 00:00:00"),  # a day of 25 hours
        ("daily", "2026-03-29 01:00:00", "2026-03-30 00:00:00"),  # of 23
        ("weekly", "2026-11-23 00:00:00", "2026-11-30 00:00:00"),  # a Monday
        ("weekly", "2026-11-29 23:59:59", "2026-11-30 00:00:00"),
    ],
)
def test_boundaries_are_local(kind: str, after: str, due: str) -> None:
    began = time.mktime(time.strptime(after, "%Y-%m-%d %H:%M:%S"))
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(next_boundary(kind, began))) == due


@given(st.sampled_from(["hourly", "daily", "weekly"]), st.floats(0, 4e9))
def test_a_boundary_is_always_ahead(kind: str, after: float) -> None:
    due = next_boundary(kind, after)
    assert after < due <= after + 8 * 86400
    assert next_boundary("never", after) == math.inf


@pytest.mark.parametrize(
    ("due", "looks_at"),
    [(60.0, 60.0), (3000.0, 3000.0), (90_000.0, 3600.0), (-5.0, -5.0), (math.inf, 3600.0)],
)
def test_who_waits_for_a_moment_looks_at_every_full_hour(due: float, looks_at: float) -> None:
    hour = 1_764_000_000.0 // 3600 * 3600
    assert next_look(hour + due, hour + 1) == hour + looks_at
