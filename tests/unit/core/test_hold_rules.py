"""Holds: while somebody works on a service nothing happens to it that no person asked for."""

from __future__ import annotations

import pytest

from amonsup.config.specs import RestartPolicy, ServiceType
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from tests.support.playbook import Playbook, completed, following, service

HOUR = 3600.0


def test_what_runs_goes_on_and_says_who_and_why() -> None:
    book = Playbook(service("db"))
    book.up("db")
    book.hold("db", 2 * HOUR, why="disk swap")
    assert book.take() == []
    assert book.phase("db") is Phase.RUNNING
    assert book.said("db", "held") == ["held by alice until 2001-09-09 03:46:50 UTC: disk swap"]
    assert book.holds["db"] == book.state("db").hold


def test_an_end_is_recorded_and_the_policy_waits_for_the_end_of_the_hold() -> None:
    book = Playbook(service("db"))
    book.up("db")
    book.hold("db", HOUR, why="disk swap")
    book.exits("db", code=3)
    assert book.take() == ["db: sweep"]
    assert book.phase("db") is Phase.WAITING
    assert book.state("db").why.startswith("held by alice")
    assert book.state("db").exits[-1].code == 3
    book.advance(HOUR - 11)  # `up` took ten seconds
    assert book.take() == []
    book.advance(11)
    assert book.take() == ["db: spawn 2"]
    assert book.holds["db"] is None
    assert book.said("db", "hold-ended") == ["it was held by alice until 2001-09-09 02:46:50 UTC: disk swap"]


def test_a_release_ends_it_at_once() -> None:
    book = Playbook(service("db"))
    book.up("db")
    book.hold("db", HOUR)
    book.exits("db", code=3)
    book.take()
    book.release("db", by="bob")
    assert book.take() == ["db: spawn 2"]
    assert [note.by for note in book.notes if note.kind == "released"] == ["bob"]
    assert book.alarms == {}


def test_releasing_what_nobody_holds_is_nothing() -> None:
    book = Playbook(service("db"))
    book.up("db")
    book.release("db")
    assert book.take() == []
    assert book.said("db", "released") == []


@pytest.mark.parametrize("policy", list(RestartPolicy))
@pytest.mark.parametrize("code", [0, 1])
def test_the_policy_that_is_applied_afterwards_is_the_same(policy: RestartPolicy, code: int) -> None:
    held, free = (Playbook(service("s", restart=policy)) for _ in range(2))
    for book in (held, free):
        book.up("s")
    held.hold("s", HOUR)
    for book in (held, free):
        book.exits("s", code=code)
    assert held.phase("s") is not Phase.STARTING
    held.release("s")
    assert (held.phase("s"), held.state("s").generation) == (free.phase("s"), free.state("s").generation)


def test_a_back_off_that_was_running_ends_in_waiting() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.exits("s", code=1)
    book.exits("s", code=1)
    assert book.phase("s") is Phase.BACKOFF
    book.take()
    book.hold("s", HOUR)
    book.advance(100)
    assert book.phase("s") is Phase.WAITING
    assert book.take() == []
    book.release("s")
    assert book.take() == ["s: spawn 3"]


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_a_command_is_refused_with_who_and_until(verb: str) -> None:
    book = Playbook(service("db"))
    book.up("db")
    book.hold("db", HOUR, why="disk swap")
    operation = book.command(verb, "db", by="bob")
    assert book.outcome(operation) == (
        "held by alice until 2001-09-09 02:46:50 UTC: disk swap; release it first, or --force"
    )
    assert book.phase("db") is Phase.RUNNING
    assert [line for line in book.take() if line.startswith("db:")] == []


@pytest.mark.parametrize(("verb", "effects"), [("stop", ["db: signal 15", "db: sweep 15"]), ("restart", None)])
def test_force_means_that_one_knows(verb: str, effects: list[str] | None) -> None:
    book = Playbook(service("db"))
    book.up("db")
    book.hold("db", HOUR)
    operation = book.command(verb, "db", force=True)
    done = book.take_of("db")
    if effects is not None:
        assert done == effects
        assert book.phase("db") is Phase.STOPPED
    else:
        assert done[-1] == "db: spawn 2"
        book.advance(5)
        assert book.phase("db") is Phase.RUNNING
    assert book.outcome(operation) == "ok"


