"""Errands: what is kept of a life for as long as its hooks write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from amonsup.supervisor.errands import Errands, Running


def test_the_output_of_an_earlier_life_does_not_stay_behind_a_later_one() -> None:
    over: list[tuple[str, int]] = []
    nobody: Any = SimpleNamespace()
    outputs: Any = SimpleNamespace(over=lambda name, generation: over.append((name, generation)))
    errands = Errands(nobody, nobody, nobody, nobody, outputs, lambda _event: None)
    errands._running["s/hook"] = Running("s", "post_stop", 1, 1)
    errands.let_go("s", 1)
    assert over == []
    errands.let_go("s", 2)
    assert over == [("s", 1)]
    errands._running.clear()
    errands._let_go_now("s")
    assert over == [("s", 1), ("s", 2)]
