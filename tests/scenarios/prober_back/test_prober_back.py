"""A prober that is told to go, and is needed again before it has gone; and one that hangs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from support.site import frozen, wait_gone

CHECKED = (Path(__file__).parent / "conf.d" / "prober_back.yaml").read_text()
UNCHECKED = "\n".join(line for line in CHECKED.splitlines() if "healthcheck" not in line)


@pytest.fixture
def port():
    """Nobody listens there."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_checks_go_on(open_site, who, port):
    site = open_site(who, environ={"PORT": str(port)}).start()
    site.state("one", "unhealthy")
    prober = site.pid("prober")
    with frozen(prober):
        site.write("conf.d/prober_back.yaml", UNCHECKED)
        site.do("apply")
        site.state("one", "running")
        site.write("conf.d/prober_back.yaml", CHECKED)
        site.do("apply")
    wait_gone(prober)
    site.state("one", "unhealthy")
    assert site.pid("prober") != prober


def test_one_that_hangs_is_replaced(open_site, root, port):
    """What was last known of a service does not stand for ever."""
    site = open_site(root, environ={"PORT": str(port)}).start()
    site.state("one", "unhealthy")
    prober = site.pid("prober")
    with frozen(prober), socket.create_server(("127.0.0.1", port)):
        site.state("one", "running")
        wait_gone(prober)
    assert site.wait("failed", "prober")["text"] == "it answers no check"
