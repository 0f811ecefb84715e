"""Preflight and reload: what they wait for, what their failure leaves alone, and who overrides them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from amonsup.config.specs import ServiceType
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from tests.support.playbook import Playbook, service

CHECKED = {"preflight": ("/bin/check",)}
BY_COMMAND = {"reload_command": ("/bin/reload",)}


def running(**fields: Any) -> Playbook:
    book = Playbook(service("s", **fields), service("dependant", "s"))
    book.up("s")
    return book


def test_preflight_then_restart() -> None:
    book = running(**CHECKED)
    operation = book.restart("s")
    assert book.take() == ["s: preflight", "s: signal 15", "s: sweep 15", "s: spawn 2"]
    book.advance(1.0)
    assert book.outcome(operation) == "ok"


@pytest.mark.parametrize("verb", ["restart", "reload"])
def test_preflight_fails(verb: str) -> None:
    book = running(**CHECKED, **BY_COMMAND)
    before = book.state("s").generation
    book.slow.add("preflight")
    operation = book.command(verb, "s")
    book.chore_ends("s", "order", "exit 3", output="line 4: no such key")
    text = "preflight: exit 3: line 4: no such key (nothing was touched; --force skips it)"
    assert book.outcome(operation) == text
    assert (book.phase("s"), book.state("s").generation) == (Phase.RUNNING, before)
    assert book.take() == ["s: preflight", f"{operation}: {text}"]


@pytest.mark.parametrize("verb", ["restart", "reload"])
def test_force_skips_it(verb: str) -> None:
    book = running(**CHECKED, **BY_COMMAND)
    book.command(verb, "s", force=True)
    assert "s: preflight" not in book.take()


def test_never_before_a_stop_a_start_a_crash_or_a_shutdown() -> None:
    book = running(**CHECKED)
    book.exits("s", code=1)
    book.advance(2.0)
    book.stop("s")
    book.restart("s")
    book.advance(2.0)
    book.shut_down()
    assert "s: preflight" not in book.take()


@pytest.mark.parametrize("end", ["unborn", "spawn-failure"])
def test_not_before_a_restart_of_what_is_not_born(end: str) -> None:
    book = Playbook(service("s", **CHECKED), answers_at_once=False)
    book.start("s")
    operation = book.restart("s")
    book.fleet.states["s"].queue = book.fleet.states["s"].queue[1:]  # as after an apply that nobody waits for
    book.feed(ev.Reconsidered(name="s"))
    assert "s: preflight" not in book.take()
    if end == "unborn":
        book.unborn("s")
    while book.pending:
        book.answer(failure=("no such program", False) if end == "spawn-failure" else None)
    book.answers_at_once = True
    book.advance(2.0)
    assert book.outcome(operation) is not None


def test_an_apply_that_restarts_makes_the_new_one() -> None:
    book = running()
    new = msgspec.structs.replace(service("s", **CHECKED), command=("/bin/other",))
    _, operation = book.apply(new, service("dependant", "s"))
    assert book.take()[0] == "s: preflight"
    book.advance(1.0)
    assert book.outcome(operation, "s") == "ok"


def test_a_stop_overrides_it() -> None:
    book = running(**CHECKED)
    book.slow.add("preflight")
    restart = book.restart("s")
    stop = book.stop("s")
    assert (book.outcome(restart), book.outcome(stop)) == ("overridden by stop (alice)", "ok")
    assert (book.phase("s"), book.chores) == (Phase.STOPPED, {})


def test_preflight_hangs() -> None:
    book = running(**CHECKED, start_timeout_s=7.0)
    book.slow.add("preflight")
    operation = book.restart("s")
    book.advance(7.1)
    assert "not done within 7 s, killed" in (book.outcome(operation) or "")
    assert book.phase("s") is Phase.RUNNING


def test_a_crash_during_it_is_a_crash() -> None:
    book = running(**CHECKED)
    book.slow.add("preflight")
    operation = book.restart("s")
    book.exits("s", code=1)
    assert (book.phase("s"), book.chores) == (Phase.STARTING, {})
    book.advance(1.0)
    assert book.outcome(operation) == "ok"


def test_a_command_reloads() -> None:
    book = running(**BY_COMMAND)
    book.slow.add("reload")
    operation = book.command("reload", "s")
    assert book.outcome(operation) is None
    book.chore_ends("s", "order")
    assert book.outcome(operation) == "ok"
    operation = book.command("reload", "s")
    book.chore_ends("s", "order", "exit 1")
    assert book.outcome(operation) == "reload: exit 1"
    assert book.phase("s") is Phase.RUNNING


def test_who_dies_of_the_signal_was_not_reloaded() -> None:
    book = running()
    operation = book.command("reload", "s")
    assert book.outcome(operation) is None
    book.exits("s", signal=1)
    assert book.outcome(operation) == "it ended: killed by 1"


def test_who_survives_it_was() -> None:
    book = running()
    operation = book.command("reload", "s")
    book.advance(0.2)
    assert book.outcome(operation) == "ok"


@pytest.mark.parametrize("phase", ["stopped", "starting", "backoff", "fatal"])
def test_only_what_runs(phase: str) -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY))
    if phase == "starting":
        book.start("s")
    else:
        book.fleet.states["s"].phase = Phase(phase)
    operation = book.command("reload", "s")
    if phase == "starting":
        assert book.outcome(operation) is None, "it has its turn after the start"
        book.stop("s")
        assert (book.outcome(operation) or "").startswith("overridden by stop")
        return
    assert (book.outcome(operation) or "").startswith(f"it is {phase}")
    assert "amonsup start s" in (book.outcome(operation) or "")


def notifying() -> tuple[Playbook, str]:
    book = running(type=ServiceType.NOTIFY, start_timeout_s=60.0)
    return book, book.command("reload", "s")


def test_reloading_is_waited_for() -> None:
    book, operation = notifying()
    book.notice("s", is_reloading=True)
    book.advance(30.0)
    assert book.outcome(operation) is None
    book.notice("s", is_ready=True)
    assert book.outcome(operation) == "ok"
    assert not book.deadlines
    assert book.said("s", "reloading") == [""]


def test_who_says_nothing_of_it_has_done_it() -> None:
    book, operation = notifying()
    book.advance(0.9)
    assert book.outcome(operation) is None
    book.advance(0.2)
    assert book.outcome(operation) == "ok"


def test_reloading_for_ever() -> None:
    book, operation = notifying()
    book.notice("s", is_reloading=True)
    book.advance(59.0)
    book.notice("s", extend_s=20.0)
    book.advance(19.0)
    assert book.outcome(operation) is None
    book.advance(1.1)
    assert "no READY=1 in time" in (book.outcome(operation) or "")
    assert book.phase("s") is Phase.RUNNING


def test_a_deadline_is_never_made_shorter() -> None:
    book, operation = notifying()
    book.notice("s", is_reloading=True)
    book.notice("s", extend_s=1.0)
    book.advance(50.0)
    assert book.outcome(operation) is None


def test_reloading_of_its_own_accord() -> None:
    book = running(type=ServiceType.NOTIFY)
    book.notice("s", is_reloading=True)
    book.notice("s", is_ready=True)
    assert (book.said("s", "reloading"), book.said("s", "reloaded")) == ([""], [""])


def test_going_down_meanwhile() -> None:
    book, operation = notifying()
    book.notice("s", is_reloading=True)
    book.notice("s", has_failed=True)
    assert (book.outcome(operation) or "").startswith("it is ")
