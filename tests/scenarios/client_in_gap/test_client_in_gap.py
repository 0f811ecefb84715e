"""Clients that wait across the death of the supervisor, or come while there is none, get their answer."""

from __future__ import annotations

import contextlib
import json

import pytest
from support.site import frozen, kill_hard, until


@contextlib.contextmanager
def gap(site):
    """No supervisor, and none comes until the end of it."""
    pids = site.running("guardian", "supervisor")
    with frozen(pids["guardian"]):
        kill_hard(pids["supervisor"])
        yield


def test_who_comes_in_the_gap_is_answered_on_that_connection(open_site, who):
    site = open_site(who).start()
    one = site.running("one")["one"]
    until(lambda: site.lines("lives.one"))
    with contextlib.ExitStack() as stack:
        with gap(site):
            clients = [stack.enter_context(site.connect()) for _ in range(20)]
            ids = [
                client.request("restart" if n == 7 else "status", services=["one"]) for n, client in enumerate(clients)
            ]
        for n, (client, request_id) in enumerate(zip(clients, ids, strict=True)):
            word = client.last_word(request_id)
            assert word["type"] == ("finished" if n == 7 else "answer"), word
    assert site.pid("one") not in (one, 0)
    until(lambda: len(site.lines("lives.one")) == 2)


def test_the_command_line_client_does_not_notice(open_site, who):
    site = open_site(who).start()
    site.running("one")
    with gap(site):
        client = site.cli_started("--json", "status", "one")
        until(lambda: is_waiting(client.pid), "the client waits")
    out, err = client.communicate(timeout=40)
    assert (client.returncode, err) == (0, "")
    assert json.loads(out)[0]["state"] == "running"


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_an_operation_under_way_ends_well(open_site, who, verb):
    """The client is connected, its operation accepted, the service not up yet; the supervisor dies, and dies again."""
    site = open_site(who)
    puppet = site.puppet("slow")
    site.start()
    puppet.tell("notify READY=1")
    site.state("slow", "running")
    if verb == "start":
        site.do("stop", services=["slow"])
    lives = len(puppet.lives())
    client = site.cli_started(verb, "slow")
    until(lambda: len(puppet.lives()) == lives + 1, "the new life begins")
    for _ in range(2):
        site.kill("supervisor")
        site.wait("took-over")
    assert client.poll() is None, client.communicate()
    puppet.tell("notify READY=1")
    _, err = client.communicate(timeout=40)
    assert client.returncode == 0, err
    row = site.row("slow")
    assert (row["state"], row["pid"], row["restarts"]) == ("running", puppet.lives()[-1], 0)
    assert len(puppet.lives()) == lives + 1


def test_a_follower_of_events_misses_nothing(open_site, who):
    site = open_site(who, patches="eager_guardian").start()
    site.running("one")
    follower = site.cli_started("--json", "events", "-f", "-n", "1")
    first = json.loads(follower.stdout.readline())["seq"]
    for _ in range(3):
        site.kill("supervisor")
        kill_hard(site.running("one")["one"])
        site.wait("started", "one")
    last = site.passed()
    seen = [first]
    while seen[-1] < last:
        seen.append(json.loads(follower.stdout.readline())["seq"])
    follower.terminate()
    follower.communicate(timeout=40)
    assert seen == list(range(first, last + 1))


def is_waiting(pid):
    """Whether the client has connected: it sleeps with its socket open."""
    import os

    with contextlib.suppress(OSError):
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        return any(link.startswith("socket:") for link in links)
    return False
