"""Oneshots by the calendar: at their moments, never beside themselves, once for all that was missed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.site import until
from support.wall_clock import WallClock

NOON = datetime(2031, 3, 1, 12, 0, 30, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@pytest.fixture
def site(open_site, user):
    return open_site(user, patches="own_clock")


@pytest.fixture
def clock(site):
    made = WallClock(site)
    made.set_to(NOON, is_told=False)
    return made


def runs(site, name):
    return len(site.lines(f"runs.{name}"))


def over(site, name, count):
    """Wait until so many runs are over."""
    until(lambda: runs(site, name) == count, f"{name} runs for the {count}th time")
    return site.state(name, "exited")


def test_at_its_moments_whoever_dies(site, clock):
    site.start()
    row = site.state("tick", "exited")
    assert (row["next_run"], row["why"], row["pid"]) == ("2031-03-01T12:01:00.000Z", "has not run yet", None)
    assert runs(site, "tick") == 0, "not when the daemon starts"
    clock.set_to(NOON + 30)
    row = over(site, "tick", 1)
    assert (row["exit"]["code"], row["next_run"]) == (0, "2031-03-01T12:02:00.000Z")
    site.kill("supervisor")
    assert site.row("tick")["next_run"] == "2031-03-01T12:02:00.000Z"
    clock.set_to(NOON + 90)
    over(site, "tick", 2)
    # Its moment comes while nobody is there: a successor makes it good, once.
    clock.set_to(NOON + 151, is_told=False)
    site.kill("supervisor")
    row = over(site, "tick", 3)
    assert (row["missed"], row["skipped"], row["generation"]) == (0, 0, 3)
    site.kill("supervisor")
    assert site.state("tick", "exited")["generation"] == 3
    exits = site.show("tick")["exits"]
    assert [each["code"] for each in exits] == [0, 0, 0]
    assert all(each["began"][:10] == "2031-03-01" and each["began"] <= each["at"] for each in exits)
    shown = site.cli("show", "tick").stdout
    assert "  next run    2031-03-01T12:04:00.000Z\n" in shown
    assert "(began 2031-03-01T12:0" in shown
    assert "next run 2031-03-01T12:04:00Z" in site.cli("status", "tick").stdout
    assert site.warnings() == ""


def test_by_the_timer_itself(site, clock):
    site.start()
    site.state("tick", "exited")
    clock.set_to(NOON + 29)
    over(site, "tick", 1)  # a second later, without anybody saying so


def test_never_beside_itself(site, clock):
    puppet = site.puppet("slow")
    site.start()
    site.state("slow", "exited")
    clock.set_to(NOON + 9.5 * MINUTE)
    until(puppet.lives)
    site.kill("supervisor")
    clock.set_to(NOON + 19.5 * MINUTE)
    assert "life 1, is not over" in site.wait_any("run-skipped", "slow")["text"]
    row = site.row("slow")
    assert (row["state"], row["skipped"], row["generation"]) == ("starting", 1, 1)
    puppet.tell("exit 3", waits=False)
    row = site.state("slow", "exited")
    assert row["exit"]["code"] == 3
    clock.set_to(NOON + 29.5 * MINUTE)
    until(lambda: len(puppet.lives()) == 2)
    puppet.tell("exit 0", waits=False)
    assert site.state("slow", "exited")["missed"] == 0


def test_what_was_missed_while_the_machine_was_off(site, clock):
    site.start()
    site.state("lost", "exited")
    assert site.shut_down() == 0
    clock.set(3 * DAY, is_told=False)
    site.start()
    row = over(site, "nightly", 1)
    assert (row["missed"], row["next_run"]) == (3, "2031-03-05T02:30:00.000Z")
    missed = site.wait_any("run-missed", "nightly")["text"]
    assert missed == "3 runs, the first of 2031-03-02 02:30:00 UTC; made up for now"
    row = site.state("lost", "exited")
    assert (row["missed"], row["generation"], runs(site, "lost")) == (3, 0, 0)
    # The machine slept, or somebody set the clock: the same again, and once only.
    clock.set(2 * DAY)
    over(site, "nightly", 2)
    clock.set(-2 * DAY)
    clock.set(2 * HOUR)
    site.kill("supervisor")
    assert site.state("nightly", "exited")["generation"] == 2
    assert runs(site, "lost") == 0


def test_people(site, clock):
    site.start()
    berlin = site.row("berlin")
    assert (berlin["state"], berlin["next_run"], berlin["enabled"]) == ("stopped", None, False)
    site.do("start", services=["berlin"])
    assert site.state("berlin", "exited")["next_run"] == "2031-03-01T23:00:00.000Z"
    assert runs(site, "berlin") == 1
    site.do("start", services=["all"])
    assert runs(site, "nightly") == 0, "what has its calendar is not run by the way"
    site.do("stop", services=["tick"])
    site.kill("supervisor")
    clock.set_to(NOON + HOUR)
    row = site.row("tick")
    assert (row["state"], row["next_run"], runs(site, "tick")) == ("stopped", None, 0)
    site.do("hold", service="nightly", duration="1d", reason="tapes")
    clock.set(14 * HOUR)
    assert "tapes" in site.wait_any("run-skipped", "nightly")["text"]
    assert runs(site, "nightly") == 0


def test_an_apply_changes_the_calendar_and_kills_no_run(site, clock):
    puppet = site.puppet("slow")
    site.start()
    site.state("slow", "exited")
    clock.set_to(NOON + 9.5 * MINUTE)
    until(puppet.lives)
    text = site.conf_d.joinpath("schedule.yaml").read_text()
    site.write(
        "conf.d/schedule.yaml", text.replace("*/10 * * * *", "15 * * * *").replace("puppet.py slow", "puppet.py slow x")
    )
    planned = site.cli("apply", "--dry-run").stdout
    assert "from its next run on" in planned
    site.do("apply")
    row = site.row("slow")
    assert (row["state"], row["next_run"]) == ("starting", "2031-03-01T12:15:00.000Z")
    assert len(puppet.lives()) == 1
    puppet.tell("exit 0", waits=False)
    site.state("slow", "exited")
