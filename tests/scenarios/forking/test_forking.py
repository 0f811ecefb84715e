"""Daemons that fork twice: found by their pid file, or although it lies; watched, stopped and swept like any other."""

from __future__ import annotations

from support.site import is_alive, kill_hard, until

DAEMONS = ("own", "late", "garbage", "stranger", "link", "nothing")


def lives(site, name):
    return [int(line) for line in site.lines(f"lives.{name}")]


def started(open_site, who):
    site = open_site(who)
    # What an earlier life left, and a file that is not ours to touch behind a link.
    site.write("own.pid", "1\n")
    site.write("elsewhere", "untouched\n")
    site.start()
    site.running(*DAEMONS)
    return site


def test_found_watched_and_stopped(open_site, who):
    site = started(open_site, who)
    for name in DAEMONS:
        assert lives(site, name) == [site.pid(name)], name
    assert site.file("elsewhere").read_text() == "untouched\n"
    # An end is noticed with its status, and the rest swept.
    for name in ("own", "nothing"):
        kill_hard(site.pid(name))
        until(lambda name=name: len(lives(site, name)) == 2, name)
        assert site.wait("exited", name)["text"] == "killed by SIGKILL"
        assert "swept" in [e["kind"] for e in site.events() if e.get("service") == name], "its worker went with it"
        assert site.running(name)[name] == lives(site, name)[1]
    # A successor adopts them, and is told of their ends as well.
    pids = {name: site.pid(name) for name in DAEMONS}
    site.kill("supervisor")
    assert {name: site.pid(name) for name in DAEMONS} == pids
    kill_hard(pids["late"])
    assert site.wait("exited", "late")["text"] == "killed by SIGKILL"
    until(lambda: len(lives(site, "late")) == 2)
    site.running("late")
    site.do("stop", services=list(DAEMONS))
    assert [name for name in DAEMONS for pid in lives(site, name) if is_alive(pid)] == []
    assert site.row("own")["exit"]["signal"] == "SIGTERM"


def test_the_supervisor_is_killed_while_it_looks(open_site, root):
    site = started(open_site, root)
    site.do("stop", services=["late"])
    with site.connect() as client:
        request = client.request("start", services=["late"])
        until(lambda: len(lives(site, "late")) == 2)
        site.kill("supervisor")
    site.answers()
    with site.connect() as client:
        client.request("start", request, services=["late"])
        assert client.last_word(request)["result"]["ok"]
    assert lives(site, "late")[1:] == [site.pid("late")], "no second copy"


def test_failures(open_site, root):
    site = open_site(root).start()
    result = site.talk("start", services=["none", "fail"])["result"]
    texts = {r["name"]: r["text"] for r in result["results"]}
    assert texts["none"] == "the command ended and left no process behind (type: forking expects a daemon)"
    assert texts["fail"].startswith("exit 7 after ")
    assert site.row("none")["state"] == "exited"
