"""redis-server, by sd_notify: it counts as running once it serves, and what it knows outlives its restarts."""

from __future__ import annotations

import socket
import subprocess

import pytest
from support.site import frozen, is_alive, kill_hard, until, wait_gone
from support.xmpp_servers import free_port


@pytest.fixture
def site(site_of, user):
    port = free_port()
    site = site_of("redis", user, "redis-server", PORT=str(port))
    site.port = port
    return site.start()


def told(site, line):
    """The first line of an answer, or the text it announces (redis.io, 'RESP protocol')."""
    with socket.create_connection(("127.0.0.1", site.port), 20) as sock:
        sock.sendall(line.encode() + b"\r\n")
        found = sock.makefile("rb")
        first = found.readline().decode().strip()
        return found.readline().decode().strip() if first.startswith("$") and first != "$-1" else first


def test_it_says_when_it_is_ready(site):
    pid = site.running("redis", "user")["redis"]
    assert told(site, "PING") == "+PONG"
    assert "Ready to accept connections" in site.row("redis")["status"]
    kinds = site.transcript("redis", "user")
    assert kinds.index("redis running") < kinds.index("redis healthy") < kinds.index("user started")
    assert told(site, "SET colour blue") == "+OK"
    site.kill("supervisor")
    site.do("restart", services=["redis"])
    assert site.pid("redis") != pid
    assert told(site, "GET colour") == "blue", "it was stopped in order: it has saved"
    pid = site.pid("redis")
    assert not [event for event in site.events() if event.get("match")], "there is nothing to watch for in a start"
    subprocess.run(["prlimit", "--pid", str(pid), f"--as={(400 << 20)}:"], check=True, **site.who.switch())
    told(site, "SETBIT colour 4294967295 1")  # 512 MiB
    assert "Out Of Memory allocating" in site.wait("alert", "redis")["text"]


def test_one_that_hangs_is_restarted_and_so_is_one_that_died_with_its_dependant(site):
    lives = site.running("redis", "user")
    with frozen(lives["redis"]):  # what a check that hangs, and a TERM that nobody hears, come to
        site.wait("unhealthy", "redis", "not done within 2 s")
        site.wait("killed", "redis", "stop_grace_period")
        wait_gone(lives["redis"])
    lives = followed(site, lives)
    kill_hard(lives["redis"])
    followed(site, lives)


def followed(site, before):
    """The next lives of both, once they are there."""
    until(lambda: site.pid("user") not in (0, before["user"]), "the dependant has followed")
    assert not is_alive(before["user"])
    lives = site.running("redis", "user")
    assert lives["redis"] != before["redis"]
    assert told(site, "PING") == "+PONG"
    return lives
