"""Scheduled runs, by a wall clock that is set and a monotonic one that is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.config.specs import Backoff, RestartPolicy, ServiceSpec, ServiceType, StartLimit
from amonsup.supervisor.core.runs import MOST_COUNTED
from amonsup.supervisor.model.moments import utc
from amonsup.supervisor.model.phases import Phase
from tests.support.playbook import Playbook, completed, service

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NOON = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC).timestamp()


def job(schedule: str = "*/10 * * * *", name: str = "job", **fields: Any) -> ServiceSpec:
    fields = {"time_zone": "UTC", "start_timeout_s": 0.0, **fields}
    return service(name, type=ServiceType.ONESHOT, schedule=schedule, **fields)


def booted(*specs: ServiceSpec, wall: float = NOON) -> Playbook:
    """As after a boot: everybody's clock was read once."""
    book = Playbook(*specs, wall=wall)
    for spec in specs:
        book.read_clock(spec.name)
    book.take()
    return book


def spawns(book: Playbook) -> int:
    return sum(1 for line in book.take() if ": spawn" in line)


def test_between_runs_it_has_exited_and_knows_the_next() -> None:
    book = booted(job())
    assert book.phase("job") is Phase.EXITED
    assert book.state("job").why == "has not run yet"
    assert utc(book.state("job").due) == "2026-03-01 12:10:00 UTC"
    assert book.said("job", "scheduled") == ["*/10 * * * * UTC; next run 2026-03-01 12:10:00 UTC"]


def test_it_runs_at_its_moments_and_not_in_between() -> None:
    book = booted(job())
    for number in (1, 2, 3):
        book.advance(10 * MINUTE - 3)
        assert spawns(book) == 0, "not before it is due"
        book.advance(3)
        assert spawns(book) == 1
        book.exits("job", code=0)
        assert book.phase("job") is Phase.EXITED
        assert book.state("job").generation == number
    assert book.calendars["job"][0] == "*/10 * * * * UTC"
    assert [r.code for r in book.state("job").exits] == [0, 0, 0]


def test_history_is_longer_than_of_other_services() -> None:
    book = booted(job("* * * * *"))
    for _ in range(25):
        book.advance(MINUTE)
        book.exits("job", code=0)
    assert len(book.state("job").exits) == 20


def test_a_run_never_begins_beside_the_one_before() -> None:
    book = booted(job())
    book.advance(30 * MINUTE)
    assert spawns(book) == 1
    assert book.state("job").skipped == 2
    assert book.said("job", "run-skipped") == ["the run before it, life 1, is not over"] * 2
    book.exits("job", code=0)
    book.advance(10 * MINUTE)
    assert spawns(book) == 1


def test_a_failed_run_is_tried_again_until_the_next_is_due() -> None:
    book = booted(job(restart=RestartPolicy.ON_FAILURE, backoff=Backoff(step_s=HOUR, max_s=HOUR, jitter=0.0)))
    book.advance(10 * MINUTE)
    book.exits("job", code=1)  # tried again at once
    book.exits("job", code=1)  # tried again in an hour
    assert book.phase("job") is Phase.BACKOFF
    assert book.state("job").attempt == 2
    book.take()
    book.advance(10 * MINUTE)
    assert book.phase("job") is Phase.STARTING
    assert spawns(book) == 1
    assert book.state("job").by == "schedule"
    assert book.state("job").attempt == 0, "the run is a new one, without the penalty of the last"
    assert (book.state("job").skipped, book.timers) == (0, {})


def test_with_restart_no_it_waits_for_its_next_moment() -> None:
    book = booted(job(restart=RestartPolicy.NO))
    book.advance(10 * MINUTE)
    book.exits("job", code=1)
    assert book.phase("job") is Phase.EXITED
    book.take()
    book.advance(10 * MINUTE)
    assert spawns(book) == 1


def test_given_up_is_not_for_ever_but_the_limit_holds() -> None:
    book = booted(job(start_limit=StartLimit(2, HOUR), restart=RestartPolicy.ALWAYS))
    book.advance(10 * MINUTE)
    book.exits("job", code=1)
    book.exits("job", code=1)
    assert book.phase("job") is Phase.FATAL
    book.take()
    book.advance(10 * MINUTE)
    assert (spawns(book), book.phase("job")) == (0, Phase.FATAL)
    book.advance(HOUR)
    assert book.phase("job") is Phase.STARTING


