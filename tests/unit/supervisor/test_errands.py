"""Errands: what is kept of a life for as long as its hooks write, what a prober says, and who only watches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from amonsup.config.specs import Healthcheck, ServiceSpec
from amonsup.supervisor.errands import Errands, Running
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import Errand, ServiceState
from amonsup.supervisor.prober_link import ProberLink
from tests.support.playbook import service


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


class Clock:
    """A loop that only tells the time, and keeps what is to be called later."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.later: list[Any] = []

    def now(self) -> float:
        return self.at

    def call_at(self, at: float, call: Any) -> None:
        self.later.append((at, call))


def probing(clock: Any) -> tuple[Errands, list[ev.AnyEvent], list[tuple[str, int]]]:
    """Errands with a prober that has been asked and says nothing by itself; what was posted, what was asked."""
    nobody: Any = SimpleNamespace()
    posted: list[ev.AnyEvent] = []
    asked: list[tuple[str, int]] = []
    errands = Errands(clock, nobody, nobody, nobody, nobody, posted.append)

    def probe(name: str, ticket: int, _check: Healthcheck) -> bool:
        asked.append((name, ticket))
        return True

    errands.probe = probe
    return errands, posted, asked


def check(errands: Errands, token: int) -> None:
    spec = service("s", healthcheck=Healthcheck(tcp="127.0.0.1:1", timeout_s=5.0))
    errands.run(spec, ServiceState(name="s", generation=1), "check", token)


def test_a_verdict_of_an_earlier_service_of_the_name_says_nothing_of_this_one() -> None:
    errands, posted, asked = probing(Clock())
    check(errands, 1)
    errands.forget("s")
    posted.clear()
    check(errands, 1)  # configured again: its errands count from one again
    errands.probed("s", asked[0][1], "", "")
    assert [event for event in posted if isinstance(event, ev.ErrandEnded)] == []
    errands.probed("s", asked[1][1], "refused", "")
    assert posted[-1] == ev.ErrandEnded(name="s", token=1, is_ok=False, reason="refused")


def test_what_an_earlier_supervisor_asked_is_not_answered_to_this_one() -> None:
    _, _, before = predecessor = probing(Clock())
    check(predecessor[0], 1)
    errands, posted, asked = probing(Clock())
    check(errands, 1)
    assert before[0][1] < asked[0][1]
    errands.probed("s", before[0][1], "", "")
    assert [event for event in posted if isinstance(event, ev.ErrandEnded)] == []


@pytest.mark.parametrize(("after_s", "is_overdue"), [(3.0, False), (6.0, True)])
def test_only_a_check_whose_time_is_over_casts_a_doubt(after_s: float, is_overdue: bool) -> None:
    clock = Clock()
    errands, posted, _ = probing(clock)
    doubts: list[float] = []
    errands.overdue = doubts.append
    check(errands, 1)
    clock.at += after_s
    errands.kill("s", "check", 1)  # at its deadline, or because the service goes down
    assert doubts == ([1000.0] if is_overdue else [])
    assert posted[-1] == ev.ErrandEnded(
        name="s", token=1, is_ok=False, reason="the prober did not answer", is_void=True
    )


@pytest.mark.parametrize(("says", "is_hanging"), [(None, True), ("at once", False), ("late", False)])
def test_a_prober_hangs_if_it_answers_nobody(says: str | None, is_hanging: bool) -> None:
    clock: Any = Clock()
    hanging: list[str] = []
    store: Any = SimpleNamespace(keep=lambda *_: None, drop=lambda *_: None, descriptors={})
    link = ProberLink(clock, store, lambda *_: None, lambda: None, lambda: hanging.append("!"))
    channel: Any = SimpleNamespace()
    link._channel = channel
    if says == "at once":
        clock.at += 1
        link._on_message({"do": "verdict"}, [])
    link.overdue(1000.0)
    link.overdue(1000.0)  # of another service
    if says == "late":
        clock.at += 1
        link._on_message({"do": "verdict"}, [])
    for _, call in clock.later:
        call()
    assert hanging == (["!"] if is_hanging else [])


def waiting() -> tuple[Errands, ServiceSpec, ServiceState, list[ev.AnyEvent], list[int]]:
    """A service that reloads by a signal, with such an errand; what was posted, and the signals sent."""
    nobody: Any = SimpleNamespace()
    posted: list[ev.AnyEvent] = []
    sent: list[int] = []

    def signal(_pid: int, _ticks: int, signum: int) -> bool:
        sent.append(signum)
        return True

    watch: Any = SimpleNamespace(signal=signal)
    errands = Errands(nobody, nobody, nobody, watch, nobody, posted.append)
    state = ServiceState(name="s", phase=Phase.RUNNING, pid=7, errands=(Errand("reload", 1, 1),))
    return errands, service("s", reload_signal=1), state, posted, sent


def test_who_only_watches_starts_nothing_before_the_end_of_that() -> None:
    errands, spec, state, posted, sent = waiting()
    errands.postpone()
    errands.postpone()
    errands.run(spec, state, "reload", 1)
    assert (posted, sent) == ([], [])
    errands.resume()
    assert sent == [1]
    assert posted == [ev.ErrandEnded(name="s", token=1, is_ok=True)]
    errands.resume()
    assert sent == [1]


def test_what_was_given_up_meanwhile_is_not_made_up_for() -> None:
    errands, spec, state, posted, sent = waiting()
    errands.postpone()
    errands.run(spec, state, "reload", 1)
    state.phase = Phase.STOPPING
    errands.resume()
    assert sent == []
    assert [(event.token, event.is_ok) for event in posted if isinstance(event, ev.ErrandEnded)] == [(1, False)]


def test_what_is_killed_before_its_time_ends_at_once() -> None:
    errands, spec, state, posted, sent = waiting()
    errands.postpone()
    errands.run(spec, state, "reload", 1)
    errands.kill("s", "reload", 1)
    assert [(event.token, event.is_void) for event in posted if isinstance(event, ev.ErrandEnded)] == [(1, True)]
    errands.resume()
    assert sent == []
    assert len(posted) == 1


def test_what_is_forgotten_is_not_made_up_for() -> None:
    errands, spec, state, posted, sent = waiting()
    errands.postpone()
    errands.run(spec, state, "reload", 1)
    errands.forget("s")
    errands.resume()
    assert (posted, sent) == ([], [])
