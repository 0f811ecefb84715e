"""A supervisor that dies again and again: its successor adopts and only watches, says so, and then comes back."""

from __future__ import annotations

from support.site import frozen, is_alive, kill_hard, until, wait_gone

DEATHS = 5


def test_it_only_watches_then_comes_back(open_site, who):
    site = open_site(who, patches="watch_until")
    site.write("unhurried", "")
    site.start()
    pids = site.running("one", "two")
    until(lambda: site.lines("lives.one") and site.lines("lives.two"))
    for _ in range(DEATHS):
        assert "watches only" not in site.warnings()
        assert not [event for event in site.events() if event["kind"] == "watching-only"]
        site.kill("supervisor")

    site.wait("watching-only")
    delays = [line.split("starts in ")[1] for line in site.stderr().splitlines() if "its successor" in line]
    assert delays == ["0 s", "0.1 s", "0.2 s", "0.4 s", "0.8 s"]
    assert "adopts and watches only" in site.warnings()
    assert site.running("one", "two") == pids
    # It watches: an end is noticed and told; it only watches: nobody is started, no command is taken.
    kill_hard(pids["one"])
    site.wait("exited", "one", "killed by SIGKILL")
    assert site.state("one", "waiting")["why"] == "the supervisor only watches, after dying repeatedly"
    for verb in ("start", "stop", "restart"):
        assert site.refused(verb, services=["two"])["code"] == "watching-only"
    assert site.refused("apply")["code"] == "watching-only"
    assert is_alive(pids["two"])
    assert site.cli("restart", "two").returncode == 1

    site.write("enough", "")
    site.wait("watching-ended")
    assert site.state("one", "running")["restarts"] == 1
    until(lambda: len(site.lines("lives.one")) == 2)
    assert site.pid("two") == pids["two"]
    assert site.warnings() == ""
    site.do("restart", services=["two"])


def test_an_operation_cut_off_is_given_up_not_forgotten(open_site, who):
    """The client gets its answer although nothing is carried out any more."""
    site = open_site(who, patches="watch_until")
    site.start()
    for _ in range(DEATHS - 1):
        site.kill("supervisor")
    pids = site.running("one", "two", "supervisor", "guardian")
    with frozen(pids["one"]), site.connect() as client:  # its stop takes as long as we like
        request_id = client.request("restart", services=["one"])
        assert client.message()["type"] == "accepted"
        kill_hard(pids["supervisor"])
        word = site.talk("restart", request_id, services=["one"])
    assert word["type"] == "finished", word
    assert not word["result"]["ok"]
    assert "given up" in word["result"]["note"]
    site.write("enough", "")
    until(lambda: len(site.lines("lives.one")) == 2)
    assert site.running("two")["two"] == pids["two"]


def test_nothing_is_made_again_by_who_only_watches(open_site, root):
    """A preflight belongs to an operation that is given up: not even when the watching ends is it made again."""
    site = open_site(root, patches="watch_until")
    site.start()
    pid = site.running("checked")["checked"]
    with site.connect() as client:
        request_id = client.request("restart", services=["checked"])
        assert client.message()["type"] == "accepted"
    for death in range(1, DEATHS):
        until(lambda count=death: len(site.lines("preflights")) == count)
        site.kill("supervisor")
    until(lambda: len(site.lines("preflights")) == DEATHS)
    site.kill("supervisor")
    word = site.talk("restart", request_id, services=["checked"])
    assert "given up" in word["result"]["note"]
    wait_gone(int(site.lines("preflights")[-1]))
    site.write("enough", "")
    site.wait("watching-ended")
    assert len(site.lines("preflights")) == DEATHS
    assert site.pid("checked") == pid
    assert site.row("checked")["state"] == "running"


def test_a_shutdown_goes_on(open_site, root):
    """It starts nothing, and nobody could command it again."""
    site = open_site(root, patches="watch_until")
    site.start()
    pids = site.running("one", "two")
    with frozen(pids["one"]):  # its stop takes as long as we like
        with site.connect() as client:
            client.request("shutdown")
            assert client.message()["type"] == "accepted"
        for _ in range(DEATHS):
            site.kill("supervisor")
        assert "shutting down" in site.warnings()
    assert site.process.wait() == 0
    assert site.survivors() == []


def test_a_shutdown_need_not_wait_for_the_end_of_it(open_site, root):
    site = open_site(root, patches="watch_until")
    site.start()
    pid = site.running("hooked")["hooked"]
    for _ in range(DEATHS):
        site.kill("supervisor")
    site.wait("watching-only")
    assert is_alive(pid)
    assert site.shut_down() == 0
    assert site.lines("hooks") == ["post_stop"]


def test_who_cannot_be_stopped_in_order_can_be_stopped(open_site, who):
    """No supervisor lives for long enough: amonsupd ends all the same, and the next one adopts the services."""
    site = open_site(who, patches="sick").start()
    pids = site.running("one", "two")
    site.write("sick", "")
    kill_hard(site.pid("supervisor"))
    until(lambda: site.stderr().count("the supervisor died") >= DEATHS)
    site.process.terminate()
    assert site.process.wait() == 1
    assert "they go on, and the next amonsupd adopts them" in site.stderr()
    assert all(is_alive(pid) for pid in pids.values())
    site.file("sick").unlink()
    site.start()
    assert site.running("one", "two") == pids
