"""Health: when a service counts as healthy, what unhealthy does, and that late verdicts do nothing."""

from __future__ import annotations

from typing import Any

import pytest

from amonsup.config.specs import Backoff, Healthcheck, RestartPolicy
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase, State, public
from tests.support.playbook import Playbook, healthy, service

CHECK = Healthcheck(test=("/bin/check",), interval_s=10.0, timeout_s=3.0, retries=3, start_period_s=20.0)


def checked(*dependants: Any, **fields: Any) -> Playbook:
    check = Healthcheck(**{**{f: getattr(CHECK, f) for f in CHECK.__struct_fields__}, **fields})
    return Playbook(service("s", min_uptime_s=0.0, healthcheck=check), *dependants)


def public_word(book: Playbook) -> State:
    state = book.state("s")
    return public(state.phase, state.health)


def test_one_success_is_health() -> None:
    book = checked()
    assert book.start("s")
    assert (book.state("s").health, public_word(book)) == ("starting", State.RUNNING)
    book.advance(1.0)
    assert book.state("s").health == "healthy"
    assert book.said("s", "healthy") == [""]
    book.advance(100.0)
    assert book.said("s", "healthy") == [""], "said once"
    assert 10 <= book.take().count("s: check") <= 13


def test_failures_while_it_comes_up_do_not_count() -> None:
    book = checked()
    book.failing["check"] = "exit 1"
    book.start("s")
    book.advance(19.0)
    assert (book.state("s").health, book.state("s").failures) == ("starting", 0)
    book.advance(35.0)
    assert book.said("s", "unhealthy") == ["exit 1"]


def test_but_they_do_once_it_was_healthy() -> None:
    book = checked(interval_s=1.0, on_failure="none")
    book.start("s")
    book.advance(2.0)
    book.failing["check"] = "exit 1"
    book.advance(4.0)
    assert book.state("s").health == "unhealthy"


def test_unhealthy_restarts_through_the_back_off() -> None:
    book = checked(start_period_s=0.0)
    book.failing["check"] = "exit 1"
    book.start("s")
    book.advance(30.0)
    assert book.said("s", "failed") == ["unhealthy: exit 1"]
    assert book.said("s", "check-failed")[0] == "exit 1"
    assert book.state("s").exits[-1].reason == "killed by 15 (unhealthy: exit 1)"
    assert (book.state("s").restarts, book.state("s").generation) == (1, 2)


@pytest.mark.parametrize("policy", [RestartPolicy.NO, RestartPolicy.ON_FAILURE])
def test_the_policy_decides(policy: RestartPolicy) -> None:
    check = Healthcheck(test=("/bin/check",), interval_s=1.0, retries=1, start_period_s=0.0)
    spec = service("s", min_uptime_s=0.0, healthcheck=check, restart=policy, backoff=Backoff(initial_s=99.0))
    book = Playbook(spec)
    book.failing["check"] = "exit 1"
    book.start("s")
    book.advance(3.0)
    assert book.phase("s") is (Phase.EXITED if policy is RestartPolicy.NO else Phase.BACKOFF)


def test_unhealthy_and_left_alone() -> None:
    book = checked(on_failure="none", start_period_s=0.0)
    book.failing["check"] = "exit 1"
    book.start("s")
    book.advance(40.0)
    assert (book.phase("s"), public_word(book)) == (Phase.RUNNING, State.UNHEALTHY)
    assert book.said("s", "unhealthy") == ["exit 1"]
    book.failing.clear()
    book.advance(11.0)
    assert (public_word(book), book.state("s").failures) == (State.RUNNING, 0)


def test_a_success_breaks_the_row() -> None:
    book = checked(interval_s=1.0, start_period_s=0.0)
    book.start("s")
    for _ in range(4):
        book.failing["check"] = "exit 1"
        while book.state("s").failures < 2:
            book.advance(0.1)
        book.failing.clear()
        while book.state("s").failures:
            book.advance(0.1)
    assert book.said("s", "unhealthy") == []


