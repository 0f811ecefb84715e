"""start, stop and restart: how commands queue, override and end. Conversations with one service or two."""

from __future__ import annotations

import pytest

from amonsup.config.specs import Backoff, RestartPolicy, ServiceType, StartLimit
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Desired, Goal, Phase
from tests.support.playbook import Playbook, service


def test_a_start_has_succeeded_after_min_uptime_not_before() -> None:
    book = Playbook(service("s", min_uptime_s=3.0))
    start = book.start("s")
    assert book.take() == ["s: spawn 1"]
    book.advance(2.9)
    assert book.outcome(start) is None
    book.advance(0.2)
    assert book.outcome(start) == "ok"
    assert book.phase("s") is Phase.RUNNING


def test_a_start_of_what_runs_is_done_at_once() -> None:
    book = Playbook(service("s"))
    book.up("s")
    assert book.outcome(book.start("s")) == "ok"
    assert book.take() == ["op-2: ok"]


def test_a_stop_is_over_when_nothing_is_left() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.answers_at_once = False
    stop = book.stop("s")
    assert book.take() == ["s: signal 15"]
    book.answer()
    assert book.take() == ["s: sweep 15"]
    assert book.outcome(stop) is None
    book.answer()
    assert book.take() == [f"{stop}: ok"]
    assert book.phase("s") is Phase.STOPPED
    assert book.remembered == {"s": True}


def test_who_ignores_the_stop_signal_is_killed_after_the_grace_period() -> None:
    book = Playbook(service("s", stop_signal=2, stop_grace_period_s=4.0))
    book.up("s")
    book.deaf.add("s")
    stop = book.stop("s")
    assert book.take() == ["s: signal 2"]
    book.advance(3.9)
    assert book.take() == []
    book.advance(0.2)
    assert book.take() == ["s: kill", "s: sweep", f"{stop}: ok"]


def test_what_the_main_process_left_has_the_rest_of_the_grace_period() -> None:
    book = Playbook(service("s", stop_grace_period_s=4.0))
    book.up("s")
    book.deaf.add("s")
    book.clinging.add("s")
    stop = book.stop("s")
    book.advance(1.0)
    book.exits("s", code=0)
    assert book.take() == ["s: signal 15", "s: sweep 15"]
    assert book.due_in("s") == 3.0
    book.advance(3.0)
    assert book.take() == ["s: sweep", f"{stop}: ok"]


def test_without_a_grace_period_everything_is_killed_at_once() -> None:
    book = Playbook(service("s", stop_grace_period_s=0.0))
    book.up("s")
    stop = book.stop("s")
    assert book.take() == ["s: kill", "s: sweep", f"{stop}: ok"]


def test_stop_kill_skips_the_stop_signal() -> None:
    book = Playbook(service("s"))
    book.up("s")
    stop = book.command("stop", "s", kill=True)
    assert book.take() == ["s: kill", "s: sweep", f"{stop}: ok"]


def test_who_was_killed_once_is_stopped_gently_the_next_time() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.command("stop", "s", kill=True)
    book.up("s")
    book.stop("s")
    assert book.take()[:2] == ["s: signal 15", "s: sweep 15"]


def test_stop_kill_does_not_wait_behind_a_patient_stop() -> None:
    book = Playbook(service("s", stop_grace_period_s=600.0))
    book.up("s")
    book.deaf.add("s")
    patient = book.stop("s")
    impatient = book.command("stop", "s", kill=True)
    assert book.take() == ["s: signal 15", "s: kill", "s: sweep", f"{patient}: ok", f"{impatient}: ok"]


def test_stop_kill_of_what_is_being_swept_kills_what_is_left() -> None:
    book = Playbook(service("s", stop_grace_period_s=600.0))
    book.up("s")
    book.clinging.add("s")
    patient = book.stop("s")
    assert book.take() == ["s: signal 15", "s: sweep 15"]
    impatient = book.command("stop", "s", kill=True)
    assert book.take() == ["s: sweep", f"{patient}: ok", f"{impatient}: ok"]


