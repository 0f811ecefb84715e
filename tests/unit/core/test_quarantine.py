"""A rule that throws: one service is put aside, the others go on, and the transcript replays it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from amonsup.config.specs import Healthcheck, ServiceType
from amonsup.supervisor.core import table, transcript
from amonsup.supervisor.core.fleet import replay
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import PUBLIC, Phase, State
from amonsup.supervisor.model.records import ExitReport
from tests.support.playbook import Playbook, service


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the rule of (phase, kind) change a little and then throw, for the service `bad` only."""

    def break_rule(phase: Phase, kind: type[ev.Event]) -> None:
        good = table.TABLE[phase, kind]

        def rule(turn: Any, state: Any, event: Any) -> None:
            good(turn, state, event)
            if state.name == "bad":
                raise ZeroDivisionError("in a rule")

        monkeypatch.setattr("amonsup.supervisor.core.fleet.TABLE", {**table.TABLE, (phase, kind): rule})

    return break_rule


def lives_on(book: Playbook) -> bool:
    restart = book.restart("good")
    book.advance(1.0)
    return book.outcome(restart) == "ok"


def test_only_the_one_service_is_put_aside(broken: Any) -> None:
    book = Playbook(service("bad"), service("good"))
    book.up("bad", "good")
    broken(Phase.RUNNING, ev.Exited)
    pid = book.state("bad").pid
    book.exits("bad", code=1)
    assert book.take() == ["bad: quarantine"], "nothing that the rule ordered is carried out"
    assert book.phase("bad") is Phase.QUARANTINED
    assert PUBLIC[book.phase("bad")] is State.FATAL
    assert book.state("bad").pid == pid, "its state is as it was before"
    assert book.state("bad").exits == ()
    assert book.state("bad").why == "internal error: ZeroDivisionError: in a rule"
    assert lives_on(book)


def test_the_transcript_replays_what_was_thrown(broken: Any) -> None:
    book = Playbook(service("dep"), service("bad", "dep"))
    book.up("bad")
    broken(Phase.RUNNING, ev.Exited)
    book.exits("bad", code=1)
    record = transcript.decode(book.quarantines[0].transcript)
    assert record.error == "ZeroDivisionError: in a rule"
    assert isinstance(record.trail[-1][1], ev.Exited)
    assert {event.name for _, event in record.trail} == {"bad"}
    with pytest.raises(ZeroDivisionError):
        replay(record)


