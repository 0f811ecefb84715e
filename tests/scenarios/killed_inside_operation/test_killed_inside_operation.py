"""The supervisor dies inside a start, a stop, a restart: the operation goes on, under the id the client knows."""

from __future__ import annotations

import pytest
from support.site import is_alive, until, wait_gone

POINTS = [
    "accepted before 1",  # on record, nobody was told
    "accepted after 1",
    "signal before 1",
    "signal after 1",
    "sweep before 1",
    "order before 1",
    "spawn before 1",
    "spawn after 1",
    "finished before 1",  # over, nobody was told
]


def begun(site, verb, *services):
    """An accepted operation; its id."""
    with site.connect() as client:
        request_id = client.request(verb, services=list(services))
        assert client.message()["type"] == "accepted"
    return request_id


def finished(site, request_id, verb, *services):
    word = site.talk(verb, request_id, services=list(services))
    assert word["type"] == "finished", word
    assert word["result"]["operation"] == request_id
    return word["result"]


def test_start(open_site, who):
    site = open_site(who)
    puppet, _ = site.puppet("slow"), site.puppet("dependant")
    site.start()
    until(puppet.lives)
    request_id = begun(site, "start", "user")  # waits for slow, which is starting
    site.kill("supervisor")
    puppet.tell("notify READY=1")
    result = finished(site, request_id, "start", "user")
    assert result["ok"], result
    assert site.row("user")["state"] == "running"
    until(lambda: site.lines("lives.user"))
    assert len(puppet.lives()) == len(site.lines("lives.user")) == 1


def test_stop(open_site, who):
    """In order, too: dependants go first, and neither they nor the stop signal are forgotten."""
    site = open_site(who)
    puppet, dependant = site.puppet("slow"), site.puppet("dependant")
    site.start()
    puppet.tell("note SIGTERM")
    puppet.tell("notify READY=1")
    pids = site.running("slow", "user", "dependant")
    dependant.tell("note SIGTERM")
    request_id = begun(site, "stop", "slow")
    dependant.wait("SIGTERM")
    site.kill("supervisor")
    blocked = site.show("slow")["blocked_by"]
    assert "dependant" in blocked
    assert puppet.count("SIGTERM") == 0, "somebody still needs it"
    dependant.tell("exit 0")
    puppet.wait("SIGTERM")
    assert not is_alive(pids["user"])
    site.kill("supervisor")
    assert site.state("slow", "stopping")["pid"] == pids["slow"]
    puppet.tell("exit 0")
    result = finished(site, request_id, "stop", "slow")
    assert result["ok"], result
    rows = site.answers()
    assert (rows["slow"]["state"], rows["user"]["state"]) == ("stopped", "waiting")
    assert [len(p.lives()) for p in (puppet, dependant)] == [1, 1]


def test_shutdown(open_site, who):
    site = open_site(who)
    puppet, _ = site.puppet("slow"), site.puppet("dependant")
    site.start()
    puppet.tell("note SIGTERM")
    puppet.tell("notify READY=1")
    site.running("slow", "user", "quick")
    until(lambda: site.lines("lives.user") and site.lines("lives.quick"))
    with site.connect() as client:
        client.request("shutdown")
        assert client.message()["type"] == "accepted"
    puppet.wait("SIGTERM")
    site.kill("supervisor")
    assert "shutting down" in site.warnings()
    assert site.refused("start", services=["quick"])["code"] == "shutting-down"
    puppet.tell("exit 0")
    guardian = site.process.pid
    wait_gone(guardian)
    assert site.process.wait() == 0
    assert site.survivors() == []
    assert [len(site.lines(f"lives.{name}")) for name in ("user", "quick")] == [1, 1]


@pytest.mark.parametrize("point", POINTS)
def test_restart_at_any_moment(open_site, who, point):
    site = open_site(who, patches="doomed")
    for name in ("slow", "dependant"):
        site.puppet(name)
    site.start()
    until(lambda: site.lines("lives.quick"))
    assert restart(site, point), "the supervisor has met its doom"


@pytest.mark.parametrize("when", ["before", "after"])
def test_restart_at_every_record(open_site, who, when):
    site = open_site(who, patches="doomed")
    for name in ("slow", "dependant"):
        site.puppet(name)
    site.start()
    until(lambda: site.lines("lives.quick"))
    count = 1
    while restart(site, f"record {when} {count}"):
        count += 1
    assert count > 3, "a restart has more records than that"


def restart(site, point):
    """`quick` has its one new life, wherever the supervisor dies; asked again, it is not restarted again. Says
    whether it died."""
    before = [int(line) for line in site.lines("lives.quick")]
    site.write("doom", point)
    request_id = f"restart-{point}"
    result = finished(site, request_id, "restart", "quick")
    assert result["ok"], result
    until(lambda: len(site.lines("lives.quick")) > len(before))
    has_died = site.is_doomed()
    new = site.running("quick")["quick"]
    assert finished(site, request_id, "restart", "quick") == result
    assert [int(line) for line in site.lines("lives.quick")] == [*before, new]
    assert site.lines("violations") == []
    assert site.row("quick")["restarts"] == 0  # nobody but the person wanted one
    return has_died


@pytest.mark.parametrize("point", ["record after 1", "accepted after 1"])
def test_a_word_is_kept_over_a_boot(open_site, root, point):
    """`stop` of what starts again unless it was stopped: the word outlives the supervisor that took it."""
    site = open_site(root, patches="doomed")
    for name in ("slow", "dependant"):
        site.puppet(name)
    site.start()
    site.running("minded")
    for verb, state in (("stop", "stopped"), ("start", "running")):
        site.write("doom", point)
        assert finished(site, f"{verb}-{point}", verb, "minded")["ok"]
        assert site.is_doomed()
        site.shut_down()
        site.start()
        site.state("quick", "running")
        assert site.state("minded", state)
