"""What sd_notify(3) says is understood, from the service's own socket only; a flood hurts nobody but its sender."""

from __future__ import annotations

import os
import socket

import pytest
from support.site import is_alive, kill_hard, until

NAMES = ("good", "guarded", "bitten", "late", "plain")


@pytest.fixture
def site(open_site, who):
    site = open_site(who)
    for name in NAMES:
        site.puppet(name)
    return site.start()


def test_ready_and_status(site):
    puppet = site.puppet("good")
    until(puppet.lives)
    puppet.tell("notify STATUS=loading")
    site.wait("status", "good", "loading")
    assert site.row("good")["state"] == "starting"
    puppet.tell("notify READY=0")
    puppet.tell("notify nonsense\\nREADY\\n=1\\nX_ELSE=\\nSTATUS=nearly there")
    site.wait("status", "good", "nearly there")
    assert site.row("good")["state"] == "starting", "only READY=1 is ready"
    with site.connect() as client:
        request_id = client.request("start", services=["good"])
        assert client.message()["type"] == "accepted"
        puppet.tell("notify READY=1\\nSTATUS=serving 3 clients")
        assert client.last_word(request_id)["result"]["ok"]
    row = site.row("good")
    assert (row["state"], row["status"]) == ("running", "serving 3 clients")
    puppet.tell("notify STATUS=" + "\x07x" * 1000)
    site.wait("status", "good")
    assert site.row("good")["status"] == ("?x" * 1000)[:200]
    # A new life has said nothing yet.
    kill_hard(row["pid"])
    until(lambda: len(puppet.lives()) == 2)
    row = site.row("good")
    assert (row["state"], row["status"]) == ("starting", "")


def test_stopping(site):
    puppet = site.puppet("good")
    puppet.tell("notify READY=1")
    puppet.tell("notify STOPPING=1\\nSTATUS=I am leaving")
    site.wait("stopping", "good")
    assert site.row("good")["status"] == "I am leaving"
    puppet.tell("exit 0")
    site.wait("exited", "good", "exit 0")
    until(lambda: len(puppet.lives()) == 2, "restart: always")


def test_main_pid(site):
    """The process that is named becomes the one that counts, if it is one of the service's."""
    puppet = site.puppet("good")
    puppet.tell("notify READY=1")
    first = site.running("good")["good"]
    stranger = site.pid("plain")
    puppet.tell(f"notify MAINPID={stranger}")
    puppet.tell(f"notify MAINPID={os.getpid()}\\nSTATUS=tried")
    site.wait("status", "good", "tried")
    assert site.pid("good") == first, "somebody else's process is not taken"
    puppet.tell("fork")
    puppet.tell("notify MAINPID={pid}")
    site.wait("main-pid", "good")
    second = site.pid("good")
    assert second != first
    assert is_alive(first)
    # Its end is the service's end, also for a supervisor that never saw it begin; the rest is swept.
    site.kill("supervisor")
    assert site.pid("good") == second
    puppet.tell("exit 5")
    assert site.wait("exited", "good")["text"] == "exit 5"
    until(lambda: len(puppet.lives()) == 2)
    assert not is_alive(first)


def test_watchdog(site):
    guarded, bitten = site.puppet("guarded"), site.puppet("bitten")
    for puppet in (guarded, bitten):
        until(puppet.lives)
        puppet.tell("notify READY=1")
    pid = site.running("guarded")["guarded"]
    failed = site.wait("failed", "bitten")
    assert "watchdog: no WATCHDOG=1 for 0.5 s" in failed["text"]
    assert site.wait("exited", "bitten")["text"].startswith("killed by SIGABRT")
    until(lambda: len(bitten.lives()) == 2)
    guarded.tell("notify WATCHDOG=1")
    assert site.pid("guarded") == pid
    guarded.tell("notify WATCHDOG=trigger", waits=False)
    assert "own failure" in site.wait("failed", "guarded")["text"]
    until(lambda: len(guarded.lives()) == 2)


def test_a_watchdog_outlives_the_supervisor(site):
    puppet = site.puppet("bitten")
    until(puppet.lives)
    puppet.tell("notify READY=1")
    site.wait("running", "bitten")
    site.kill("supervisor")
    site.wait("failed", "bitten", "no WATCHDOG=1")


def test_not_ready_in_time(site):
    site.wait("failed", "late", "not up within 0.5 s")
    assert site.state("late", "exited")["exit"]["signal"] == "SIGTERM"


def test_only_its_own_user_may_speak_for_it(open_site, root):
    """The directory of the socket is closed to everybody else. (`root` is needed to be somebody else.)"""
    site = open_site(root)
    for name in NAMES:
        site.puppet(name)
    site.start()
    until(site.puppet("good").lives)
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(65533)
        os.setuid(65533)
        try:
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", str(site.run_dir / "notify/good/sock"))
        except PermissionError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_flood_blocks_its_sender_only(site):
    flooding, good = site.puppet("guarded"), site.puppet("good")
    flooding.tell("notify READY=1")
    site.running("guarded")
    flooding.tell("flood 100000000", waits=False)
    flooding.wait("sent 2000")
    # Everybody else goes on: other services, commands, restarts, clients.
    good.tell("notify READY=1\\nSTATUS=heard")
    site.wait("running", "good")
    for _ in range(3):
        pid = site.running("plain")["plain"]
        kill_hard(pid)
        until(lambda pid=pid: site.row("plain")["pid"] not in (pid, None))
        site.do("restart", services=["plain"])
    flooding.wait("sent 4000")  # it has to wait, and is served
    # Its journal is bounded, and it can be stopped like any other.
    site.do("stop", services=["guarded"])
    assert site.row("good")["status"] == "heard"
