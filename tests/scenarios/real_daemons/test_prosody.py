"""Prosody, watched by connections to its port: dependants start once it accepts; deaf, it is unhealthy."""

from __future__ import annotations

import socket

import pytest
from support.site import until
from support.xmpp_servers import free_port


@pytest.fixture
def site(site_of, user):
    port = free_port()
    site = site_of("prosody", user, "prosody", PORT=str(port))
    site.port = port
    site.mkdir("data")
    configure(site, port)
    return site.start()


def configure(site, port):
    text = site.file("site.cfg.lua").read_text()
    site.write("prosody.cfg.lua", text.replace("SITE", str(site.path)).replace("PORT", str(port)))


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(
            b"<stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        return sock.recv(4096).decode()


def test_healthy_deaf_and_healthy_again(site):
    pid = site.running("prosody", "user")["prosody"]
    kinds = site.transcript("prosody", "user")
    assert kinds.index("prosody healthy") < kinds.index("user started")
    assert "from='localhost'" in greeting(site.port)

    site.passed()
    configure(site, free_port())
    site.do("restart", services=["prosody"])
    site.wait("unhealthy", "prosody", "refused")
    row = site.row("prosody")
    assert (row["state"], row["pid"] != pid) == ("unhealthy", True)

    site.passed()
    configure(site, site.port)
    site.do("restart", services=["prosody"])
    site.wait("healthy", "prosody", "connected")
    assert site.row("prosody")["state"] == "running"
    assert "from='localhost'" in greeting(site.port)


def test_it_is_reloaded_and_stopped_in_order(site):
    pid = site.running("prosody", "user")["prosody"]
    assert greeting(site.port), "it listens before it has handlers for signals, and has them before it answers"
    site.do("reload", services=["prosody"])
    until(lambda: any("Reloading config" in line or "SIGHUP" in line for line in site.log("prosody")), "it says so")
    assert site.pid("prosody") == pid
    site.do("stop", services=["prosody"])
    assert site.row("prosody")["exit"]["code"] == 0
    until(lambda: any("Shutdown complete" in line for line in site.log("prosody")), "it says so")