def test_stop_kill_of_what_is_not_born_yet_ends() -> None:
    book = Playbook(service("s"), answers_at_once=False)
    book.start("s")
    stop = book.command("stop", "s", kill=True)
    while book.pending:
        book.answer()
    assert book.phase("s") is Phase.STOPPED
    assert book.outcome(stop) == "ok"


def test_a_stop_overrides_a_start_that_is_still_coming_up() -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY))
    start = book.start("s")
    stop = book.stop("s")
    assert book.outcome(start) == "overridden by stop (alice)"
    assert book.outcome(stop) == "ok"
    assert [line for line in book.take() if line.startswith("s:")] == [
        "s: spawn 1",
        "s: signal 15",
        "s: sweep 15",
    ]
    assert book.phase("s") is Phase.STOPPED


def test_a_stop_overrides_the_starts_that_wait_behind_another_stop() -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY))
    book.up("s")
    book.deaf.add("s")
    first, start, restart, last = book.stop("s"), book.start("s"), book.restart("s"), book.stop("s")
    book.advance(10.0)
    assert [book.outcome(each) for each in (first, last)] == ["ok", "ok"]
    assert [book.outcome(each) for each in (start, restart)] == ["overridden by stop (alice)"] * 2
    assert "s: spawn 2" not in book.take()


def test_a_start_while_stopping_waits_for_the_stop_and_then_starts() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.deaf.add("s")
    stop, start = book.stop("s"), book.start("s")
    assert book.take() == ["s: signal 15"]
    book.deaf.clear()
    book.advance(10.0)
    assert book.take() == ["s: kill", "s: sweep", "s: spawn 2", f"{stop}: ok"]
    book.advance(1.0)
    assert book.outcome(start) == "ok"
    assert book.remembered == {"s": False}


def test_restarts_take_turns() -> None:
    book = Playbook(service("s"))
    book.up("s")
    first, second = book.restart("s"), book.restart("s")
    assert book.take() == ["s: signal 15", "s: sweep 15", "s: spawn 2"]
    book.advance(1.0)
    assert (book.outcome(first), book.outcome(second)) == ("ok", None)
    assert book.take_of("s") == ["s: signal 15", "s: sweep 15", "s: spawn 3"]
    book.advance(1.0)
    assert book.outcome(second) == "ok"
    assert book.state("s").generation == 3


def test_a_restart_starts_what_was_stopped() -> None:
    book = Playbook(service("s"))
    restart = book.restart("s")
    book.advance(1.0)
    assert book.outcome(restart) == "ok"


def test_a_restart_does_not_sit_out_a_penalty() -> None:
    book = Playbook(service("s", backoff=Backoff(initial_s=60.0)))
    book.start("s")
    book.exits("s", code=1)
    assert book.phase("s") is Phase.BACKOFF
    book.take()
    restart = book.restart("s")
    assert book.take() == ["s: spawn 2"]
    book.advance(1.0)
    assert book.outcome(restart) == "ok"


def test_a_start_that_fails_says_so_although_the_policy_goes_on() -> None:
    book = Playbook(service("s"))
    start = book.start("s")
    book.advance(0.5)
    book.exits("s", code=7)
    assert book.outcome(start) == "exit 7 after 0.5 s"
    assert book.take()[-1] == "s: spawn 2"


def test_how_long_it_lived_is_said_to_the_millisecond() -> None:
    book = Playbook(service("s"))
    start = book.start("s")
    book.advance(0.000491)
    book.exits("s", code=7)
    assert book.outcome(start) == "exit 7 after 0 s"


@pytest.mark.parametrize("policy", RestartPolicy)
def test_a_command_behind_a_start_that_fails_to_spawn_is_begun(policy: RestartPolicy) -> None:
    """Found by the properties: the queue stood still when a service was given up."""
    spec = service("s", restart=policy, start_limit=StartLimit(1, 60.0))
    book = Playbook(spec, answers_at_once=False)
    start, restart = book.start("s"), book.restart("s")
    book.answer(failure=("no such program", False))
    assert book.outcome(start) == "no such program"
    while book.pending:
        book.answer()
    book.advance(1.0)
    assert book.outcome(restart) == "ok"


