"""Keys that only show in what happens: defaults, tags, success_exit, stop_signal, on real processes."""

from __future__ import annotations

import pytest
from support.site import until

PUPPETS = ("three", "zero", "gentle")


@pytest.fixture
def site(open_site, user):
    site = open_site(user)
    for name in PUPPETS:
        site.puppet(name)
    return site.start()


def test_defaults_are_of_their_own_file_and_merged_key_by_key(site):
    site.running("plain", "own", "apart")
    until(lambda: site.log("plain") and site.log("own") and site.log("apart"))
    assert site.log("plain") == ["everybody blue"]
    assert site.log("own") == ["everybody red"], "mappings are merged"
    assert site.log("apart") == [""], "another file has other defaults"
    rows = site.answers()
    assert rows["plain"]["tags"] == ["grid"]
    assert rows["own"]["tags"] == ["store", "fast"], "lists are replaced"
    assert site.show("own")["spec"]["restart"] == "on-failure"
    assert "restart" not in site.show("apart")["spec"]


def test_a_tag_means_everybody_who_has_it(site):
    pids = site.running("plain", "own", "apart")
    assert [row["name"] for row in site.ask("status", services=["@grid"])["services"]] == ["plain", "apart"]
    assert site.cli("restart", "@grid", "@fast").stdout == "plain: restarted\nown: restarted\napart: restarted\n"
    assert set(site.running("plain", "own", "apart").values()).isdisjoint(pids.values())
    site.do("stop", services=["@grid"])
    rows = site.answers()
    assert (rows["plain"]["state"], rows["own"]["state"], rows["apart"]["state"]) == ("stopped", "running", "stopped")
    done = site.cli("stop", "@gird")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no service has the tag 'gird'; tags: exits, fast, grid, store" in done.stderr
    site.do("start", services=["@grid", "own"])


@pytest.mark.parametrize(
    ("name", "deed", "is_success"),
    [
        ("three", "exit 3", True),
        ("three", "signal USR1", True),
        ("three", "exit 0", False),
        ("three", "signal TERM", False),
        ("zero", "exit 7", True),
        ("zero", "exit 0", False),
    ],
)
def test_success_is_what_the_spec_says(site, name, deed, is_success):
    """restart: on-failure tells the two apart."""
    puppet = site.puppet(name)
    until(puppet.lives)
    if deed.startswith("signal"):
        site.do("signal", signal=deed.split()[1], services=[name])
    else:
        puppet.tell(deed, waits=False)
    if is_success:
        assert site.state(name, "exited")["restarts"] == 0
        assert len(puppet.lives()) == 1
    else:
        until(lambda: len(puppet.lives()) == 2, "a failure is followed by another life")
        site.running(name)


def test_stop_signal_is_the_one_that_is_sent(site):
    puppet = site.puppet("gentle")
    until(puppet.lives)
    puppet.tell("ignore SIGTERM")
    puppet.tell("note SIGHUP")
    site.do("stop", services=["gentle"])
    row = site.row("gentle")
    assert (row["state"], row["exit"]["signal"]) == ("stopped", "SIGUSR2")
    site.do("start", services=["gentle"])
    until(lambda: len(puppet.lives()) == 2)
    puppet.tell("ignore SIGUSR2")
    operation = site.cli("stop", "--no-wait", "gentle")
    assert operation.returncode == 0
    assert site.state("gentle", "stopping")["pid"] == puppet.lives()[-1], "ignored, it lives for its grace period"
    site.do("stop", services=["gentle"], kill=True)
    assert site.row("gentle")["exit"]["signal"] == "SIGKILL"