def test_a_forced_start_that_dies_is_not_tried_again_before_the_end() -> None:
    book = Playbook(service("db"))
    book.hold("db", HOUR)
    operation = book.command("start", "db", force=True)
    book.exits("db", code=1)
    assert book.outcome(operation) == "exit 1 after 0 s"
    assert book.phase("db") is Phase.WAITING
    assert book.state("db").generation == 1


def test_of_several_the_held_one_is_refused_and_the_rest_done() -> None:
    book = Playbook(service("a"), service("b"))
    book.up("a", "b")
    book.hold("a", HOUR)
    operation = book.stop("a", "b")
    assert (book.outcome(operation, "a") or "").startswith("held by alice")
    assert book.outcome(operation, "b") == "ok"
    assert book.phases() == {"a": "running", "b": "stopped"}


def test_a_command_accepted_before_goes_on() -> None:
    book = Playbook(service("db"), answers_at_once=False)
    book.start("db")
    book.answer()
    book.advance(5)
    operation = book.restart("db")
    book.hold("db", HOUR)
    while book.pending:
        book.answer()
    book.advance(5)
    assert book.outcome(operation) == "ok"
    assert book.phase("db") is Phase.RUNNING


def test_the_start_of_a_boot_waits_and_leaves_no_command_behind() -> None:
    book = Playbook(service("db"))
    book.hold("db", HOUR)
    book.command("start", "db", by="boot")
    assert book.phase("db") is Phase.WAITING
    assert book.state("db").queue == ()
    book.advance(HOUR)
    assert book.phase("db") in (Phase.STARTING, Phase.RUNNING)


def test_neither_up_nor_down_with_a_dependency() -> None:
    book = Playbook(service("db"), service("web", following("db")))
    book.up("db", "web")
    book.hold("web", HOUR)
    stop = book.stop("db")
    assert book.outcome(stop) == "ok"
    assert book.phases() == {"db": "stopped", "web": "running"}
    book.start("db")
    assert book.phase("web") is Phase.RUNNING
    assert book.state("web").generation == 1
    book.take()
    book.release("web")  # its dependency lives a later life: now it follows
    assert book.state("web").generation == 2


def test_nobody_fetches_a_held_dependency_and_its_dependant_is_told() -> None:
    book = Playbook(service("db"), service("web", "db"))
    book.hold("db", HOUR, why="disk swap")
    operation = book.start("web")
    assert (book.outcome(operation) or "").startswith("its dependency db is stopped")
    assert book.phases() == {"db": "stopped", "web": "waiting"}


def test_a_dependency_that_died_under_a_hold_is_no_hope() -> None:
    book = Playbook(service("db"), service("web", "db"))
    book.up("db")
    book.hold("db", HOUR, why="disk swap")
    book.exits("db", code=1)
    operation = book.start("web")
    assert "its dependency db is waiting: held by alice" in (book.outcome(operation) or "")
    book.release("db")
    book.advance(10)
    assert book.phases() == {"db": "running", "web": "running"}


def test_a_watchdog_is_told_and_does_not_bite() -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY, watchdog_s=5.0))
    book.up("s")
    book.hold("s", HOUR)
    book.advance(60)
    assert book.phase("s") is Phase.RUNNING
    assert "left alone" in book.said("s", "failed")[0]
    book.release("s")
    assert book.due_in("s") == 5.0
    book.advance(5)
    assert book.phase("s") is not Phase.RUNNING


def test_a_start_that_takes_too_long_is_told_and_not_killed() -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY, start_timeout_s=5.0))
    operation = book.start("s")
    book.hold("s", HOUR)
    book.advance(6)
    assert "start_timeout" in (book.outcome(operation) or "")
    assert book.phase("s") is Phase.STARTING
    book.release("s")
    assert book.state("s").generation == 1
    book.advance(5)
    assert book.state("s").generation == 2


def test_a_shutdown_takes_held_services_along_in_order_and_keeps_the_hold_for_the_next_boot() -> None:
    book = Playbook(service("db"), service("web", "db"))
    book.up("db", "web")
    book.hold("web", HOUR)
    book.take()
    book.shut_down()
    done = [line for line in book.take() if "signal" in line]
    assert done == ["web: signal 15", "db: signal 15"]
    assert book.downs == 1
    assert book.holds["web"] is not None


