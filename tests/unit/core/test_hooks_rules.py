"""Hooks: when each runs, what its failure does, and that a life never goes on beside one."""

from __future__ import annotations

from typing import Any

import pytest

from amonsup.config.specs import Backoff, RestartPolicy, ServiceType
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import errand_in
from tests.support.playbook import Playbook, service

ALL = {kind: (f"/bin/{kind}",) for kind in ("pre_start", "post_start", "pre_stop", "post_stop")}


def hooked(**fields: Any) -> Playbook:
    return Playbook(service("s", min_uptime_s=0.0, **{**ALL, **fields}))


def test_a_whole_life() -> None:
    book = hooked()
    operation = book.start("s")
    assert book.take() == ["s: pre_start", "s: spawn 1", "s: post_start", f"{operation}: ok"]
    operation = book.stop("s")
    assert book.take() == ["s: pre_stop", "s: signal 15", "s: sweep 15", "s: post_stop", f"{operation}: ok"]


def test_a_crash_runs_what_belongs_to_ends_and_starts() -> None:
    book = hooked()
    book.start("s")
    book.take()
    book.exits("s", code=1)
    assert book.take() == ["s: sweep", "s: post_stop", "s: pre_start", "s: spawn 2", "s: post_start"]


@pytest.mark.parametrize("policy", RestartPolicy)
def test_pre_start_fails(policy: RestartPolicy) -> None:
    book = hooked(restart=policy, backoff=Backoff(initial_s=5.0))
    book.failing["pre_start"] = "exit 3"
    operation = book.start("s")
    assert book.outcome(operation) == "pre_start: exit 3"
    assert "s: spawn 1" not in book.take()
    assert book.phase("s") is (Phase.EXITED if policy is RestartPolicy.NO else Phase.BACKOFF)
    assert book.state("s").exits[-1].reason == "pre_start: exit 3"


def test_post_start_fails() -> None:
    """As systemd does it: the start has failed, the service is stopped."""
    book = hooked(restart=RestartPolicy.NO)
    book.failing["post_start"] = "exit 3"
    operation = book.start("s")
    assert book.outcome(operation) == "post_start: exit 3"
    assert book.take()[2:] == [
        "s: post_start",
        "s: signal 15",
        f"{operation}: post_start: exit 3",
        "s: sweep 15",
        "s: post_stop",
    ]
    assert book.phase("s") is Phase.EXITED


def test_it_is_up_once_post_start_is_done() -> None:
    book = Playbook(service("s", min_uptime_s=0.0, **ALL), service("dependant", "s"))
    book.slow.add("post_start")
    operation = book.start("s", "dependant")
    assert (book.phase("s"), book.phase("dependant")) == (Phase.STARTING, Phase.WAITING)
    assert book.outcome(operation, "s") is None
    book.chore_ends("s", "hook")
    assert (book.phase("s"), book.phase("dependant")) == (Phase.RUNNING, Phase.STARTING)
    assert book.outcome(operation, "s") == "ok"


@pytest.mark.parametrize("kind", ["pre_stop", "post_stop"])
def test_a_failure_on_the_way_down_is_told_and_goes_on(kind: str) -> None:
    book = hooked()
    book.failing[kind] = "exit 3"
    book.start("s")
    assert book.outcome(book.stop("s")) == "ok"
    assert book.said("s", "hook-failed") == [f"{kind}: exit 3"]


@pytest.mark.parametrize("kind", ALL)
def test_its_deadline(kind: str) -> None:
    book = hooked(start_timeout_s=7.0, restart=RestartPolicy.NO)
    book.slow.add(kind)
    book.start("s")
    if kind.endswith("stop"):
        book.stop("s")
    assert errand_in(book.state("s"), "hook") is not None
    book.take()
    book.advance(6.9)
    assert book.take() == []
    book.advance(0.2)
    assert book.take()[0] == f"s: kill {kind}"
    assert book.phase("s") is (Phase.STOPPED if kind.endswith("stop") else Phase.EXITED)
    texts = [note.text for note in book.notes]
    assert f"{kind}: not done within 7 s, killed" in texts


def test_the_main_process_may_end_of_its_pre_stop() -> None:
    book = hooked()
    book.start("s")
    book.slow.add("pre_stop")
    operation = book.stop("s")
    book.take()
    book.exits("s", code=0)
    assert (book.phase("s"), book.take()) == (Phase.STOPPING, [])
    book.chore_ends("s", "hook")
    assert book.take() == ["s: sweep", "s: post_stop", f"{operation}: ok"]


def test_no_pre_stop_of_what_never_was_up() -> None:
    book = hooked(type=ServiceType.NOTIFY)
    book.start("s")
    book.take()
    book.stop("s")
    assert book.take_of("s") == ["s: signal 15", "s: sweep 15", "s: post_stop"]


