"""Turns of the engine: what is written down, in which order, before anything is done."""

from __future__ import annotations

from typing import Any

from amonsup.config.specs import RestartPolicy
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.engine import REMEMBERED, Engine
from amonsup.supervisor.model import effects as fx
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.records import Hold, Operation, Task
from tests.support.playbook import service


class Log:
    """An engine whose every order, and every write, is a word."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.fleet = Fleet([service("s", restart=RestartPolicy.UNLESS_STOPPED, min_uptime_s=0.0)])
        record: Any = self
        self.engine = Engine(
            lambda: 1000.0, self.fleet, Fleet(), record, lambda: self.words.append("saved"), lambda: None
        )
        self.engine.orders = dict.fromkeys(fx.AnyEffect.__args__, self._order)  # type: ignore[attr-defined]

    def write(self) -> None:
        """As the record."""
        self.words.append("recorded")

    def _order(self, _fleet: Fleet, effect: Any) -> None:
        if not isinstance(effect, (fx.Note, fx.SetTimer, fx.ClearTimer, fx.SetAlarm)):
            self.words.append(type(effect).__name__)

    def command(self, verb: str) -> list[str]:
        self.words.clear()
        task = Task(verb, verb, "alice")
        operation = Operation(id=verb, verb=verb, by="alice", accepted=0.0, targets=("s",), tasks={"s": task})
        self.engine.run(self.fleet, self.fleet.command(operation, 1000.0))
        return self.words

    def happens(self, event: ev.AnyEvent) -> list[str]:
        self.words.clear()
        self.engine.post(event)
        return self.words


def test_a_word_for_the_next_boot_is_written_down_before_what_follows_from_it() -> None:
    log = Log()
    assert log.command("start")[:4] == ["Remember", "saved", "recorded", "Remember"]
    assert log.words[-1] == "Spawn"
    log.happens(ev.Spawned(name="s", generation=1, pid=7, start_ticks=1))
    log.command("stop")
    assert log.words.index("saved") < log.words.index("recorded") < log.words.index("SignalMain")
    assert log.words.count("saved") == 1


def test_a_hold_is_written_down_at_once() -> None:
    log = Log()
    words = log.happens(ev.Held(name="s", hold=Hold(2000.0, "alice")))
    assert words[:2] == ["RememberHold", "saved"]


def test_nothing_is_saved_where_there_is_nothing_to_remember() -> None:
    log = Log()
    log.command("start")
    assert "saved" not in log.happens(ev.Spawned(name="s", generation=1, pid=7, start_ticks=1))


def test_what_acting_causes_comes_before_what_is_queued() -> None:
    log = Log()
    seen: list[str] = []

    def spawn(_fleet: Fleet, effect: Any) -> None:
        log.engine.post(ev.Spawned(name="s", generation=effect.generation, pid=7, start_ticks=1))

    def note(_fleet: Fleet, effect: fx.Note) -> None:
        seen.append(effect.kind)

    log.engine.orders = {**log.engine.orders, fx.Spawn: spawn, fx.Note: note}
    log.engine.post_later([ev.Held(name="s", hold=Hold(2000.0, "alice"))])
    task = Task("start", "start", "alice")
    operation = Operation(id="start", verb="start", by="alice", accepted=0.0, targets=("s",), tasks={"s": task})
    with log.engine.paused():
        log.engine.run(log.fleet, log.fleet.command(operation, 1000.0))
    assert seen == []
    log.engine.pump()
    assert seen == ["started", "running", "held"]


def test_every_word_that_outlives_a_boot_is_one() -> None:
    kinds = fx.AnyEffect.__args__  # type: ignore[attr-defined]
    assert {kind for kind in kinds if kind.__name__.startswith("Remember")} == REMEMBERED
