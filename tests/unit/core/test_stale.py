"""Late events: in every phase, what belongs to an earlier life or deadline changes nothing and orders nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amonsup.config.specs import Backoff, RestartPolicy, ServiceType
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import ExitReport, Stray
from tests.support.playbook import Playbook, service


def brought_to(phase: Phase, *, is_born: bool = True) -> Playbook:
    """A service in `phase` that has had a life before, and a live dependant where that is needed to stay there."""
    spec = service(
        "s",
        type=ServiceType.NOTIFY,
        watchdog_s=7.0,
        restart=RestartPolicy.ON_FAILURE,
        backoff=Backoff(initial_s=5.0),
    )
    book = Playbook(service("dep"), spec, service("dependant", "s"))
    book.up("s", "dep")
    book.exits("s", code=0)
    book.exits("s", code=0)
    if phase is Phase.STOPPED:
        book.stop("s")
        book.fleet.states["s"].phase = Phase.STOPPED
    elif phase is Phase.WAITING:
        book.fleet.is_watching_only = True
        book.start("s")
    elif phase is Phase.FATAL:
        book.fleet.states["s"].phase = Phase.FATAL
    elif phase is not Phase.EXITED:
        book.answers_at_once = is_born
        book.start("s")
        if phase is not Phase.STARTING:
            book.notice("s", is_ready=True)
        if phase is Phase.BACKOFF:
            book.exits("s", code=1)
        elif phase is Phase.DRAINING:
            book.up("dependant")
            book.deaf |= {"s", "dependant"}
            book.stop("s")
        elif phase is Phase.STOPPING:
            book.deaf.add("s")
            book.stop("s")
        elif phase is Phase.CLEANING:
            book.clinging.add("s")
            book.stop("s")
        elif phase is Phase.QUARANTINED:
            book.fleet.states["s"].phase = Phase.QUARANTINED
    assert book.phase("s") is phase
    return book


STALE: dict[str, Callable[[int, int], ev.AnyEvent]] = {
    "Spawned": lambda g, _pid: ev.Spawned(name="s", generation=g, pid=99, start_ticks=1, digest="old"),
    "SpawnFailed": lambda g, _pid: ev.SpawnFailed(name="s", generation=g, reason="no"),
    "SpawnFailed, transient": lambda g, _pid: ev.SpawnFailed("s", g, "no", is_transient=True),
    "Unborn": lambda g, _pid: ev.Unborn(name="s", generation=g),
    "MainFound": lambda g, _pid: ev.MainFound(name="s", generation=g, pid=99, start_ticks=1),
    "MainMissing": lambda g, _pid: ev.MainMissing(name="s", generation=g, reason="late"),
    "ErrandBorn": lambda g, _pid: ev.ErrandBorn(name="s", token=g, pid=99, start_ticks=1),
    "ErrandEnded": lambda g, _pid: ev.ErrandEnded(name="s", token=g, is_ok=True),
    "ErrandEnded, failed": lambda g, _pid: ev.ErrandEnded(name="s", token=g, is_ok=False, reason="late"),
    "ErrandEnded, unknown": lambda g, _pid: ev.ErrandEnded(name="s", token=g, is_ok=False, is_unknown=True),
    "DeadlinePassed": lambda g, _pid: ev.DeadlinePassed(name="s", kind="hook", token=g),
    "Condemned": lambda g, _pid: ev.Condemned(name="s", generation=g, why="late"),
    "Noticed": lambda g, _pid: ev.Noticed(
        name="s", generation=g, is_ready=True, is_alive=True, has_failed=True, status="late", main_pid=99
    ),
    "Exited": lambda g, pid: ev.Exited("s", g, pid, ExitReport(generation=g, reason="exit 1", at=1.0, code=1, pid=pid)),
    "Swept": lambda g, _pid: ev.Swept(name="s", generation=g, strays=(Stray(9, "late"),)),
}


@pytest.mark.parametrize("kind", STALE)
@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_a_fact_about_an_earlier_life(phase: Phase, kind: str) -> None:
    book = brought_to(phase)
    state = book.state("s")
    before = state.__copy__()
    for back in (1, state.generation):
        event = STALE[kind](state.generation - back, state.pid)
        assert book.fleet.handle([event], book.now) == []
    assert book.state("s") == before


@pytest.mark.parametrize("kind", STALE)
def test_a_fact_about_an_earlier_life_while_the_next_is_not_born_yet(kind: str) -> None:
    book = brought_to(Phase.STARTING, is_born=False)
    state = book.state("s")
    assert state.pid == 0
    before = state.__copy__()
    assert book.fleet.handle([STALE[kind](state.generation - 1, 0)], book.now) == []
    assert book.state("s") == before


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_a_deadline_that_was_moved_or_lifted(phase: Phase) -> None:
    book = brought_to(phase)
    state = book.state("s")
    before = state.__copy__()
    tokens = range(state.timer_token) if state.timer_at else range(state.timer_token + 1)
    for token in tokens:
        assert book.fleet.handle([ev.TimerFired(name="s", token=token)], book.now) == []
    assert book.state("s") == before


def test_the_end_of_another_process_of_the_same_life_is_not_its_end() -> None:
    book = brought_to(Phase.RUNNING)
    state = book.state("s")
    report = ExitReport(generation=state.generation, reason="exit 0", at=1.0, code=0)
    assert book.fleet.handle([ev.Exited("s", state.generation, state.pid + 1, report)], book.now) == []
    assert book.phase("s") is Phase.RUNNING


def test_an_event_of_a_service_that_nobody_knows_is_nothing() -> None:
    book = Playbook(service("s"))
    assert book.fleet.handle([ev.Swept(name="gone", generation=1)], book.now) == []
