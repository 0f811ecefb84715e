"""How often somebody from afar may ask, and what a ceiling says."""

from __future__ import annotations

from amonsup.config.roles import Role
from amonsup.supervisor.core.remote import (
    BURST,
    MOST_CALLERS,
    NAMED,
    PER_S,
    Throttle,
    beyond_services,
    beyond_the_site,
)


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


def test_a_ceiling_names_the_key_and_the_value_that_would_allow_it() -> None:
    assert beyond_the_site("apply", Role.ADMIN, Role.OPERATOR) == (
        "apply needs the role admin, and from afar nobody has more than operator: "
        "`xmpp.remote: admin` in amonsup.yaml would allow it"
    )
    assert beyond_services("stop", Role.OPERATOR, ("web", "db")) == (
        "stop of web, db is not allowed from afar: `remote: operator` in conf.d, at the service, would allow it"
    )
    many = [f"s{number}" for number in range(NAMED + 2)]
    assert "s4 and 2 more is not allowed" in beyond_services("stop", Role.OPERATOR, many)
