"""How fast alerts follow each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amonsup.control.core.incidents import Incident
from amonsup.control.core.pace import DIGESTS, REFILL_S, SINGLES, Pace, Turn


def incidents(many: int) -> list[Incident]:
    return [Incident(f"s{number}", f"a-{number}", "") for number in range(many)]


def test_what_is_more_than_a_few_is_one_digest_at_once() -> None:
    all_of_them = incidents(SINGLES + 20)
    assert Pace().divide(all_of_them, 5.0) == Turn(all_of_them[:SINGLES], all_of_them[SINGLES:], [], 0.0)


def test_there_are_only_so_many_digests_at_once() -> None:
    pace, more = Pace(), incidents(3)
    pace.divide(incidents(SINGLES), 0.0)
    for _ in range(DIGESTS):
        assert pace.divide(more, 0.0) == Turn([], more, [], 0.0)
    assert pace.divide(more, 10.0) == Turn([], [], more, REFILL_S - 10.0)
    assert pace.divide(more, REFILL_S) == Turn(more[:1], more[1:], [], 0.0)


def test_one_that_is_too_many_goes_by_itself_and_counts_as_a_digest() -> None:
    pace, first, more = Pace(), incidents(SINGLES + 1), incidents(1)
    assert pace.divide(first, 0.0) == Turn(first, [], [], 0.0)
    for _ in range(DIGESTS - 1):
        assert pace.divide(more, 0.0) == Turn(more, [], [], 0.0)
    assert pace.divide(more, 1.0) == Turn([], [], more, REFILL_S - 1.0)


def test_after_a_while_as_many_as_in_the_beginning_go_at_once() -> None:
    pace, more = Pace(), incidents(SINGLES)
    pace.divide(incidents(SINGLES), 0.0)
    assert pace.divide(more, SINGLES * REFILL_S) == Turn(more, [], [], 0.0)


@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 9)), max_size=60))
def test_none_is_forgotten_none_waits_long_and_messages_are_few(arrivals: list[tuple[int, int]]) -> None:
    """Arrivals in milliseconds; looked at when something comes, and when the last look said so."""
    pace = Pace()
    due = {number: many for number, (_, many) in enumerate(arrivals)}
    times = sorted((at_ms / 1000, number) for number, (at_ms, _) in enumerate(arrivals))
    waiting: list[Incident] = []
    came_at: dict[str, float] = {}
    told: list[float] = []
    again_at = float("inf")
    while times or waiting:
        now = min(times[0][0] if times else float("inf"), again_at)
        while times and times[0][0] <= now:
            _, number = times.pop(0)
            fresh = [Incident("ce", f"{number}-{each}", "") for each in range(due[number])]
            came_at |= {each.key: now for each in fresh}
            waiting += fresh
        turn = pace.divide(waiting, now)
        assert sorted(each.key for each in turn.single + turn.together + turn.later) == sorted(
            each.key for each in waiting
        )
        for each in turn.single + turn.together:
            assert now - came_at[each.key] <= REFILL_S + 1e-6
        told += [now] * (len(turn.single) + bool(turn.together))
        waiting, again_at = turn.later, now + turn.again_s if turn.later else float("inf")
    for at in told:
        assert len([each for each in told if at <= each < at + REFILL_S]) <= SINGLES + 1 + DIGESTS + 1
