"""How many requests may be under way: of one person, and of all strangers."""

from __future__ import annotations

from amonsup.control.core.turns import MOST, MOST_OF_STRANGERS, MOST_PER_PERSON, STRANGERS, Turns


def test_one_person_takes_no_place_from_another() -> None:
    turns = Turns()
    assert [turns.begin("a@x") for _ in range(MOST_PER_PERSON + 1)] == [True] * MOST_PER_PERSON + [False]
    assert turns.begin("b@x")
    turns.end("a@x")
    assert turns.begin("a@x")
    assert not turns.begin("a@x")


def test_strangers_share_theirs_and_nothing_is_kept_of_who_is_done() -> None:
    turns = Turns()
    for _ in range(MOST_OF_STRANGERS):
        assert turns.begin(STRANGERS)
    assert not turns.begin(STRANGERS)
    assert turns.begin("a@x")
    turns.end("a@x")
    for _ in range(MOST_OF_STRANGERS):
        turns.end(STRANGERS)
    assert turns._taken == {}


def test_all_together_have_a_bound_and_who_is_done_makes_room() -> None:
    turns = Turns()
    assert all(turns.begin(f"p{number}@x") for number in range(MOST))
    assert not turns.begin("late@x")
    turns.end("p7@x")
    assert turns.begin("late@x")
