"""Preflight and reload of real services: what fails touches nothing, what is said to be done is done."""

from __future__ import annotations

import os

import pytest
from support.site import until


@pytest.fixture
def site(open_site, root):
    return started(open_site, root)


def started(open_site, who):
    site = open_site(who)
    for name in ("puppet", "notifies"):
        site.puppet(name)
    site.start()
    site.running("checked", "puppet", "fragile")
    return site


def outcome(site, verb, name, **args):
    result = site.talk(verb, services=[name], **args)["result"]
    return result["results"][0]["ok"], result["results"][0].get("text", "")


def test_preflight(open_site, who):
    site = started(open_site, who)
    pid = site.pid("checked")
    site.write("verdict", "line 3: no such key\n")
    text = "preflight: exit 1: looking | line 3: no such key (nothing was touched; --force skips it)"
    for verb in ("restart", "reload"):
        assert outcome(site, verb, "checked") == (False, text)
    assert site.pid("checked") == pid
    assert site.log("checked") == [], "its output is the answer, not the log"
    done = site.cli("restart", "checked")
    assert (done.returncode, done.stdout) == (1, f"checked: failed: {text}\n")
    # An apply that would restart it: the old life goes on, and says so.
    path = site.conf_d / "reload.yaml"
    path.write_text(
        path.read_text().replace("  checked:\n    command: sleep 1000", "  checked:\n    command: sleep 2000")
    )
    result = site.talk("apply")["result"]
    assert [(r["name"], r["ok"]) for r in result["results"]] == [("checked", False)]
    assert site.pid("checked") == pid
    flights = len(site.lines("flights"))
    assert outcome(site, "restart", "checked", force=True) == (True, "")
    assert site.pid("checked") != pid
    os.kill(site.pid("checked"), 9)
    until(lambda: site.row("checked")["restarts"] == 1)
    site.do("stop", services=["checked"])
    site.do("start", services=["checked"])
    assert len(site.lines("flights")) == flights, "not before what is forced, a crash, a stop or a start"
    site.file("verdict").unlink()
    assert outcome(site, "restart", "checked") == (True, "")
    assert len(site.lines("flights")) == flights + 1


def test_the_supervisor_is_killed_inside_a_preflight(site):
    gate = site.file("gate")
    os.mkfifo(gate, 0o600)
    os.chown(gate, site.who.uid, site.who.gid)
    hold = os.open(gate, os.O_RDWR)
    pid = site.pid("checked")
    with site.connect() as client:
        request = client.request("restart", services=["checked"])
        assert client.message()["type"] == "accepted"
        until(lambda: len(site.lines("flights")) == 1)
        site.kill("supervisor")
    site.answers()
    until(lambda: len(site.lines("flights")) == 2, "it is made again")
    assert site.pid("checked") == pid
    os.write(hold, b"\n")
    with site.connect() as client:
        client.request("restart", request, services=["checked"])
        assert client.last_word(request)["result"]["ok"]
    os.close(hold)
    assert site.pid("checked") != pid


def test_reload_by_command(site):
    pid = site.pid("checked")
    assert outcome(site, "reload", "checked") == (True, "")
    until(lambda: site.log("checked") == [f"reloading {pid}"])
    site.write("refuse", "")
    assert outcome(site, "reload", "checked") == (False, "reload: exit 4")
    assert site.pid("checked") == pid


def test_reload_by_signal(site):
    puppet = site.puppet("puppet")
    puppet.tell("note SIGHUP")
    assert outcome(site, "reload", "puppet") == (True, "")
    puppet.wait("SIGHUP")
    ok, text = outcome(site, "reload", "fragile")
    assert (ok, text) == (False, "it ended: killed by SIGHUP")
    ok, text = outcome(site, "reload", "off")
    assert not ok
    assert text == "it is stopped; only what is running can be reloaded (amonsup start off)"


def test_a_service_that_notifies_is_waited_for(site):
    puppet = site.puppet("notifies")
    until(puppet.lives)
    puppet.tell("notify READY=1")
    puppet.tell("note SIGHUP")
    site.running("notifies")
    with site.connect() as client:
        request = client.request("reload", services=["notifies"])
        puppet.wait("SIGHUP")
        puppet.tell("notify RELOADING=1\\nMONOTONIC_USEC=1")
        site.wait("reloading", "notifies")
        site.kill("supervisor")
    site.answers()
    puppet.tell("notify READY=1")
    with site.connect() as client:
        client.request("reload", request, services=["notifies"])
        assert client.last_word(request)["result"]["ok"]
    site.wait("reloaded", "notifies")
    assert len(puppet.lives()) == 1
