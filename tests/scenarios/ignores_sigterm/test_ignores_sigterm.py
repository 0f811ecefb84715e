"""A service that ignores SIGTERM is killed after its grace period, or at once if told so."""

from __future__ import annotations

from support.site import is_alive


def test_it_is_killed_after_the_grace_period(open_site, who):
    site = open_site(who)
    puppet = site.puppet("deaf")
    site.puppet("deafer")
    site.start()
    puppet.tell("note SIGTERM")
    site.do("stop", services=["deaf"])
    puppet.wait("SIGTERM")  # it was asked first
    assert not is_alive(puppet.lives()[0])
    kinds = site.transcript("deaf")
    assert kinds[-3:] == ["deaf killed", "deaf exited", "deaf stopped"]
    row = site.row("deaf")
    assert (row["state"], row["exit"]["signal"]) == ("stopped", "SIGKILL")


def test_the_grace_period_outlives_the_supervisor(open_site, who):
    site = open_site(who)
    puppet = site.puppet("deaf")
    site.puppet("deafer")
    site.start()
    puppet.tell("note SIGTERM")
    with site.connect() as client:
        request_id = client.request("stop", services=["deaf"])
        client.message()
        puppet.wait("SIGTERM")
    site.kill("supervisor")
    assert site.talk("stop", request_id, services=["deaf"])["result"]["ok"]
    assert site.row("deaf")["exit"]["signal"] == "SIGKILL"
    assert "deaf killed" in site.transcript("deaf")


def test_a_person_may_cut_it_short(open_site, who):
    site = open_site(who)
    site.puppet("deaf")
    puppet = site.puppet("deafer")
    site.start()
    puppet.tell("note SIGTERM")
    with site.connect() as client:
        request_id = client.request("stop", services=["deafer"])
        puppet.wait("SIGTERM")
        (blocked,) = site.show("deafer")["blocked_by"]
        assert blocked.startswith(f"process {puppet.lives()[0]} ")
        assert "puppet.py deafer: told to stop" in blocked
        assert "SIGKILL in 59m" in blocked
        site.do("stop", services=["deafer"], kill=True)
        assert client.last_word(request_id)["result"]["ok"]
    assert site.row("deafer")["state"] == "stopped"