def test_a_transcript_of_a_rule_that_has_been_mended_replays_in_peace(
    broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Playbook(service("bad"))
    book.up("bad")
    broken(Phase.RUNNING, ev.Exited)
    book.exits("bad", code=1)
    monkeypatch.undo()
    effects = replay(transcript.decode(book.quarantines[0].transcript))
    assert "Sweep" in [type(effect).__name__ for effect in effects]


def test_a_file_that_is_no_transcript_says_so() -> None:
    with pytest.raises(msgspec.DecodeError):
        transcript.decode(b'{"version": 1}')


def test_whoever_waits_for_it_is_told(broken: Any) -> None:
    book = Playbook(service("bad"))
    broken(Phase.STARTING, ev.TimerFired)
    start = book.start("bad")
    book.is_checking = False
    book.advance(1.0)
    assert book.outcome(start) == "internal error, the service is quarantined"


def test_whose_command_hit_the_fault_is_told_too(broken: Any) -> None:
    book = Playbook(service("bad"), service("good"))
    broken(Phase.STOPPED, ev.Commanded)
    start = book.start("bad", "good")
    book.advance(1.0)
    assert book.outcome(start, "bad") == "internal error, the service is quarantined"
    assert book.outcome(start, "good") == "ok"


def test_a_dependant_that_waits_for_it_learns_that_it_will_not_come(broken: Any) -> None:
    book = Playbook(service("bad"), service("web", "bad"))
    broken(Phase.STARTING, ev.Spawned)
    book.is_checking = False
    start = book.start("web")
    assert book.outcome(start) == ("its dependency bad is quarantined: internal error: ZeroDivisionError: in a rule")


def test_hands_off_but_a_dead_process_is_not_believed_alive(broken: Any) -> None:
    book = Playbook(service("bad"))
    book.up("bad")
    broken(Phase.RUNNING, ev.Noticed)
    book.notice("bad", status="x")
    assert book.phase("bad") is Phase.QUARANTINED
    book.take()
    book.exits("bad", code=1)
    assert book.take() == []
    assert (book.phase("bad"), book.state("bad").pid) == (Phase.QUARANTINED, 0)


def test_a_command_releases_it(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Playbook(service("bad"))
    book.up("bad")
    broken(Phase.RUNNING, ev.Noticed)
    book.notice("bad", status="x")
    monkeypatch.undo()
    restart = book.restart("bad")
    book.advance(1.0)
    assert book.outcome(restart) == "ok"
    assert (book.phase("bad"), book.state("bad").quarantine) == (Phase.RUNNING, "")
    assert book.state("bad").generation == 2


def test_the_trail_is_bounded() -> None:
    book = Playbook(service("bad"))
    book.up("bad")
    for number in range(1000):
        book.notice("bad", status=str(number))
    assert len(book.fleet._trail) == 256


def test_rules_that_answer_each_other_for_ever_end_the_supervisor_not_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rule(turn: Any, state: Any, event: Any) -> None:
        turn.follow_ups.append(event)

    monkeypatch.setattr("amonsup.supervisor.core.fleet.TABLE", {**table.TABLE, (Phase.STOPPED, ev.Swept): rule})
    monkeypatch.setattr("amonsup.supervisor.core.fleet.MAX_STEPS", 100)
    book = Playbook(service("s"))
    with pytest.raises(RuntimeError, match="does not settle"):
        book.feed(ev.Swept(name="s", generation=0))


def test_an_exit_report_in_a_transcript_is_whole(broken: Any) -> None:
    book = Playbook(service("bad"))
    book.up("bad")
    broken(Phase.RUNNING, ev.Exited)
    book.exits("bad", signal=11, core=True)
    event = transcript.decode(book.quarantines[0].transcript).trail[-1][1]
    assert isinstance(event, ev.Exited)
    assert event.report == ExitReport(
        generation=1,
        reason="killed by 11",
        at=book.now,
        signal=11,
        core=True,
        pid=event.pid,
        uptime_s=event.report.uptime_s,
    )


def test_a_hook_of_before_does_not_stand_in_the_way_of_what_comes_after(broken: Any) -> None:
    book = Playbook(service("bad", min_uptime_s=0.0, pre_start=("/bin/pre_start",)))
    book.slow.add("pre_start")
    book.start("bad")
    broken(Phase.STARTING, ev.Noticed)
    book.notice("bad", status="hello")
    assert book.phase("bad") is Phase.QUARANTINED
    book.take()
    book.is_checking = False  # it is stopped, and its hook about to be
    book.reset("bad")
    book.is_checking = True
    assert book.take() == ["bad: kill pre_start"]
    book.slow.clear()
    start = book.start("bad")
    assert book.outcome(start) == "ok"
    assert len(book.quarantines) == 1


def test_what_comes_out_alive_is_looked_after_again(broken: Any) -> None:
    check = Healthcheck(test=("/bin/check",))
    book = Playbook(service("bad", type=ServiceType.NOTIFY, watchdog_s=30.0, healthcheck=check))
    book.up("bad")
    broken(Phase.RUNNING, ev.Noticed)
    book.notice("bad", status="hello")
    assert book.phase("bad") is Phase.QUARANTINED
    book.reset("bad")
    assert book.phase("bad") is Phase.RUNNING
    assert book.due_in("bad") == 30.0
    assert ("bad", "health") in book.deadlines
