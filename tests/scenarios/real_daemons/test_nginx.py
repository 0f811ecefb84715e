"""nginx as people run it, in the foreground and forking: reloaded; a broken configuration is refused."""

from __future__ import annotations

import contextlib
import urllib.request
from pathlib import Path

import pytest
from support.site import is_alive, kill_hard, until
from support.xmpp_servers import free_port

BOTH = ("front", "back")


@pytest.fixture
def site(site_of, user):
    ports = {name: free_port() for name in BOTH}
    site = site_of("nginx", user, "nginx", FRONT_PORT=str(ports["front"]))
    site.ports = ports
    for name in BOTH:
        configure(site, name, "one")
    site.start()
    site.running(*BOTH, "user")
    return site


def configure(site, name, words):
    text = site.file("site.conf").read_text()
    site.write(
        f"{name}.conf", text.replace("NAME", name).replace("PORT", str(site.ports[name])).replace("WORDS", words)
    )


def said(site, name):
    """What it serves; nothing if it does not."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{site.ports[name]}/") as answer:
        return answer.read().decode()
    return ""


def workers(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("name", BOTH)
def test_a_reload_keeps_the_master_and_a_broken_configuration_touches_nothing(site, name):
    pid = site.pid(name)
    assert Path(f"/proc/{pid}/comm").read_text() == "nginx\n"
    until(lambda: said(site, name) == "one", "it serves")
    before = workers(pid)
    configure(site, name, "two")
    site.do("reload", services=[name])
    until(lambda: said(site, name) == "two", "the new configuration is in force")
    assert site.pid(name) == pid
    until(lambda: not any(map(is_alive, before)), "the workers of the old one go")

    site.write(f"{name}.conf", "worker_processes 2; nonsense;\n")
    for verb in ("reload", "restart"):
        done = site.cli(verb, name)
        assert done.returncode == 1, done
        assert 'unknown directive "nonsense"' in done.stdout + done.stderr, done
        assert "preflight" in done.stdout + done.stderr, done
    assert (site.pid(name), said(site, name)) == (pid, "two")
    assert f"{name} stopping" not in site.transcript(name)

    configure(site, name, "three")
    site.do("restart", services=[name])
    assert site.pid(name) != pid
    until(lambda: said(site, name) == "three", "it serves")


@pytest.mark.parametrize("name", BOTH)
def test_a_killed_master_takes_its_workers_along_and_comes_back(site, name):
    pid = site.pid(name)
    left = until(lambda: len(workers(pid)) == 2 and workers(pid), "its workers are there")
    assert not [event for event in site.events() if event.get("match")], "there is nothing to watch for in a start"
    kill_hard(left[0])
    assert f"worker process {left[0]} exited on signal 9" in site.wait("alert", name)["text"]
    left = until(lambda: left[0] not in workers(pid) and len(workers(pid)) == 2 and workers(pid), "it has a successor")
    site.kill("supervisor")
    assert site.running(name)[name] == pid, "a supervisor that comes after finds it again"
    kill_hard(pid)
    again = until(lambda: site.row(name)["state"] == "running" and site.pid(name) != pid and site.pid(name), "back")
    assert not any(map(is_alive, left)), "they would have kept the port"
    until(lambda: said(site, name) == "one", "it serves")
    site.do("stop", services=[name])
    assert not is_alive(again)
    assert (said(site, name), site.row(name)["exit"]["code"]) == ("", 0)
