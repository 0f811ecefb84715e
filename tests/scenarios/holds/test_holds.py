"""Holds, enable and disable, reset: what a person said of a service outlives supervisors and boots."""

from __future__ import annotations

import pytest
from support.site import is_alive, kill_hard, until
from support.wall_clock import WallClock


@pytest.fixture
def site(open_site, user):
    return open_site(user, patches="own_clock")


@pytest.fixture
def clock(site):
    for name in ("db", "web"):
        site.puppet(name)
    return WallClock(site)


def test_a_hold_from_its_beginning_to_its_end(site, clock):
    site.start()
    pids = site.running("db", "web", "plain")
    said = site.cli("hold", "db", "2h", "disk swap")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("db: held: held by ")
    assert said.stdout.endswith(": disk swap\n")
    row = site.row("db")
    assert (row["state"], row["held_why"]) == ("running", "disk swap")
    assert "uid" in row["held_by"]
    assert row["held_until"] > row["since"]
    assert "disk swap" in site.cli("status", "db").stdout
    assert "  held        by " in site.cli("show", "db").stdout

    # Its end is recorded; nobody starts it again, not a successor either; its dependant waits as after any crash.
    kill_hard(pids["db"])
    row = site.state("db", "waiting")
    assert row["why"].startswith("held by ")
    assert row["exit"]["signal"] == "SIGKILL"
    site.kill("supervisor")
    row = site.state("db", "waiting")
    assert (row["generation"], row["held_why"]) == (1, "disk swap")
    site.state("web", "waiting")

    # People are refused, in words, unless they say that they know.
    for verb in ("start", "stop", "restart"):
        refused = site.cli(verb, "db")
        assert refused.returncode == 4
        assert "release it first, or --force" in refused.stderr
    assert site.cli("start", "db", "plain").returncode == 1, "the rest is done"
    assert site.cli("start", "--force", "db").returncode == 0
    site.running("db", "web")
    assert site.cli("stop", "--force", "db").returncode == 0
    assert site.row("db")["state"] == "stopped"
    assert site.cli("start", "--force", "db").returncode == 0
    kill_hard(site.running("db")["db"])
    site.state("db", "waiting")
    generation = site.row("db")["generation"]

    assert "was held by" in site.cli("release", "db").stdout
    site.running("db", "web")
    row = site.row("db")
    assert (row["generation"], row["held_until"], row["held_by"]) == (generation + 1, None, "")
    assert "nobody held it" in site.cli("release", "db").stdout
    assert "db held" in site.transcript("db")
    assert "db released" in site.transcript("db")


def test_it_outlives_a_boot_and_expires_by_the_wall_clock(site, clock):
    site.start()
    site.running("db", "web")
    site.do("hold", service="db", duration="1h", reason="disk swap")
    assert site.shut_down() == 0, "a shutdown stops held services too"
    clock.set(1800, is_told=False)
    site.start()
    site.running("plain")
    row = site.state("db", "waiting")
    assert (row["held_why"], row["pid"]) == ("disk swap", None)
    site.kill("supervisor")
    site.state("db", "waiting")
    assert not site.puppet("db").lives()[1:]
    clock.set(1801)
    site.running("db", "web")
    assert site.wait_any("hold-ended", "db")["text"].startswith("it was held by ")
    site.kill("supervisor")
    assert site.row("db")["held_until"] is None


def test_a_held_service_follows_nobody(site, clock):
    site.start()
    pids = site.running("db", "web")
    site.do("hold", service="web", duration="1h")
    site.do("restart", services=["db"])
    site.do("stop", services=["db"])
    assert site.row("web")["pid"] == pids["web"], "up without its dependency"
    site.do("start", services=["db"])
    assert is_alive(pids["web"])
    site.do("release", services=["web"])
    until(lambda: site.row("web")["generation"] == 2, "it follows now")
    site.running("db", "web")