def test_a_start_does_not_wait_for_ever_once_its_dependency_has_failed_meanwhile() -> None:
    """A spawn that failed for our own shortage is tried again; by then there is nothing to wait for any more."""
    book = Playbook(service("db", restart=RestartPolicy.NO), service("web", "db"))
    book.up("db")
    book.spawn_failures["web"] = [("EAGAIN", True)]
    start = book.start("web")
    book.exits("db", code=1)
    assert book.outcome(start) is None
    book.advance(1.0)
    assert book.phase("web") is Phase.WAITING
    assert book.outcome(start) == "its dependency db is exited: exit 1"


def test_commands_of_one_service_do_not_hold_up_another() -> None:
    book = Playbook(service("slow"), service("quick"))
    book.up("slow", "quick")
    book.deaf.add("slow")
    slow, quick = book.stop("slow"), book.restart("quick")
    book.advance(2.0)
    assert (book.outcome(slow), book.outcome(quick)) == (None, "ok")


def test_an_operation_over_several_is_finished_once_with_every_outcome() -> None:
    book = Playbook(service("a"), service("b", restart=RestartPolicy.NO))
    book.spawn_failures["b"] = [("no such program", False)]
    operation = book.start("a", "b")
    book.advance(5.0)
    assert [line for line in book.take() if line.startswith(operation)] == [f"{operation}: no such program; ok"]
    assert (book.phase("a"), book.phase("b")) == (Phase.RUNNING, Phase.FATAL)


def test_a_stop_of_what_is_stopped_is_done_and_remembered() -> None:
    book = Playbook(service("s"))
    assert book.outcome(book.stop("s")) == "ok"
    assert book.remembered == {"s": True}


def test_a_stop_ends_a_back_off() -> None:
    book = Playbook(service("s", backoff=Backoff(initial_s=60.0)))
    book.start("s")
    book.exits("s", code=1)
    assert book.due_in("s") is not None
    stop = book.stop("s")
    assert book.outcome(stop) == "ok"
    assert book.due_in("s") is None
    assert book.state("s").desired is Desired.DOWN


def test_a_removed_service_takes_no_more_commands_with_it() -> None:
    """Whoever still waits behind the removal is told; nothing is started of a service without a spec."""
    book = Playbook(service("s"), service("other"))
    book.up("s")
    book.deaf.add("s")
    _, apply = book.apply(service("other"))
    late = book.start("s")
    book.advance(10.0)
    assert book.outcome(apply, "s") == "ok"
    assert book.outcome(late) not in (None, "ok")
    assert list(book.fleet.states) == ["other"]
    assert book.outcome(late) == "it is no longer configured"


def test_a_service_that_comes_back_before_its_removal_is_over_stays() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.deaf.add("s")
    _, removal = book.apply()
    changes, back = book.apply(service("s"))
    assert [change.action for change in changes] == ["start"]
    book.advance(12.0)
    assert (book.outcome(removal), book.outcome(back)) == ("ok", "ok")
    assert book.phases() == {"s": "running"}


def test_unborn_costs_nothing() -> None:
    book = Playbook(service("s", start_limit=StartLimit(1, 60.0)), answers_at_once=False)
    start = book.start("s")
    book.unborn("s")
    assert book.take() == ["s: spawn 1", "s: spawn 2"]
    book.answer()
    book.advance(1.0)
    assert book.outcome(start) == "ok"
    assert (book.state("s").restarts, book.state("s").attempt, book.state("s").exits) == (0, 0, ())


def test_unborn_on_the_way_down_is_swept_and_stopped() -> None:
    book = Playbook(service("s"), answers_at_once=False)
    book.start("s")
    stop = book.stop("s")
    book.feed(ev.Unborn(name="s", generation=1))
    while book.pending:
        book.answer()
    assert book.outcome(stop) == "ok"


def test_an_end_is_attributed_to_who_commanded_it_and_to_nobody_else() -> None:
    book = Playbook(service("s", type=ServiceType.NOTIFY, watchdog_s=5.0))
    book.up("s")
    book.advance(5.0)
    assert [(e.reason, e.by) for e in book.state("s").exits] == [("killed by 6 (watchdog: no WATCHDOG=1 for 5 s)", "")]
    book.notice("s", is_ready=True)
    book.command("stop", "s", by="bob")
    assert (book.state("s").exits[-1].reason, book.state("s").exits[-1].by) == (
        "killed by 15 (stopped by bob)",
        "bob",
    )