def test_a_kill_does_not_wait_for_hooks() -> None:
    book = hooked()
    book.start("s")
    book.slow |= {"pre_stop", "post_stop"}
    book.stop("s")
    book.take()
    book.command("stop", "s", kill=True)
    assert book.take() == ["s: kill", "s: sweep", "s: post_stop"]
    operation = book.command("stop", "s", kill=True)
    assert book.take()[0] == "s: kill post_stop"
    assert book.outcome(operation) == "ok"


@pytest.mark.parametrize("kind", ["pre_start", "post_start"])
def test_a_stop_during_a_start(kind: str) -> None:
    book = hooked()
    book.slow.add(kind)
    start = book.start("s")
    stop = book.stop("s")
    assert (book.outcome(start), book.outcome(stop)) == ("overridden by stop (alice)", "ok")
    assert "s: pre_stop" not in book.take()
    assert book.phase("s") is Phase.STOPPED


def test_a_oneshot_is_up_when_it_has_succeeded() -> None:
    book = Playbook(service("s", type=ServiceType.ONESHOT, **ALL))
    operation = book.start("s")
    book.take()
    book.exits("s", code=0)
    assert book.take() == ["s: sweep", "s: post_start", "s: post_stop", f"{operation}: ok"]
    book.failing["post_start"] = "exit 3"
    operation = book.start("s")
    book.exits("s", code=0)
    assert book.outcome(operation) == "post_start: exit 3"


def test_whose_end_nobody_knows_is_run_again() -> None:
    book = hooked()
    book.slow.add("pre_start")
    book.start("s")
    book.take()
    token = book.chores.pop(("s", "hook")).token
    book.feed(ev.ErrandEnded(name="s", token=token, is_ok=False, is_unknown=True))
    assert book.take() == ["s: pre_start"]
    assert book.chores["s", "hook"].token == token
    book.chore_ends("s", "hook")
    assert book.phase("s") is Phase.RUNNING


@pytest.mark.parametrize("kind", ["post_start", "pre_stop"])
def test_a_hook_that_the_sweep_ends_first(kind: str) -> None:
    """Its end is told before the sweep's: post_stop comes after the sweep all the same."""
    book = hooked(restart=RestartPolicy.NO)
    book.slow.add(kind)
    book.start("s")
    if kind == "pre_stop":
        book.stop("s")
    book.answers_at_once = False
    operation = book.command("stop", "s", kill=True)
    while not any(answer.kind == "swept" for answer in book.pending):
        book.answer()
    book.take()
    book.chore_ends("s", "hook", "killed by 15")
    assert (book.phase("s"), book.take()) == (Phase.CLEANING, [])
    while book.pending:
        book.answer()
    assert book.take() == ["s: post_stop", f"{operation}: ok"] or book.take() == []
    assert book.outcome(operation) == "ok"
    assert book.said("s", "hook-failed") == (["pre_stop: killed by 15"] if kind == "pre_stop" else [])


def test_a_service_becomes_a_oneshot_under_its_post_start() -> None:
    """A oneshot's post_start comes after its life; this one belongs to the life that goes."""
    book = hooked()
    book.slow.add("post_start")
    book.start("s")
    book.apply(service("s", type=ServiceType.ONESHOT, **ALL))
    assert book.phase("s") is Phase.STARTING
    book.take()
    book.chore_ends("s", "hook")
    hooks = ["s: pre_stop", "s: signal 15", "s: sweep 15", "s: post_stop", "s: pre_start", "s: spawn 2"]
    assert book.take_of("s") == hooks


def test_a_late_end_means_nothing() -> None:
    book = hooked()
    book.start("s")
    state = book.state("s")
    before = state.__copy__()
    for token in range(state.serial + 2):
        for event in (
            ev.ErrandEnded(name="s", token=token, is_ok=False, reason="exit 1"),
            ev.ErrandBorn(name="s", token=token, pid=9, start_ticks=9),
            ev.DeadlinePassed(name="s", kind="hook", token=token),
        ):
            assert book.fleet.handle([event], book.now) == []
    assert book.state("s") == before


def test_a_hook_of_a_crashed_start_is_swept_with_it() -> None:
    book = hooked(restart=RestartPolicy.NO)
    book.slow.add("post_start")
    operation = book.start("s")
    book.exits("s", code=1)
    assert book.outcome(operation) == "exit 1 after 0 s"
    assert book.phase("s") is Phase.EXITED
    assert not book.chores


