"""How often somebody from afar may ask."""

from __future__ import annotations

from amonsup.supervisor.core.remote import BURST, MOST_CALLERS, PER_S, Throttle


def test_a_burst_and_then_one_at_a_time() -> None:
    throttle = Throttle()
    assert all(throttle.admits("a@x.org", 0.0) for _ in range(BURST))
    assert not throttle.admits("a@x.org", 0.5 / PER_S)
    assert throttle.admits("a@x.org", 1.1 / PER_S)
    assert not throttle.admits("a@x.org", 1.2 / PER_S)


def test_one_does_not_pay_for_another() -> None:
    throttle = Throttle()
    while throttle.admits("eve@x.org", 0.0):
        pass
    assert throttle.admits("admin@x.org", 0.0)


def test_who_asks_under_a_thousand_names_fills_nothing() -> None:
    throttle = Throttle()
    for number in range(2 * MOST_CALLERS):
        throttle.admits(f"eve{number}@x.org", 0.0)
    assert len(throttle._buckets) == MOST_CALLERS