def test_a_successor_goes_on_holding() -> None:
    book = Playbook(service("db"))
    book.up("db")
    book.hold("db", HOUR)
    book.succeed()
    book.exits("db", code=1)
    assert book.phase("db") is Phase.WAITING
    assert book.state("db").generation == 1


def test_a_second_hold_replaces_the_first() -> None:
    book = Playbook(service("db"))
    book.up("db")
    book.hold("db", HOUR)
    book.hold("db", 10.0, by="carol")
    book.advance(11)
    assert book.state("db").hold is None


@pytest.mark.parametrize(("limit", "phase"), [(True, Phase.STOPPED), (False, Phase.BACKOFF)])
def test_reset_forgets_failures(limit: bool, phase: Phase) -> None:
    from amonsup.config.specs import StartLimit

    book = Playbook(service("s", start_limit=StartLimit(2, 600.0) if limit else None))
    book.start("s")
    book.exits("s", code=1)
    book.exits("s", code=1)
    assert book.phase("s") is (Phase.FATAL if limit else Phase.BACKOFF)
    book.reset("s", by="bob")
    state = book.state("s")
    assert state.phase is phase
    assert (state.restarts, state.attempt, state.starts, state.exits) == (0, 0, (), ())
    assert [note.by for note in book.notes if note.kind == "reset"] == ["bob"]


def test_reset_lets_out_of_quarantine() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.state("s").phase, book.state("s").quarantine = Phase.QUARANTINED, "there"
    book.feed(ev.WasReset(name="s", by="bob"))
    assert book.phase("s") is Phase.RUNNING
    assert book.state("s").quarantine == ""


@pytest.mark.parametrize("kind", [ServiceType.SIMPLE, ServiceType.NOTIFY, ServiceType.FORKING])
def test_a_post_start_that_fails_is_said_and_the_service_left_alone(kind: ServiceType) -> None:
    book = Playbook(service("s", type=kind, min_uptime_s=0.0, post_start=("/bin/hook",), restart=RestartPolicy.NO))
    book.slow.add("post_start")
    operation = book.start("s")
    if kind is ServiceType.NOTIFY:
        book.notice("s", is_ready=True)
    elif kind is ServiceType.FORKING:
        book.exits("s", code=0)
    book.hold("s", HOUR, why="disk swap")
    book.take()
    book.chore_ends("s", "hook", "exit 3")
    assert book.take() == [f"{operation}: post_start: exit 3"]
    assert book.phase("s") is Phase.STARTING
    assert book.said("s", "failed")[0].startswith("post_start: exit 3; left alone: held by alice")
    if kind is ServiceType.NOTIFY:
        book.notice("s", is_ready=True)  # nobody runs it again before the end of the hold
    book.advance(1000)
    assert book.take() == []
    book.release("s")
    assert book.take() == ["s: post_start"]
    book.chore_ends("s", "hook")
    assert (book.phase("s"), book.state("s").generation) == (Phase.RUNNING, 1)


def test_a_post_start_that_fails_again_after_the_hold_ends_the_life() -> None:
    book = Playbook(service("s", min_uptime_s=0.0, post_start=("/bin/hook",), restart=RestartPolicy.NO))
    book.slow.add("post_start")
    book.start("s")
    book.hold("s", HOUR)
    book.chore_ends("s", "hook", "exit 3")
    book.release("s")
    book.take()
    book.chore_ends("s", "hook", "exit 3")
    assert book.take() == ["s: signal 15", "s: sweep 15"]
    assert book.phase("s") is Phase.EXITED


def test_the_end_of_a_hold_gives_no_deadline_to_what_has_none() -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY, start_timeout_s=0.0))
    book.start("s")
    book.hold("s", 10.0)
    book.advance(HOUR)
    assert (book.phase("s"), book.state("s").generation) == (Phase.STARTING, 1)
    assert book.due_in("s") is None


