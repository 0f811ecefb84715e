"""Timers and deferred calls, on a clock that only moves when told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amonsup.loop.loop import Loop


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loop(clock: Clock) -> Iterator[Loop]:
    made = Loop(clock)
    yield made
    made._epoll.close()


def serve(loop: Loop) -> None:
    """One turn that does not wait: something is always due at once."""
    loop.call_soon(lambda: None)
    loop.turn()


def test_a_timer_is_served_when_it_is_due_and_only_once(loop: Loop, clock: Clock) -> None:
    rung: list[float] = []
    loop.call_at(105.0, lambda: rung.append(clock.now))
    serve(loop)
    clock.now = 104.999
    serve(loop)
    assert rung == []
    clock.now = 105.0
    loop.turn()
    clock.now = 200.0
    serve(loop)
    assert rung == [105.0]


def test_timers_are_served_in_the_order_of_their_times(loop: Loop, clock: Clock) -> None:
    rung: list[int] = []
    for at in (5, 1, 4, 2, 3):
        loop.call_at(100.0 + at, lambda at=at: rung.append(at))
    clock.now = 104.0
    loop.turn()
    assert rung == [1, 2, 3, 4]
    clock.now = 110.0
    loop.turn()
    assert rung == [1, 2, 3, 4, 5]


def test_a_cancelled_timer_is_never_served(loop: Loop, clock: Clock) -> None:
    rung: list[str] = []
    cancelled = loop.call_at(101.0, lambda: rung.append("cancelled"))
    loop.call_at(102.0, lambda: rung.append("kept"))
    cancelled.cancel()
    cancelled.cancel()
    clock.now = 103.0
    loop.turn()
    cancelled.cancel()
    assert rung == ["kept"]


def test_a_timer_may_cancel_another_that_is_due_as_well(loop: Loop, clock: Clock) -> None:
    rung: list[str] = []
    second = loop.call_at(102.0, lambda: rung.append("second"))
    loop.call_at(101.0, second.cancel)
    clock.now = 103.0
    loop.turn()
    assert rung == []


def test_a_timer_may_set_another(loop: Loop, clock: Clock) -> None:
    rung: list[float] = []

    def tick() -> None:
        rung.append(clock.now)
        loop.call_at(clock.now + 1.0, tick)

    loop.call_at(101.0, tick)
    for now in (101.0, 101.5, 102.0, 110.0):
        clock.now = now
        serve(loop)
    assert rung == [101.0, 102.0, 110.0], "late is late: missed beats are not made up for"


def test_a_clock_that_jumps_back_only_delays(loop: Loop, clock: Clock) -> None:
    rung: list[float] = []
    loop.call_at(105.0, lambda: rung.append(clock.now))
    clock.now = 50.0
    serve(loop)
    assert rung == []
    clock.now = 105.0
    loop.turn()
    assert rung == [105.0]


def test_soon_is_after_the_timers_and_before_the_next_wait(loop: Loop, clock: Clock) -> None:
    order: list[str] = []
    loop.call_soon(lambda: order.append("soon"))
    loop.call_soon(lambda: loop.call_soon(lambda: order.append("sooner or later")))
    loop.call_at(100.0, lambda: order.append("timer"))
    loop.turn()
    assert order == ["timer", "soon"]
    loop.turn()  # does not wait: what was added meanwhile comes after one more look at the descriptors
    assert order == ["timer", "soon", "sooner or later"]


def test_run_ends_with_stop(loop: Loop, clock: Clock) -> None:
    turns: list[int] = []

    def count() -> None:
        turns.append(1)
        loop.stop() if len(turns) == 3 else loop.call_soon(count)

    loop.call_soon(count)
    loop.run()
    assert len(turns) == 3


def test_with_cancelled_timers_only_there_is_nothing_to_wake_up_for(loop: Loop, clock: Clock) -> None:
    waits: list[float | None] = []

    class Epoll:
        def poll(self, timeout: float | None, _most: int) -> list[tuple[int, int]]:
            waits.append(timeout)
            return []

        def close(self) -> None:
            pass

    loop._epoll.close()
    loop._epoll = Epoll()  # type: ignore[assignment]
    loop.turn()
    timer = loop.call_at(107.0, lambda: None)
    loop.turn()
    timer.cancel()
    loop.turn()
    clock.now = 120.0
    loop.call_at(110.0, lambda: None)
    loop.turn()
    assert waits == [None, 7.0, None, 0.0]
