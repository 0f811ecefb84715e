"""Errands: what is kept of a life for as long as its hooks write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from amonsup.supervisor.errands import Errands, Running


def test_an_output_is_let_go_of_when_nothing_of_its_own_life_writes_there_any_more() -> None:
    """Whatever errands other lives have: otherwise it would stay behind them, and a shutdown would wait for it."""
    over: list[tuple[str, int]] = []
    nobody: Any = SimpleNamespace()
    outputs: Any = SimpleNamespace(over=lambda name, generation: over.append((name, generation)))
    errands = Errands(nobody, nobody, nobody, nobody, outputs, lambda _event: None)
    errands._running["s/hook"] = Running("s", "post_stop", 1, 1)
    errands._running["s/check"] = Running("s", "check", 2, 2)  # says nothing into the log
    errands.let_go("s", 1)
    assert over == []
    errands.let_go("s", 2)
    assert over == [("s", 2)]
    errands._running["s/hook"] = Running("s", "pre_start", 3, 3)
    errands._let_go_now("s", 1)
    errands._let_go_now("s", 1)
    assert over == [("s", 2), ("s", 1)]