@pytest.mark.parametrize("kind", ["pre_start", "post_start"])
def test_the_end_of_a_hold_gives_no_deadline_beside_that_of_a_hook(kind: str) -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY, **{kind: ("/bin/hook",)}))
    book.slow.add(kind)
    book.start("s")
    if kind == "post_start":
        book.notice("s", is_ready=True)
    book.hold("s", 10.0)
    book.advance(20.0)
    assert book.state("s").hold is None
    assert book.due_in("s") is None


# ---- an apply makes it something else -------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "phase", "generation"), [(0, Phase.EXITED, 1), (1, Phase.STARTING, 2)])
def test_what_runs_goes_on_although_an_apply_has_made_it_a_oneshot(code: int, phase: Phase, generation: int) -> None:
    """The new spec is in force from its next start; the end of the life it has is judged by it."""
    book = Playbook(service("s"), service("after"))
    book.up("s", "after")
    book.hold("s", HOUR)
    _, operation = book.apply(service("s", type=ServiceType.ONESHOT), service("after", completed("s")))
    assert "held by alice" in (book.outcome(operation, "s") or "")
    assert book.phase("s") is Phase.RUNNING
    book.advance(HOUR / 2)
    book.release("s")
    book.advance(HOUR)
    assert (book.phase("s"), book.state("s").generation) == (Phase.RUNNING, 1)
    book.exits("s", code=code)
    assert (book.phase("s"), book.state("s").generation) == (phase, generation)


@pytest.mark.parametrize("kind", [ServiceType.ONESHOT, ServiceType.NOTIFY])
def test_a_start_that_an_apply_makes_another_kind_has_the_time_of_that(kind: ServiceType) -> None:
    book = Playbook(service("s", min_uptime_s=10.0))
    book.start("s")
    book.advance(4)
    book.hold("s", HOUR)
    book.apply(service("s", type=kind, start_timeout_s=60.0))
    assert book.due_in("s") == 56.0
    book.advance(50)
    assert book.said("s", "failed") == []
    if kind is ServiceType.ONESHOT:
        book.exits("s", code=0)
        assert book.phase("s") is Phase.EXITED
    else:
        book.notice("s", is_ready=True)
        assert book.phase("s") is Phase.RUNNING


def test_a_start_that_an_apply_makes_simple_is_up_in_its_time() -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY, start_timeout_s=60.0))
    book.start("s")
    book.hold("s", HOUR)
    book.apply(service("s", min_uptime_s=10.0))
    assert book.due_in("s") == 10.0
    book.advance(10)
    assert book.phase("s") is Phase.RUNNING


def test_a_start_that_an_apply_makes_a_kind_without_a_deadline_has_none() -> None:
    book = Playbook(service("s", min_uptime_s=10.0))
    book.start("s")
    book.hold("s", HOUR)
    book.apply(service("s", type=ServiceType.NOTIFY, start_timeout_s=0.0))
    assert book.due_in("s") is None


def test_a_dependency_whose_post_start_failed_under_a_hold_is_no_hope() -> None:
    book = Playbook(service("db", min_uptime_s=0.0, post_start=("/bin/hook",)), service("web", "db"))
    book.slow.add("post_start")
    book.start("db")
    book.hold("db", HOUR)
    start = book.start("web")
    assert book.outcome(start) is None
    book.chore_ends("db", "hook", "exit 3")
    assert (book.outcome(start) or "").startswith("its dependency db is starting: held by ")
    book.release("db")
    book.chore_ends("db", "hook")
    assert book.phase("web") is Phase.STARTING


def test_a_dependency_whose_start_took_too_long_under_a_hold_is_no_hope_until_it_comes() -> None:
    book = Playbook(
        service("db", type=ServiceType.NOTIFY, start_timeout_s=5.0), service("web", "db"), service("top", "web")
    )
    book.start("db")
    book.hold("db", HOUR)
    start = book.start("top")
    book.advance(4.9)
    assert book.outcome(start) is None
    book.advance(0.2)
    assert (book.outcome(start) or "").startswith("its dependency db is starting: held by ")
    assert (book.outcome(book.start("web")) or "").startswith("its dependency db is starting: held by ")
    assert book.phase("db") is Phase.STARTING
    book.notice("db", is_ready=True)
    assert (book.phase("web"), book.phase("top")) == (Phase.STARTING, Phase.STARTING)
