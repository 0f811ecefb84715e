"""Accepted commands: settled target by target, finished once, kept a while."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amonsup.supervisor.core.operations import KEPT_FINISHED, Operations
from amonsup.supervisor.model.records import Operation, Outcome, Task


def an_operation(name: str, *targets: str) -> Operation:
    tasks = {target: Task(name, "start", "alice") for target in targets}
    return Operation(id=name, verb="start", by="alice", accepted=1.0, targets=targets, tasks=tasks)


def test_it_is_finished_with_its_last_target() -> None:
    operations = Operations()
    operations.add(an_operation("op", "a", "b"))
    assert not operations.settle("op", "a", Outcome(True), 2.0)
    assert [each.id for each in operations.open()] == ["op"]
    assert operations.settle("op", "b", Outcome(False, "no"), 3.0)
    assert operations.open() == []
    assert operations.known["op"].finished == 3.0


def test_what_is_unknown_or_over_stays_as_it_is() -> None:
    operations = Operations()
    operations.add(an_operation("op", "a"))
    assert not operations.settle("other", "a", Outcome(True), 2.0)
    operations.settle("op", "a", Outcome(True), 2.0)
    assert not operations.settle("op", "a", Outcome(False, "late"), 3.0)
    assert operations.known["op"].outcomes == {"a": Outcome(True)}


@given(st.integers(0, 400), st.integers(0, 50))
def test_open_ones_are_never_dropped_and_finished_ones_are_bounded(finished: int, still_open: int) -> None:
    operations = Operations()
    for number in range(still_open):
        operations.add(an_operation(f"open-{number}", "a"))
    for number in range(finished):
        operations.add(an_operation(f"done-{number}", "a"))
        operations.settle(f"done-{number}", "a", Outcome(True), 2.0)
    operations.add(an_operation("last", "a"))
    assert len(operations.open()) == still_open + 1
    assert len(operations.known) == still_open + 1 + min(finished, KEPT_FINISHED)
    if finished:
        assert f"done-{finished - 1}" in operations.known
