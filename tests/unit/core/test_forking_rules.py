"""Type forking: the starter's end is the daemon's beginning. And deadlines that a service asks to have extended."""

from __future__ import annotations

import pytest

from amonsup.config.specs import Backoff, RestartPolicy, ServiceType
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from tests.support.playbook import Playbook, service


def forking(**fields: object) -> Playbook:
    return Playbook(service("s", type=ServiceType.FORKING, **fields), service("dependant", "s"))


def test_the_daemon_is_what_runs() -> None:
    book = forking()
    operation = book.start("s", "dependant")
    starter = book.state("s").pid
    assert (book.phase("s"), book.phase("dependant")) == (Phase.STARTING, Phase.WAITING)
    book.exits("s", code=0)
    assert book.phase("s") is Phase.RUNNING
    assert book.state("s").pid not in (0, starter)
    assert book.outcome(operation, "s") == "ok"
    book.take()
    book.exits("s", signal=11)
    assert book.take() == ["s: sweep", "s: spawn 2"]
    assert book.state("s").exits[-1].reason == "killed by 11"


@pytest.mark.parametrize("end", [{"code": 1}, {"signal": 15}, {}])
def test_a_starter_that_fails(end: dict[str, int]) -> None:
    book = forking(backoff=Backoff(initial_s=5.0))
    operation = book.start("s")
    book.exits("s", **end)
    assert book.phase("s") is Phase.BACKOFF
    assert book.outcome(operation) not in (None, "ok")


@pytest.mark.parametrize("policy", RestartPolicy)
def test_no_daemon(policy: RestartPolicy) -> None:
    book = forking(restart=policy, backoff=Backoff(initial_s=5.0))
    book.lost.add("s")
    operation = book.start("s")
    book.exits("s", code=0)
    assert book.outcome(operation) == "no daemon"
    assert book.phase("s") is (Phase.EXITED if policy is RestartPolicy.NO else Phase.BACKOFF)


def test_the_search_is_bounded_by_the_start() -> None:
    book = forking(start_timeout_s=9.0, restart=RestartPolicy.NO)
    operation = book.start("s")
    book.answers_at_once = False
    book.exits("s", code=0)
    book.answer()
    book.advance(9.1)
    assert "not up within 9 s" in (book.outcome(operation) or "")
    assert book.phase("s") is Phase.CLEANING


def test_a_stop_during_the_search() -> None:
    book = forking()
    book.start("s")
    book.answers_at_once = False
    book.exits("s", code=0)
    book.answer()
    operation = book.stop("s")
    while book.pending:
        book.answer()
    assert (book.phase("s"), book.outcome(operation)) == (Phase.STOPPED, "ok")


def test_stale() -> None:
    book = forking()
    book.start("s")
    book.exits("s", code=0)
    before = book.state("s").__copy__()
    for generation in (0, before.generation):
        for event in (ev.MainFound("s", generation, 99, 99), ev.MainMissing("s", generation, "no")):
            assert book.fleet.handle([event], book.now) == []
    assert book.state("s") == before


def notifying(**fields: float) -> Playbook:
    return Playbook(service("s", type=ServiceType.NOTIFY, **fields))


def test_a_start_is_extended() -> None:
    book = notifying(start_timeout_s=10.0)
    book.start("s")
    book.advance(9.0)
    book.notice("s", extend_s=5.0)
    book.advance(4.9)
    assert book.phase("s") is Phase.STARTING
    book.notice("s", extend_s=1.0)
    book.advance(0.9)
    assert book.phase("s") is Phase.STARTING
    book.advance(0.2)
    assert book.said("s", "failed") == ["not up within 10 s (start_timeout)"]


def test_never_shortened() -> None:
    book = notifying(start_timeout_s=10.0)
    book.start("s")
    book.notice("s", extend_s=1.0)
    assert book.due_in("s") == 10.0


def test_a_stop_is_extended() -> None:
    book = notifying(stop_grace_period_s=10.0)
    book.up("s")
    book.deaf.add("s")
    book.stop("s")
    book.advance(9.0)
    book.notice("s", extend_s=30.0)
    book.advance(29.0)
    assert book.said("s", "killed") == []
    book.advance(1.1)
    assert len(book.said("s", "killed")) == 1


def test_the_watchdog_is_extended() -> None:
    book = notifying(watchdog_s=20.0)
    book.up("s")
    book.notice("s", extend_s=60.0)
    book.advance(59.0)
    assert book.phase("s") is Phase.RUNNING
    book.notice("s", is_alive=True)
    assert book.due_in("s") == 20.0
