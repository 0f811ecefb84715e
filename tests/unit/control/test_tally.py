"""Whom control has turned away, until it is told."""

from __future__ import annotations

from amonsup.control.core.tally import LONGEST, MOST, MOST_COUNTED, OTHERS, Tally
from amonsup.wire.turned_away import Reason


def test_it_counts_by_caller_and_reason_and_begins_anew() -> None:
    tally = Tally()
    for _ in range(3):
        tally.add("eve@x.org", Reason.WORDS)
    tally.add("eve@x.org", Reason.FORM)
    assert tally.take() == [("eve@x.org", Reason.WORDS, 3), ("eve@x.org", Reason.FORM, 1)]
    assert tally.take() == []


def test_who_comes_under_many_names_is_counted_as_others() -> None:
    tally = Tally()
    for number in range(10 * MOST):
        tally.add(f"eve{number}@x.org", Reason.WORDS)
    found = tally.take()
    assert len(found) == MOST + 1
    assert found[-1] == (OTHERS, Reason.WORDS, 9 * MOST)


def test_what_is_told_is_what_the_supervisor_hears() -> None:
    from amonsup.supervisor.hearsay import TurnedAway, heard

    tally = Tally()
    tally.add("e\x00v\ne" * 1000, Reason.WORDS, 10 * MOST_COUNTED)
    ((by, reason, count),) = tally.take()
    assert by.isprintable()
    assert (len(by), count) == (LONGEST, MOST_COUNTED)
    assert heard({"do": "turned-away", "by": by, "reason": reason.value, "count": count}, TurnedAway) is not None
