"""The watch as the logger and the supervisor carry it out together, killed wherever they can be."""

from __future__ import annotations

import heapq
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from amonsup.config.specs import Logging, ServiceSpec, WatchRule
from amonsup.logs.watches import Watches
from amonsup.logs.watching import Rule
from amonsup.supervisor import matches
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.matches import Matches, rules_of
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.tidings import Tidings


class FakeLoop:
    """Time that is moved by hand. `clear` is what a death does to a loop."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.calls: list[tuple[float, int, Any]] = []
        self.order = itertools.count()

    def now(self) -> float:
        return self.at

    def call_soon(self, callback: Any) -> None:
        self.call_at(0.0, callback)

    def call_at(self, at: float, callback: Any) -> FakeTimer:
        timer = FakeTimer(callback)
        heapq.heappush(self.calls, (at, next(self.order), timer))
        return timer

    def run(self, until: float = 0.0) -> None:
        """Everything that is due until then; time stands still meanwhile."""
        while self.calls and self.calls[0][0] <= max(self.at, until):
            at, _, timer = heapq.heappop(self.calls)
            self.at = max(self.at, at)
            if timer.callback is not None:
                timer.callback()

    def advance(self, seconds: float) -> None:
        self.run(self.at + seconds)
        self.at = max(self.at, self.at)


class FakeTimer:
    def __init__(self, callback: Any) -> None:
        self.callback = callback

    def cancel(self) -> None:
        self.callback = None


class Text:
    """A log in memory. `lost`: what lies before it is gone."""

    def __init__(self) -> None:
        self.raw = b""
        self.lost = 0
        self.lives: list[tuple[int, int]] = [(0, 1)]

    def read(self, position: int, size: int) -> tuple[int, bytes]:
        position = max(position, self.lost)
        return position, self.raw[position : position + size]

    def end(self) -> int:
        return len(self.raw)

    def generation(self, position: int) -> int:
        return [life for at, life in self.lives if at <= position][-1]

    def close(self) -> None:
        pass


class World:
    """Logger and supervisor of one service `s` with one log; what is on disk outlives both."""

    def __init__(self, path: Path, *rules: WatchRule) -> None:
        self.path = path
        (path / "state").mkdir()
        self.spec = ServiceSpec(name="s", command=("x",), logging=Logging(watch=rules))
        self.log = Text()
        self.to_supervisor: list[Any] = []  # what was sent survives the sender
        self.to_logger: list[Any] = []
        self.complaints: list[str] = []
        self.condemned: list[ev.AnyEvent] = []
        self.loop = FakeLoop()
        self.begin_supervisor()
        self.begin_logger()

    def begin_logger(self) -> None:
        self.to_logger.clear()
        self.logger_loop = FakeLoop()
        self.logger_loop.at = self.loop.at
        self.watches = Watches(
            self.logger_loop,
            str(self.path),
            lambda message: self.to_supervisor.append(json.loads(json.dumps(message))),
            lambda service, text: self.complaints.append(text),
        )
        self.matches.connect(lambda message, fds: self.to_logger.append(message))
        self.hear()

    def begin_supervisor(self) -> None:
        self.tidings = Tidings(str(self.path / "state"))
        self.matches = Matches(self.loop, Fleet([self.spec]), self.tidings, self.condemned.append)
        if hasattr(self, "watches"):
            self.matches.connect(lambda message, fds: self.to_logger.append(message))

    def hear(self) -> None:
        """The logger takes in what it was told."""
        while self.to_logger:
            message = self.to_logger.pop(0)
            if message["do"] == "watch":
                rules = [Rule(*each) for each in message["rules"]]
                self.watches.begin("s", "s.log", rules, self.log)
            else:
                self.watches.acknowledged(message["log"], message["number"])
        self.logger_loop.run()

    def tell(self) -> None:
        """The supervisor takes in what it was told."""
        while self.to_supervisor:
            self.matches.told(self.to_supervisor.pop(0), [])
        self.loop.run()

    def settle(self) -> None:
        for _ in range(10_000):
            self.logger_loop.run()
            if not self.to_supervisor and not self.to_logger:
                return
            self.tell()
            self.hear()
        raise AssertionError("it does not settle")

    def write(self, *lines: str) -> None:
        self.log.raw += "".join(line + "\n" for line in lines).encode()
        self.watches.grown("s.log")

    def pass_time(self, seconds: float) -> None:
        self.loop.at += seconds
        self.logger_loop.at += seconds
        self.logger_loop.run()
        self.loop.run()

    def events(self) -> list[Any]:
        return [each for each in self.tidings.happenings() if each.match]

    def texts(self) -> list[str]:
        return [each.text for each in self.events()]

    def count(self) -> int:
        return sum(1 + each.suppressed for each in self.events())


def test_a_match_is_an_event(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad", then="event"), WatchRule(match="luck"))
    world.write("good", "bad luck", "bad")
    world.settle()
    assert [(e.kind, e.service, e.rule, e.text, e.generation, e.cursor) for e in world.events()] == [
        ("watch", "s", "bad", "bad luck", 1, "s.log@5"),
        ("alert", "s", "luck", "bad luck", 1, "s.log@5"),
        ("watch", "s", "bad", "bad", 1, "s.log@14"),
    ]


def test_what_was_there_before_the_rule_is_not_judged(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.log.raw = b"bad\n"
    world.spec = ServiceSpec(name="s", command=("x",), logging=Logging(watch=(WatchRule(match="bad"),)))
    world.begin_supervisor()
    world.settle()
    world.write("bad again")
    world.settle()
    assert world.texts() == ["bad again"]


def test_the_logger_goes_on_where_it_died(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad"))
    world.write("bad 1")
    world.settle()
    world.log.raw += b"bad 2\n"  # while there is no logger
    world.begin_logger()
    world.settle()
    assert world.texts() == ["bad 1", "bad 2"]


@pytest.mark.parametrize("is_told", [False, True])
def test_a_supervisor_that_dies_over_a_match(tmp_path: Path, is_told: bool) -> None:
    """Told of it or not, it had not acknowledged; its successor hears of it again."""
    world = World(tmp_path, WatchRule(match="bad"))
    world.write("bad 1")
    world.logger_loop.run()
    assert len(world.to_supervisor) == 1
    if is_told:
        world.tell()
    world.to_supervisor.clear()
    world.to_logger.clear()
    world.begin_supervisor()
    world.hear()
    world.settle()
    world.write("bad 2")
    world.settle()
    assert world.texts() == ["bad 1", "bad 2"]


def test_a_record_that_was_lost_begins_anew(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad"))
    world.write("bad 1")
    world.settle()
    (tmp_path / ".watch" / "s.log").write_bytes(b"junk")
    world.begin_logger()
    world.write("bad 2")
    world.settle()
    assert world.texts() == ["bad 1", "bad 2"]


def test_what_every_suppresses_is_told_when_the_time_is_over(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad", every_s=10.0))
    world.write(*(f"bad {number}" for number in range(5)))
    world.settle()
    assert world.texts() == ["bad 0"]
    world.pass_time(11.0)
    world.settle()
    assert [(e.text, e.suppressed) for e in world.events()] == [("bad 0", 0), ("bad 4", 3)]
    assert not [timer for _, _, timer in world.logger_loop.calls if timer.callback], "nothing is left to wake for"


def test_a_flood_is_counted_not_told(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad"))
    world.write(*(f"bad {number}" for number in range(5000)))
    world.settle()
    world.pass_time(2.0)
    world.settle()
    assert world.count() == 5000
    assert len(world.events()) == 11


def test_a_restart_names_the_life_that_wrote_the_line(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad", then="restart", every_s=60.0))
    world.log.lives.append((10, 2))
    world.write("good good", "bad", "bad")
    world.settle()
    world.pass_time(61.0)
    world.settle()
    assert world.condemned == [ev.Condemned(name="s", generation=2, why="watch rule bad: bad")]
    assert world.count() == 2


def test_the_last_line_of_a_life_counts_without_its_end(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad"))
    world.log.raw = b"good\nbad end"
    world.watches.life_over("s.log")
    world.settle()
    world.write(" of the next life", "bad")
    world.settle()
    assert world.texts() == ["bad end", "bad"]


def test_what_is_gone_before_it_was_judged_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad"))
    world.log.raw = b"bad\n" * 10
    world.log.lost = 20
    world.watches.grown("s.log")
    world.settle()
    assert world.count() == 5
    assert world.complaints == ["20 bytes of s.log were gone before they could be watched"]


def test_a_rule_that_an_apply_took_away_does_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad", then="restart"))
    world.write("bad")
    world.logger_loop.run()
    world.spec = ServiceSpec(name="s", command=("x",), logging=Logging(watch=(WatchRule(match="good"),)))
    world.begin_supervisor()
    world.settle()
    assert world.events() == []
    assert world.condemned == []
    world.write("good")
    world.settle()
    assert world.texts() == ["good"]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"log": 7},
        {"log": "other.log"},
        {"rules": ["00000000"], "suppressed": []},
        {"rules": "x"},
        {"number": "1"},
    ],
)
def test_the_logger_is_believed_in_nothing_else(tmp_path: Path, message: dict[str, Any]) -> None:
    world = World(tmp_path, WatchRule(match="bad", then="restart"))
    key = rules_of(world.spec)[0][0]
    good = {
        "do": "match",
        "service": "s",
        "log": "s.log",
        "epoch": "e",
        "number": 1,
        "position": 0,
        "generation": 1,
        "rules": [key],
        "suppressed": [0],
        "late": False,
        "text": "bad",
    }
    world.matches.told({**good, **message} if message else {"do": "match"}, [])
    assert world.events() == []
    assert world.condemned == []
    world.matches.told({**good, "text": "x" * 5000 + "\x1b"}, [])
    assert [len(text) for text in world.texts()] == [500]


def test_the_rate_of_matches_is_bounded(tmp_path: Path) -> None:
    world = World(tmp_path, WatchRule(match="bad"))
    key = rules_of(world.spec)[0][0]
    for number in range(2000):
        world.matches.told(
            {
                "do": "match",
                "service": "s",
                "log": f"s.{number}",
                "epoch": f"e{number}",
                "number": 1,
                "position": 0,
                "generation": 1,
                "rules": [key],
                "suppressed": [0],
                "late": False,
                "text": "bad",
            },
            [],
        )
    assert len(world.events()) == matches.BURST


@pytest.mark.parametrize("seed", range(40))
def test_every_match_once_whoever_dies_and_when(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rules = [WatchRule(match="bad"), WatchRule(match="worse", every_s=3.0)][: 1 + seed % 2]
    world = World(tmp_path, *rules)
    wanted = 0
    for number in range(300):
        step = chance.randrange(12)
        if step < 5:
            word = chance.choice(["good", "bad", "worse", "bad worse"])
            wanted += sum(rule.match in word for rule in rules)
            world.write(f"{word} {number}")
        elif step == 5:
            world.logger_loop.run()
        elif step == 6 and world.to_supervisor:
            world.matches.told(world.to_supervisor.pop(0), [])
        elif step == 7:
            world.hear()
        elif step == 8:
            world.pass_time(chance.choice([0.1, 1.0, 5.0]))
        elif step == 9:
            world.begin_logger()
        elif step == 10:
            world.to_logger.clear()
            if chance.random() < 0.5 and world.to_supervisor:
                world.to_supervisor.pop(0)  # it had been read
            world.begin_supervisor()
        else:
            world.settle()
    for _ in range(3):
        world.begin_logger()
        world.settle()
        world.pass_time(10.0)
        world.settle()
    assert world.count() == wanted