@pytest.mark.parametrize("catches_up", [True, False])
@pytest.mark.parametrize("away_s", [5 * HOUR, 3 * DAY, 400 * DAY])
def test_what_a_suspension_missed_is_one_decision(catches_up: bool, away_s: float) -> None:
    book = booted(job(catch_up=catches_up))
    book.set_clock(away_s + 5 * MINUTE)  # the monotonic clock does not count a suspension
    assert spawns(book) == int(catches_up)
    missed = min(int(away_s // (10 * MINUTE)), MOST_COUNTED)
    assert book.state("job").missed == missed
    (text,) = book.said("job", "run-missed")
    assert text.startswith(f"{missed} or more runs" if missed == MOST_COUNTED else f"{missed} runs")
    assert "the first of 2026-03-01 12:10:00 UTC" in text, text
    assert text.endswith("; made up for now") == catches_up
    if catches_up:
        book.exits("job", code=0)
    book.advance(5 * MINUTE)
    assert spawns(book) == 1, "and it goes on as before"


def test_a_run_of_its_own_moment_makes_up_for_nothing() -> None:
    book = booted(job(catch_up=True))
    book.set_clock(30 * MINUTE)
    assert spawns(book) == 1
    assert book.said("job", "run-missed") == ["2 runs, the first of 2026-03-01 12:10:00 UTC"]


def test_a_run_that_is_a_little_late_is_no_missed_one() -> None:
    book = booted(job())
    book.set_clock(10 * MINUTE + 30)
    assert spawns(book) == 1
    assert book.state("job").missed == 0


def test_after_a_boot_it_goes_on_where_it_was() -> None:
    book = booted(job(catch_up=True))
    calendar, dealt = book.calendars["job"]
    later = Playbook(job(catch_up=True), wall=NOON + DAY)
    later.state("job").calendar, later.state("job").dealt = calendar, dealt
    later.read_clock("job")
    assert spawns(later) == 1
    assert later.state("job").missed == 99, "the hundredth is the one that runs"


def test_another_schedule_owes_nothing() -> None:
    book = booted(job(catch_up=True))
    later = Playbook(job("*/7 * * * *", catch_up=True), wall=NOON + DAY)
    later.state("job").calendar, later.state("job").dealt = book.calendars["job"]
    later.read_clock("job")
    assert spawns(later) == 0
    assert later.state("job").missed == 0


# ---- the clock is set ----------------------------------------------------------------------------------------------


def test_set_back_by_little_a_daily_job_does_not_run_twice() -> None:
    book = booted(job("5 12 * * *"))
    book.advance(5 * MINUTE)
    book.exits("job", code=0)
    book.take()
    book.set_clock(-HOUR)
    book.advance(2 * HOUR)
    assert spawns(book) == 0
    assert utc(book.state("job").due) == "2026-03-02 12:05:00 UTC"


def test_set_back_by_little_a_frequent_job_goes_on() -> None:
    book = booted(job())
    book.advance(10 * MINUTE)
    book.exits("job", code=0)
    book.take()
    book.set_clock(-HOUR)
    assert spawns(book) == 0
    assert utc(book.state("job").due) == "2026-03-01 11:20:00 UTC"
    book.advance(10 * MINUTE)
    assert spawns(book) == 1


def test_set_back_far_the_calendar_begins_anew() -> None:
    book = booted(job("5 12 * * *"))
    book.advance(5 * MINUTE)
    book.exits("job", code=0)
    book.set_clock(-10 * DAY)
    assert utc(book.state("job").due) == "2026-02-20 12:05:00 UTC"
    assert "the clock was set back; next run 2026-02-20 12:05:00 UTC" in book.said("job", "scheduled")


@given(jumps=st.lists(st.sampled_from((-400 * DAY, -DAY, -HOUR, -1.0, 1.0, HOUR, DAY, 400 * DAY)), max_size=8))
def test_no_jump_fires_a_burst(jumps: list[float]) -> None:
    book = booted(job("* * * * *", catch_up=True))
    for jump in jumps:
        book.set_clock(jump)
        assert spawns(book) <= 1
        book.exits("job", code=0) if book.phase("job") is Phase.STARTING else None
    book.take()
    book.advance(10 * MINUTE)
    assert book.state("job").due > book.wall


# ---- people, holds, dependencies -----------------------------------------------------------------------------------


def test_stop_pauses_the_calendar_and_start_runs_it_now() -> None:
    book = booted(job())
    operation = book.stop("job")
    assert book.outcome(operation) == "ok"
    assert book.phase("job") is Phase.STOPPED
    assert book.alarms == {}
    assert book.calendars["job"] == ("", 0.0)
    book.advance(HOUR)
    assert spawns(book) == 0
    book.start("job")
    assert spawns(book) == 1
    book.exits("job", code=0)
    book.advance(10 * MINUTE)
    assert spawns(book) == 1


def test_held_it_is_left_out_and_counted() -> None:
    book = booted(job())
    book.hold("job", 15 * MINUTE, why="disk swap")
    book.advance(10 * MINUTE)
    assert spawns(book) == 0
    assert book.said("job", "run-skipped")[0].startswith("held by alice until")
    book.advance(10 * MINUTE)
    assert spawns(book) == 1
    assert book.state("job").skipped == 1


def test_it_waits_for_its_dependencies_but_starts_none_that_is_down() -> None:
    book = booted(service("db"), service("job", "db", type=ServiceType.ONESHOT, schedule="*/10 * * * *"))
    book.advance(10 * MINUTE)
    assert (book.phase("db"), book.phase("job")) == (Phase.STOPPED, Phase.WAITING)
    book.advance(10 * MINUTE)
    assert "has not begun: waiting for db" in book.said("job", "run-skipped")[0]
    book.start("db")
    book.advance(1)
    assert book.phase("job") is Phase.STARTING


def test_somebody_who_needs_it_done_has_it_run() -> None:
    book = booted(job(), service("web", completed("job")))
    book.start("web")
    assert book.phase("job") is Phase.STARTING
    book.exits("job", code=0)
    book.advance(2)
    assert book.phase("web") is Phase.RUNNING


def test_an_apply_changes_the_calendar_in_place_and_never_a_run() -> None:
    book = booted(job())
    changes, _ = book.apply(job("5 * * * *"))
    assert [(c.action, c.why) for c in changes] == [("change", "changed: schedule")]
    book.advance(1)
    assert utc(book.state("job").due) == "2026-03-01 12:05:00 UTC"
    book.advance(5 * MINUTE)
    assert book.phase("job") is Phase.STARTING
    changes, _ = book.apply(job("5 * * * *", umask=0o77))
    assert [(c.action, c.why) for c in changes] == [("change", "changed: umask; from its next run on")]
    assert book.state("job").generation == 1


def test_an_apply_adds_one_without_running_it_and_one_without_a_schedule_any_more_rests() -> None:
    book = Playbook(wall=NOON)
    changes, _ = book.apply(job())
    assert [(c.action, c.why) for c in changes] == [("add", "new in conf.d, runs by its schedule: */10 * * * *")]
    book.advance(10 * MINUTE)
    assert book.state("job").generation == 1
    book.exits("job", code=0)
    book.apply(service("job", type=ServiceType.ONESHOT))
    book.advance(1)
    assert (book.alarms, book.state("job").due) == ({}, 0.0)


def test_a_successor_keeps_the_moment() -> None:
    book = booted(job())
    book.advance(5 * MINUTE)
    book.succeed()
    book.read_clock("job")
    assert utc(book.state("job").due) == "2026-03-01 12:10:00 UTC"
    book.advance(5 * MINUTE)
    assert spawns(book) == 1


@given(st.floats(1.0, 8e9))
def test_a_moment_is_written_as_the_calendar_has_it(wall: float) -> None:
    assert utc(wall) == datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def test_what_runs_for_ever_is_not_left_running_when_it_becomes_a_job() -> None:
    """It would never end, and each run be left out because of it."""
    book = Playbook(service("job"))
    book.up("job")
    changes, _ = book.apply(service("job", type=ServiceType.ONESHOT, schedule="@daily"))
    assert [change.action for change in changes] == ["restart"]
    assert book.state("job").generation == 2
    book.exits("job", code=0)
    book.advance(0)
    assert (book.phase("job"), book.state("job").skipped) == (Phase.EXITED, 0)
    assert book.state("job").due > 0