def test_an_apply_keeps_its_hands_off(site, clock):
    site.start()
    pids = site.running("db", "web")
    site.do("hold", service="db", duration="1h")
    text = site.conf_d.joinpath("holds.yaml").read_text()
    site.write("conf.d/holds.yaml", text.replace("db}", "x}").replace("puppet.py db", "puppet.py db extra"))
    result = site.ask("apply")
    assert not result["ok"]
    assert "release it first" in result["results"][0]["text"]
    assert site.row("db")["pid"] == pids["db"]
    site.write("conf.d/holds.yaml", text.replace("  db:", "  other:").replace("{db:", "{other:"))
    refusal = site.refused("apply")
    assert "db, which would go, is held by" in refusal["text"]
    assert site.row("db")["pid"] == pids["db"]


def test_bad_words(site, clock):
    site.start()
    for words, status, said in (
        (("hold", "db", "2"), 2, "'2' has no unit"),
        (("hold", "db", "soon"), 2, "'soon' is not a duration"),
        (("hold", "db", "31d"), 2, "31d is not between 1s and 30d"),
        (("hold", "db", "10ms"), 2, "not between 1s and 30d"),
        (("hold", "db"), 2, "DURATION is missing"),
        (("hold", "plian", "1h"), 2, "did you mean 'plain'?"),
        (("hold", "db", "1h", "x" * 201), 2, "at most 200 characters"),
        (("hold", "db", "1h", "a\x1b[2Jb"), 2, "one line"),
        (("release", "@nobody"), 2, "no service has the tag"),
        (("enable",), 2, "SERVICE is missing"),
        (("reset", "nobody"), 2, "there is no service"),
    ):
        done = site.cli(*words)
        assert (done.returncode, done.stdout) == (status, ""), words
        assert said in done.stderr, words
    assert site.row("db")["held_until"] is None


def test_whether_it_starts_by_itself(site, clock):
    site.start()
    site.running("plain")
    assert site.cli("enable", "never").stdout == (
        "never: enabled: starts by itself from the next boot on; not started now\n"
    )
    assert site.cli("disable", "plain").stdout == (
        "plain: disabled: does not start by itself any more; not stopped now\n"
    )
    rows = site.answers()
    assert (rows["never"]["state"], rows["never"]["enabled"]) == ("stopped", True)
    assert (rows["plain"]["state"], rows["plain"]["enabled"]) == ("running", False)
    assert (rows["db"]["enabled"], rows["logger"]["enabled"]) == (True, None)
    assert site.shut_down() == 0
    site.start()
    site.running("never", "db")
    site.kill("supervisor")
    assert site.row("plain")["state"] == "stopped"
    assert "does not start by itself (disabled by " in site.show("plain")["at_boot"]
    assert "autostart: true)" in site.cli("show", "plain").stdout
    site.do("enable", services=["@quiet"])
    assert site.shut_down() == 0
    site.start()
    site.running("never", "plain")


def test_reset(site, clock):
    site.start()
    site.state("broken", "fatal")
    assert site.cli("reset", "broken").stdout == "broken: reset: stopped\n"
    row = site.row("broken")
    assert (row["state"], row["restarts"], row["exit"]) == ("stopped", 0, None)
    assert site.show("broken")["exits"] == []
    site.kill("supervisor")
    assert site.row("broken")["state"] == "stopped"
    assert not site.ask("start", services=["broken"])["ok"], "the limit counts anew"
    assert site.state("broken", "fatal")["generation"] == 4


def test_why_it_is_muted_outlives_the_supervisor_and_a_boot(site, clock):
    site.start()
    site.running("db")
    assert site.cli("mute", "db", "1h", "--reason", "new release").returncode == 0
    site.kill("supervisor")
    assert site.row("db")["muted_why"] == "new release"
    assert "): new release" in site.cli("show", "db").stdout
    assert site.shut_down() == 0
    site.start()
    assert site.row("db")["muted_why"] == "new release"
    assert site.cli("mute", "db", "0").returncode == 0
    row = site.row("db")
    assert (row["muted_until"], row["muted_by"], row["muted_why"]) == (None, "", "")
    told = [each for each in site.ask("events")["events"] if each["kind"] in ("muted", "unmuted")]
    assert [(each["kind"], each["service"]) for each in told] == [("muted", "db"), ("unmuted", "db")]
    assert all("uid" in each["by"] for each in told)
