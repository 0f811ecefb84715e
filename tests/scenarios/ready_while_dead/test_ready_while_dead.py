"""READY=1 is sent while there is no supervisor: it waits in the socket, which the guardian holds."""

from __future__ import annotations

from support.site import frozen, kill_hard, until


def test_it_is_heard_by_the_successor(open_site, who):
    site = open_site(who)
    puppet = site.puppet("slow")
    site.start()
    with site.connect() as client:
        request_id = client.request("start", services=["next"])
        assert client.message()["type"] == "accepted"
        until(puppet.lives, "slow is started")
        site.state("slow", "starting")
        pids = site.running("guardian", "supervisor")
        with frozen(pids["guardian"]):  # no successor yet
            kill_hard(pids["supervisor"])
            puppet.tell("notify READY=1\\nSTATUS=said into the void")
    site.wait("took-over")
    site.wait("running", "slow")
    row = site.row("slow")
    assert (row["state"], row["status"], row["restarts"]) == ("running", "said into the void", 0)
    assert row["pid"] == puppet.lives()[0]
    # And what had waited for it goes on.
    end = site.talk("start", request_id, services=["next"])
    assert end["type"] == "finished"
    assert end["result"]["ok"], end
    site.running("next")
    assert site.row("next")["restarts"] == 0


def test_a_service_that_ends_after_its_word_is_no_orphan(open_site, who):
    """Ready, then dead, all in the gap: the successor hears both, in that order."""
    site = open_site(who)
    puppet = site.puppet("slow")
    site.start()
    with site.connect() as client:
        request_id = client.request("start", services=["slow"])
        assert client.message()["type"] == "accepted"
        until(puppet.lives, "slow is started")
        pids = site.running("guardian", "supervisor")
        with frozen(pids["guardian"]):
            kill_hard(pids["supervisor"])
            puppet.tell("notify READY=1")
            puppet.tell("exit 7")
    site.wait("exited", "slow", "exit 7")
    until(lambda: len(puppet.lives()) == 2)
    puppet.tell("notify READY=1")
    site.state("slow", "running")
    assert site.row("slow")["restarts"] == 1
    assert site.talk("start", request_id, services=["slow"])["type"] == "finished"
