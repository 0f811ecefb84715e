"""Health of real services: by commands that fail, hang, flood and fork, and over the network by the prober."""

from __future__ import annotations

import socket

import pytest
from support.site import frozen, is_alive, kill_hard, until, wait_gone


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def ports():
    return {"WEB_PORT": str(free_port()), "TCP_PORT": str(free_port())}


@pytest.fixture
def commands(open_site, root):
    return started(open_site, root)


def started(open_site, who):
    """Without the services that are checked over the network: then there is no prober."""
    site = open_site(who)
    (site.conf_d / "net.yaml").unlink()
    return site.start()


def health(site, name):
    return site.show(name)["health"] or {}


def becomes(site, name, state):
    return until(lambda: site.row(name)["health"] == state, f"{name} is {state}")


def test_a_command(open_site, who):
    site = started(open_site, who)
    for name in ("cmd", "left"):
        becomes(site, name, "healthy")
        assert health(site, name)["output"] == f"fine as {site.who.uid}"
    pid = site.pid("cmd")
    site.write("mood.cmd", "sick")
    assert site.wait("check-failed", "cmd")["text"] == "exit 1: no database"
    assert site.wait("failed", "cmd")["text"] == "unhealthy: exit 1: no database"
    assert site.wait("exited", "cmd")["text"] == "killed by SIGTERM (unhealthy: exit 1: no database)"
    site.file("mood.cmd").unlink()
    becomes(site, "cmd", "healthy")
    assert site.pid("cmd") != pid
    assert site.row("cmd")["restarts"] >= 1
    assert "prober" not in {row["name"] for row in site.ask("status", all=True)["services"]}
    assert site.lines("violations") == []


def test_unhealthy_is_a_state_that_dependants_see(commands):
    site = commands
    becomes(site, "left", "healthy")
    pid = site.pid("left")
    site.write("mood.left", "sick")
    row = site.state("left", "unhealthy")
    assert (row["pid"], row["why"]) == (pid, "unhealthy: exit 1: no database")
    assert "unhealthy" in site.cli("status", "left").stdout
    result = site.talk("start", services=["dependant"])["result"]
    assert result["results"][-1]["text"] == "its dependency left is unhealthy: exit 1: no database"
    assert site.row("dependant")["state"] == "waiting"
    site.kill("supervisor")
    assert site.row("left")["state"] == "unhealthy", "a successor knows"
    site.file("mood.left").unlink()
    site.running("dependant", "left")
    assert site.pid("left") == pid
    assert site.lines("violations") == []


def test_a_check_hangs(open_site, who):
    site = started(open_site, who)
    becomes(site, "left", "healthy")
    site.write("mood.left", "hangs")
    row = site.state("left", "unhealthy")
    assert row["why"] == "unhealthy: not done within 0.5 s, killed"
    site.write("mood.left", "fine")
    becomes(site, "left", "healthy")
    wait_gone(int(site.file("child.left").read_text()))
    assert site.lines("violations") == []


def test_a_check_floods(commands):
    """It cannot fill anything, nor keep the supervisor busy."""
    site = commands
    becomes(site, "left", "healthy")
    site.write("mood.left", "floods")
    assert site.state("left", "unhealthy")["why"].startswith("unhealthy: ")
    assert len(health(site, "left")["output"]) <= 400
    site.do("stop", services=["left"])


def test_a_check_leaves_something_behind(commands):
    site = commands
    becomes(site, "cmd", "healthy")
    pid = site.pid("cmd")
    site.write("mood.cmd", "forks")
    until(lambda: site.file("child.cmd").exists())
    child = int(site.file("child.cmd").read_text() or 0)
    until(lambda: not child or not is_alive(child))
    assert site.pid("cmd") == pid
    assert site.row("cmd")["health"] == "healthy"


def test_killed_inside_a_check(open_site, who):
    """The successor makes it again; there are never two."""
    site = started(open_site, who)
    becomes(site, "cmd", "healthy")
    site.write("mood.cmd", "hangs")
    until(lambda: site.file("child.cmd").exists())
    pid = site.pid("cmd")
    site.kill("supervisor")
    site.write("mood.cmd", "fine")
    count = len(site.lines("checks.cmd"))
    until(lambda: len(site.lines("checks.cmd")) > count + 1)
    assert site.pid("cmd") == pid
    assert health(site, "cmd")["state"] == "healthy"
    assert site.lines("violations") == []


def test_over_the_network(open_site, who, ports):
    site = open_site(who, environ=ports).start()
    for name in ("web", "tcp"):
        becomes(site, name, "healthy")
    assert health(site, "web")["output"] == "200 OK"
    assert site.lines("asked.web")[0] == f"127.0.0.1:{ports['WEB_PORT']} /health?full=1 200"
    for mood, words in (
        ("503", "unhealthy: answered 503 Service Unavailable"),
        ("hangs", "unhealthy: no answer within 0.5 s"),
        ("garbage", "unhealthy: no answer that is HTTP"),
    ):
        site.write("mood.web", mood)
        until(lambda words=words: site.row("web")["why"].startswith(words), words)
        assert site.row("web")["state"] == "unhealthy"
    site.write("mood.web", "302")
    becomes(site, "web", "healthy")
    # The prober may die, and hang; nobody is found unhealthy for that.
    prober = site.pid("prober")
    kill_hard(prober)
    until(lambda: site.row("prober")["pid"] not in (None, prober))
    asked = len(site.lines("asked.web"))
    until(lambda: len(site.lines("asked.web")) > asked + 2)
    with frozen(site.pid("prober")):
        until(lambda: health(site, "tcp")["next_s"] is None, "a check is under way")
    assert site.row("tcp")["health"] == "healthy"
    # The supervisor dies; the prober does not, and goes on with the successor.
    prober = site.pid("prober")
    site.kill("supervisor")
    asked = len(site.lines("asked.web"))
    until(lambda: len(site.lines("asked.web")) > asked + 1)
    assert site.pid("prober") == prober
    # It goes with the last check that needs it.
    (site.conf_d / "net.yaml").unlink()
    site.do("apply")
    until(lambda: not is_alive(prober))
    assert "prober" not in {row["name"] for row in site.ask("status", all=True)["services"]}


def test_nobody_listens(open_site, root, ports):
    site = open_site(root, environ=ports)
    path = site.conf_d / "net.yaml"
    path.write_text(path.read_text().replace("prog/web.py tcp", "-c 'import time; time.sleep(1000)'"))
    site.start()
    assert site.state("tcp", "unhealthy")["why"] == "unhealthy: 127.0.0.1: Connection refused"