def test_dependants_wait_for_it() -> None:
    book = checked(service("dependant", healthy("s")))
    book.slow.add("check")
    operation = book.start("dependant")
    book.advance(2.0)
    assert (book.phase("s"), book.phase("dependant")) == (Phase.RUNNING, Phase.WAITING)
    book.chore_ends("s", "check")
    assert book.phase("dependant") is Phase.STARTING
    book.advance(1.0)
    assert book.outcome(operation) == "ok"


def test_a_dependant_of_what_stays_unhealthy_is_told() -> None:
    book = checked(service("dependant", healthy("s")), on_failure="none", start_period_s=0.0, retries=1)
    book.failing["check"] = "exit 1"
    operation = book.start("dependant")
    book.advance(2.0)
    assert book.outcome(operation) == "its dependency s is unhealthy: exit 1"
    assert book.phase("dependant") is Phase.WAITING
    book.failing.clear()
    book.advance(11.0)
    assert book.phase("dependant") is Phase.RUNNING


def test_who_runs_stays_when_it_becomes_unhealthy() -> None:
    book = checked(service("dependant", healthy("s")), on_failure="none", interval_s=1.0)
    book.up("s", "dependant")
    book.failing["check"] = "exit 1"
    book.advance(10.0)
    assert (public_word(book), book.phase("dependant")) == (State.UNHEALTHY, Phase.RUNNING)


def test_a_check_that_hangs() -> None:
    book = checked(start_period_s=0.0)
    book.slow.add("check")
    book.start("s")
    book.advance(1.0)
    assert book.take()[-1] == "s: check"
    book.advance(3.0)
    assert book.take() == ["s: kill check"]
    assert (book.state("s").failures, book.state("s").verdict) == (1, "not done within 3 s, killed")


def test_one_that_found_nothing_out_does_not_count() -> None:
    book = checked(start_period_s=0.0, retries=1)
    book.slow.add("check")
    book.start("s")
    for _ in range(5):
        book.advance(2.0)
        book.chore_ends("s", "check", "no memory", is_void=True)
    assert (book.state("s").health, book.state("s").failures) == ("starting", 0)


def test_going_down_ends_it() -> None:
    book = checked()
    book.slow.add("check")
    book.start("s")
    book.advance(1.0)
    book.deaf.add("s")
    book.take()
    book.stop("s")
    assert book.take()[0] == "s: kill check"
    assert (book.state("s").health, book.deadlines.get(("s", "health"))) == ("", None)


def test_a_late_verdict_of_an_earlier_life_means_nothing() -> None:
    book = checked(retries=1, start_period_s=0.0)
    book.slow.add("check")
    book.start("s")
    book.advance(1.0)
    token = book.chores["s", "check"].token
    book.exits("s", code=1)
    assert (book.phase("s"), book.state("s").generation) == (Phase.RUNNING, 2)
    before = book.state("s").__copy__()
    verdict = ev.ErrandEnded(name="s", token=token, is_ok=False, reason="exit 1")
    assert book.fleet.handle([verdict], book.now) == []
    assert book.state("s") == before


def test_an_apply_brings_it_and_takes_it_away() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.apply(service("s", healthcheck=CHECK))
    book.advance(1.0)
    assert book.state("s").health == "healthy"
    book.apply(service("s"))
    assert (book.state("s").health, book.deadlines) == ("", {})
    assert book.state("s").generation == 1


def test_many_are_spread() -> None:
    book = Playbook(*(service(f"s{n}", min_uptime_s=0.0, healthcheck=CHECK) for n in range(50)))
    book.start(*book.fleet.specs)
    first = sorted(at for _, at in book.deadlines.values())
    assert first[-1] - first[0] > 0.8
    assert max(sum(1 for at in first if begin <= at < begin + 0.1) for begin in first) < 15