def test_shutdown_ends_in_fleet_down_once_and_is_not_remembered_as_a_stop() -> None:
    book = Playbook(service("a"), service("b", "a"), service("c"))
    book.up("a", "b")
    book.remembered.clear()
    shutdown = book.shut_down()
    assert book.take()[-2:] == [f"{shutdown}: ok; ok; ok", "fleet: down"]
    assert book.downs == 1
    assert book.remembered == {}


def test_nothing_begins_any_more_during_a_shutdown() -> None:
    book = Playbook(service("a"), service("b"))
    book.up("a", "b")
    book.deaf |= {"a", "b"}
    stop, start = book.stop("b"), book.start("b")
    book.shut_down()
    book.advance(10.0)
    assert [line for line in book.take() if "spawn" in line] == []
    assert book.outcome(stop) == "ok"
    assert book.outcome(start) not in (None, "ok")
    assert book.downs == 1


def test_an_empty_fleet_is_down_at_once() -> None:
    book = Playbook()
    book.shut_down()
    assert book.take() == ["op-1: ", "fleet: down"]


def test_watching_only_starts_nothing_and_catches_up() -> None:
    book = Playbook(service("s"), service("t"))
    book.up("s")
    book.fleet.is_watching_only = True
    book.exits("s", code=1)
    assert book.take() == ["s: sweep"]
    assert book.phase("s") is Phase.WAITING
    book.fleet.is_watching_only = False
    book.feed(*(ev.Reconsidered(name=name) for name in book.fleet.states))
    assert book.take() == ["s: spawn 2"]
    assert book.phase("t") is Phase.STOPPED


def test_a_oneshot_that_succeeded_is_done_under_every_policy() -> None:
    for policy in RestartPolicy:
        book = Playbook(service("s", type=ServiceType.ONESHOT, restart=policy))
        start = book.start("s")
        book.exits("s", code=0)
        assert book.outcome(start) == "ok"
        assert (book.phase("s"), book.state("s").goal) == (Phase.EXITED, Goal.DONE)


def test_a_oneshot_is_started_again_by_a_command() -> None:
    book = Playbook(service("s", type=ServiceType.ONESHOT))
    for generation in (1, 2):
        start = book.start("s")
        assert book.state("s").generation == generation
        book.exits("s", code=0)
        assert book.outcome(start) == "ok"


def test_a_second_removal_has_what_it_wanted() -> None:
    """A scale to none, and an apply that removes the instance as well, before it has gone."""
    book = Playbook(service("s"))
    book.deaf.add("s")
    book.up("s")
    first = book.command("stop", "s", forget=True)
    second = book.command("stop", "s", forget=True)
    start = book.start("s")
    book.exits("s", code=0)
    assert book.outcome(first) == "ok"
    assert book.fleet.operations.known[second].outcomes["s"].is_ok
    assert book.outcome(start) == "it is no longer configured"


def test_an_operation_that_is_given_up_leaves_the_queues_and_the_record() -> None:
    """By a successor that only watches: otherwise the one after it would find the task, and carry it out."""
    book = Playbook(service("s", min_uptime_s=0.0, preflight=("/bin/check",)), service("t"), answers_at_once=True)
    book.up("s", "t")
    book.slow.add("preflight")
    operation = book.restart("s")
    later = book.command("reload", "s")
    book.take()
    book.fleet.dirty.clear()
    for each in (operation, later):
        book._carry_out(book.fleet.give_up(each, "given up", book.now))
    assert book.state("s").queue == ()
    assert book.fleet.dirty == {"s"}
    known = book.fleet.operations.known[operation]
    assert (known.is_finished, known.is_failed, known.note) == (True, True, "given up")
    assert (book.phase("s"), book.state("s").generation, book.state("s").errands) == (Phase.RUNNING, 1, ())
    assert "s: kill preflight" in book.take()
