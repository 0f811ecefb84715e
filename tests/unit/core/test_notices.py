"""Services that speak sd_notify: READY, STATUS, WATCHDOG, MAINPID, STOPPING, each in time and out of it."""

from __future__ import annotations

from amonsup.config.specs import Backoff, RestartPolicy, ServiceType
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import ExitReport
from tests.support.playbook import Playbook, service


def notifying(**fields: float) -> Playbook:
    return Playbook(service("s", type=ServiceType.NOTIFY, **fields))


def test_ready_makes_it_run() -> None:
    book = notifying()
    start = book.start("s")
    book.advance(60.0)
    assert book.outcome(start) is None
    book.notice("s", is_ready=True, status="serving")
    assert book.outcome(start) == "ok"
    assert book.state("s").status_text == "serving"


def test_a_start_timeout_stops_it_and_the_policy_decides() -> None:
    book = notifying(start_timeout_s=5.0)
    start = book.start("s")
    book.advance(5.0)
    assert book.outcome(start) == "not up within 5 s (start_timeout)"
    assert book.take_of("s") == ["s: spawn 1", "s: signal 15", "s: sweep 15", "s: spawn 2"]
    assert book.state("s").generation == 2
    assert book.state("s").exits[0].reason == "killed by 15 (not up within 5 s (start_timeout))"


def test_without_a_start_timeout_it_may_take_for_ever() -> None:
    book = notifying(start_timeout_s=0.0)
    start = book.start("s")
    book.advance(1e6)
    assert (book.phase("s"), book.outcome(start)) == (Phase.STARTING, None)


def test_ready_after_the_timeout_comes_too_late() -> None:
    book = notifying(start_timeout_s=5.0)
    book.start("s")
    book.deaf.add("s")
    book.advance(5.0)
    assert book.phase("s") is Phase.STOPPING
    before = book.due_in("s")
    book.notice("s", is_ready=True)
    assert (book.phase("s"), book.due_in("s")) == (Phase.STOPPING, before)


def test_ready_means_nothing_for_a_simple_service() -> None:
    book = Playbook(service("s"))
    book.start("s")
    book.notice("s", is_ready=True, status="hello")
    assert book.phase("s") is Phase.STARTING
    assert book.state("s").status_text == "hello"


def test_the_watchdog_bites_what_has_fallen_silent() -> None:
    book = notifying(watchdog_s=3.0)
    book.start("s")
    book.notice("s", is_ready=True)
    for _ in range(5):
        book.advance(2.9)
        book.notice("s", is_alive=True)
    assert book.phase("s") is Phase.RUNNING
    book.take()
    book.advance(3.0)
    assert book.take() == ["s: signal 6", "s: sweep 15", "s: spawn 2"]
    assert book.state("s").exits[-1].reason == "killed by 6 (watchdog: no WATCHDOG=1 for 3 s)"
    assert book.state("s").restarts == 1


def test_who_ignores_the_watchdogs_signal_is_killed_after_the_grace_period() -> None:
    book = notifying(watchdog_s=3.0, stop_grace_period_s=7.0)
    book.up("s")
    book.deaf.add("s")
    book.notice("s", has_failed=True)
    assert book.take() == ["s: signal 6"]
    book.advance(7.0)
    assert book.take() == ["s: kill", "s: sweep", "s: spawn 2"]


def test_the_watchdog_sleeps_until_it_is_up_and_while_it_stops() -> None:
    book = notifying(watchdog_s=3.0)
    book.start("s")
    book.advance(60.0)
    assert book.phase("s") is Phase.STARTING
    book.notice("s", is_ready=True)
    book.deaf.add("s")
    book.stop("s")
    book.advance(5.0)
    assert book.phase("s") is Phase.STOPPING
    assert book.said("s", "failed") == []


def test_a_watchdog_that_an_apply_took_away_does_not_bite() -> None:
    book = notifying(watchdog_s=3.0)
    book.up("s")
    book.fleet.respecify([service("s", type=ServiceType.NOTIFY)])
    book.feed(ev.Respecified(name="s"))
    assert book.due_in("s") is None


def test_mainpid_moves_the_life_to_another_process() -> None:
    book = notifying()
    book.start("s")
    first = book.state("s").pid
    second = book.main_pid("s")
    book.notice("s", is_ready=True)
    assert (book.state("s").pid, book.state("s").start_ticks) == (second, second * 10)
    report = ExitReport(generation=1, reason="exit 0", at=book.now, code=0, pid=first)
    book.take()
    book.feed(ev.Exited(name="s", generation=1, pid=first, report=report))
    assert (book.take(), book.phase("s")) == ([], Phase.RUNNING)
    book.exits("s", code=0)
    assert book.take() == ["s: sweep", "s: spawn 2"]


def test_stopping_is_noted_and_changes_nothing() -> None:
    book = notifying()
    book.up("s")
    book.notice("s", is_stopping=True)
    assert book.phase("s") is Phase.RUNNING
    assert book.said("s", "stopping") == ["the service says that it stops"]


def test_a_status_is_told_once_and_forgotten_with_its_life() -> None:
    book = notifying()
    book.start("s")
    for _ in range(3):
        book.notice("s", status="warming up")
    assert book.said("s", "status") == ["warming up"]
    book.exits("s", code=1)
    assert book.state("s").status_text == ""


def test_what_an_earlier_life_says_is_not_heard() -> None:
    book = notifying()
    book.start("s")
    book.exits("s", code=1)
    book.feed(ev.Noticed(name="s", generation=1, is_ready=True, status="ghost", main_pid=7))
    assert (book.phase("s"), book.state("s").status_text) == (Phase.STARTING, "")


def test_a_watch_rules_restart_counts_like_a_crash() -> None:
    book = Playbook(service("s", restart=RestartPolicy.NO, backoff=Backoff(initial_s=0.0, step_s=4.0, jitter=0.0)))
    book.up("s")
    book.feed(ev.Condemned(name="s", generation=1, why="watch rule 'bad': bad luck"))
    assert book.phase("s") is Phase.STARTING
    assert book.state("s").exits[-1].reason.endswith("(watch rule 'bad': bad luck)")
    book.feed(ev.Condemned(name="s", generation=1, why="the same line, told again"))
    assert book.state("s").generation == 2
    book.feed(ev.Condemned(name="s", generation=2, why="bad luck again"))
    assert (book.phase("s"), book.due_in("s")) == (Phase.BACKOFF, 4.0)


def test_a_watch_rule_fails_a_start_that_is_waited_for() -> None:
    book = notifying()
    start = book.start("s")
    book.feed(ev.Condemned(name="s", generation=1, why="bad luck"))
    assert book.outcome(start) == "bad luck"


def test_a_watch_rule_does_not_undo_a_stop() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.deaf.add("s")
    book.stop("s")
    book.feed(ev.Condemned(name="s", generation=1, why="bad luck"))
    book.exits("s", signal=9)
    assert book.phase("s") is Phase.STOPPED