def test_a_hook_that_goes_with_its_life_ends_nothing() -> None:
    """It is told of before the rest of the life is swept; the next life must not begin until then."""
    book = hooked(restart=RestartPolicy.ALWAYS)
    book.slow.add("post_start")
    book.start("s")
    book.answers_at_once = False
    book.exits("s", code=1)
    book.answer()
    assert book.phase("s") is Phase.CLEANING
    book.chore_ends("s", "hook", "killed by SIGKILL")
    assert book.phase("s") is Phase.CLEANING
    assert book.said("s", "failed") == []
    book.answers_at_once = True
    book.answer()
    assert book.take()[-3:] == ["s: pre_start", "s: spawn 2", "s: post_start"]


@pytest.mark.parametrize("kind", ["pre_start", "post_start"])
def test_nothing_is_done_again_for_a_life_that_goes_down(kind: str) -> None:
    book = hooked()
    book.slow.add(kind)
    book.start("s")
    book.answers_at_once = False
    book.stop("s")
    book.take()
    book.chore_ends("s", "hook", "ended, nobody could find out how", is_unknown=True)
    assert book.take() == []


def test_kill_during_a_gentle_sweep_beside_a_hook() -> None:
    """What is waited for is the sweep, not the hook that goes with it."""
    book = hooked()
    book.slow.add("post_start")
    book.clinging.add("s")
    book.start("s")
    book.stop("s")
    book.take()
    book.command("stop", "s", kill=True)
    assert book.take()[0] == "s: sweep"
    assert book.phase("s") is Phase.STOPPED


def test_a_restart_whose_service_ends_under_its_preflight() -> None:
    """There is nothing left to be protected: a restart also starts what is down."""
    book = hooked(restart=RestartPolicy.NO, preflight=("/bin/preflight",))
    book.start("s")
    book.slow.add("preflight")
    operation = book.restart("s")
    book.exits("s", code=1)
    assert book.phase("s") is Phase.RUNNING
    assert book.outcome(operation) == "ok"


@pytest.mark.parametrize(("policy", "phase"), [(RestartPolicy.ALWAYS, Phase.BACKOFF), (RestartPolicy.NO, Phase.FATAL)])
def test_a_spawn_that_fails_is_undone_by_post_stop(policy: RestartPolicy, phase: Phase) -> None:
    book = hooked(restart=policy, backoff=Backoff(initial_s=5.0))
    book.spawn_failures["s"] = [("no such program", False)]
    operation = book.start("s")
    assert book.take() == ["s: pre_start", "s: spawn 1", "s: sweep", f"{operation}: no such program", "s: post_stop"]
    assert (book.phase("s"), book.state("s").why) == (phase, "no such program")


def test_a_spawn_for_which_we_lack_something_is_undone_and_tried_again() -> None:
    book = hooked()
    book.spawn_failures["s"] = [("too many open files", True)]
    operation = book.start("s")
    assert book.take() == ["s: pre_start", "s: spawn 1", "s: sweep", "s: post_stop"]
    assert (book.phase("s"), book.outcome(operation), book.due_in("s")) == (Phase.BACKOFF, None, 1.0)
    assert (book.state("s").restarts, book.state("s").attempt) == (0, 0)
    book.advance(1.0)
    assert book.take() == ["s: pre_start", "s: spawn 2", "s: post_start", f"{operation}: ok"]


def test_a_start_that_a_predecessor_did_not_get_to_is_undone_and_made_again() -> None:
    book = Playbook(service("s", min_uptime_s=0.0, **ALL), answers_at_once=False)
    operation = book.start("s")
    while "s: spawn 1" not in book.script:
        book.answer()
    book.take()
    book.answers_at_once = True
    book.unborn("s")
    assert book.take() == [
        "s: sweep",
        "s: post_stop",
        "s: pre_start",
        "s: spawn 2",
        "s: post_start",
        f"{operation}: ok",
    ]


def test_a_stop_while_a_failed_spawn_is_undone() -> None:
    book = hooked()
    book.slow.add("post_stop")
    book.spawn_failures["s"] = [("too many open files", True)]
    book.start("s")
    assert book.phase("s") is Phase.CLEANING
    stop = book.stop("s")
    book.chore_ends("s", "hook")
    assert (book.phase("s"), book.outcome(stop)) == (Phase.STOPPED, "ok")
    assert book.timers == {}


def test_what_is_made_again_has_its_time_from_then_on() -> None:
    book = hooked(start_timeout_s=60.0)
    book.slow.add("pre_start")
    book.start("s")
    book.advance(50)
    chore = book.chores.pop(("s", "hook"))
    book.answers_at_once = False
    book.feed(ev.ErrandEnded(name="s", token=chore.token, is_ok=False, is_unknown=True))
    assert book.deadlines == {}
    book.answer()
    assert book.deadlines["s", "hook"][1] == book.now + 60.0
