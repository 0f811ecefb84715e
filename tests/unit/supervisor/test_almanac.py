"""The one timer for the wall clock: armed for the nearest moment, read again when the clock jumps, silent otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pytest

from amonsup.config.specs import ServiceSpec, ServiceType
from amonsup.loop.loop import Loop
from amonsup.supervisor import almanac
from amonsup.supervisor.adapters import clock
from amonsup.supervisor.almanac import LOOK_AGAIN_S, Almanac
from amonsup.supervisor.model.events import ClockRead
from amonsup.supervisor.model.records import ServiceState


class Desk:
    """A loop whose time stands still, a wall clock that is set, and what was posted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_told: bool = True) -> None:
        self.now, self.wall = 100.0, 5000.0
        self.posted: list[str] = []
        self.asked = 0
        self.told: list[Callable[[], None]] = []

        def on_set(_loop: Loop, then: Callable[[], None]) -> bool:
            self.asked += 1
            self.told.append(then)
            return is_told

        monkeypatch.setattr(clock, "on_set", on_set)
        self.loop = Loop(lambda: self.now)
        self.almanac = Almanac(self.loop, lambda: self.wall, self.look, self.post)

    def look(self, name: str, wall: float) -> ClockRead:
        return ClockRead(name=name, wall=wall)

    def post(self, events: Sequence[ClockRead]) -> None:
        self.posted += [f"{event.name} {event.wall:g}" for event in events]

    def turn(self) -> None:
        self.loop.call_soon(lambda: None)  # do not wait
        self.loop.turn()

    def pass_time(self, seconds: float, wall_s: float | None = None) -> list[str]:
        self.now += seconds
        self.wall += seconds if wall_s is None else wall_s
        self.turn()
        self.turn()
        said, self.posted = self.posted, []
        return said

    def due(self) -> list[float]:
        return sorted(timer.at - self.now for timer in self.loop._timers if timer.callback is not None)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_nothing_is_armed_or_asked_without_an_alarm(desk: Desk) -> None:
    desk.almanac.set("a", 0.0)
    desk.turn()
    assert (desk.due(), desk.asked) == ([], 0)


def test_each_alarm_once_at_its_moment(desk: Desk) -> None:
    desk.almanac.set("a", 5010.0)
    desk.almanac.set("b", 5020.0)
    desk.turn()
    assert desk.due() == [10.0]
    assert desk.pass_time(9.0) == []
    assert desk.pass_time(1.0) == ["a 5010"]
    assert desk.due() == [10.0]
    assert desk.pass_time(10.0) == ["b 5020"]
    assert desk.due() == []
    assert desk.asked == 1


def test_a_later_word_replaces_the_earlier(desk: Desk) -> None:
    desk.almanac.set("a", 5010.0)
    desk.almanac.set("a", 9000.0)
    desk.turn()
    assert desk.pass_time(100.0) == []
    desk.almanac.set("a", 0.0)
    desk.turn()
    assert desk.due() == []


def test_what_is_over_is_read_at_once(desk: Desk) -> None:
    desk.almanac.set("a", 1.0)
    desk.turn()
    assert desk.pass_time(0.0) == ["a 5000"]


def test_a_timer_that_is_early_by_the_wall_clock_waits_for_the_rest(desk: Desk) -> None:
    desk.almanac.set("a", 5010.0)
    desk.turn()
    assert desk.pass_time(10.0, wall_s=9.5) == []
    assert desk.due() == [0.5]
    assert desk.pass_time(0.5) == ["a 5010"]


def test_when_the_clock_jumps_everybody_reads_it(desk: Desk) -> None:
    desk.almanac.set("a", 5010.0)
    desk.almanac.set("b", 90_000.0)
    desk.turn()
    desk.wall += 50_000
    desk.told[0]()
    assert desk.pass_time(0.0) == ["a 55000", "b 55000"]


def test_where_nobody_tells_it_looks_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, is_told=False)
    desk.almanac.set("a", 5000.0 + 3 * LOOK_AGAIN_S)
    desk.turn()
    assert desk.due() == [LOOK_AGAIN_S]
    assert desk.pass_time(LOOK_AGAIN_S) == []
    assert desk.due() == [LOOK_AGAIN_S]
    assert desk.pass_time(LOOK_AGAIN_S, wall_s=10 * LOOK_AGAIN_S) == ["a 44600"]


def test_the_kernel_is_asked_to_tell() -> None:
    """The real descriptor: watched, silent as long as nobody sets the clock, and closed with the process."""
    try:
        from amonsup.supervisor.adapters import _spawner
    except ImportError:
        pytest.skip("there is no C spawner here")
    fd = _spawner.clock_descriptor()
    try:
        os.set_blocking(fd, False)
        with pytest.raises(BlockingIOError):
            os.read(fd, 8)
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)
    assert clock.on_set(Loop(), lambda: None) is True


# ---- what clock and calendar say -----------------------------------------------------------------------------------

NOON = 1_772_366_400.0  # 2026-03-01 12:00:00 UTC
MINUTE = 60.0


def read(dealt: float, wall: float, schedule: str = "*/10 * * * *", calendar: str = "") -> ClockRead:
    spec = ServiceSpec(name="job", command=("x",), type=ServiceType.ONESHOT, schedule=schedule, time_zone="UTC")
    return almanac.read(spec, ServiceState(name="job", calendar=calendar or f"{schedule} UTC", dealt=dealt), wall)


def test_without_a_schedule_only_the_time_is_read() -> None:
    spec = ServiceSpec(name="s", command=("x",))
    assert almanac.read(spec, ServiceState(name="s"), 7.0) == ClockRead(name="s", wall=7.0)


@pytest.mark.parametrize(
    ("dealt", "wall", "passed", "is_now"),
    [
        (NOON + 1, NOON + 599, 0, False),
        (NOON + 1, NOON + 600, 1, True),
        (NOON + 1, NOON + 659, 1, True),
        (NOON + 1, NOON + 660, 1, False),
        (NOON + 1, NOON + 1200, 2, True),
        (NOON + 600, NOON + 601, 0, False),  # dealt with already, although it was just now
        (0.0, NOON, 0, False),
        (NOON + 900, NOON, 0, False),
        (1.0, NOON, 100, True),
    ],
)
def test_what_has_passed(dealt: float, wall: float, passed: int, is_now: bool) -> None:
    found = read(dealt, wall)
    assert (found.passed, found.is_now) == (passed, is_now)
    assert found.next > wall
    assert found.next % 600 == 0
    assert bool(found.first) == bool(passed)


def test_another_calendar_has_nothing_in_arrears() -> None:
    assert read(NOON, NOON + 10_000, calendar="@daily UTC").passed == 0


@pytest.mark.parametrize(("schedule", "is_often"), [("* * * * *", True), ("0 * * * *", True), ("0 */2 * * *", False)])
def test_how_often(schedule: str, is_often: bool) -> None:
    assert read(NOON, NOON + 1, schedule).is_often is is_often
