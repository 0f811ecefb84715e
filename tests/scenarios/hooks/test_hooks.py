"""Hooks of a real service: their order, what their failures do, and that no death of ours doubles or loses one."""

from __future__ import annotations

import os

import pytest
from support.site import is_alive, kill_hard, until, wait_gone

KINDS = ("pre_start", "post_start", "pre_stop", "post_stop")


def did(site):
    """What began and ended, in order, without pids."""
    return [" ".join(line.split()[1:3]) for line in site.lines("did")]


def gate(site, kind):
    path = site.file(f"gate.{kind}")
    os.mkfifo(path, 0o600)
    os.chown(path, site.who.uid, site.who.gid)
    return os.open(path, os.O_RDWR)


def test_a_life_with_hooks(open_site, who):
    site = open_site(who).start()
    site.do("start", services=["hooked"])
    assert did(site) == ["begin pre_start", "end pre_start", "begin main", "begin post_start", "end post_start"]
    pid = site.pid("hooked")
    site.do("stop", services=["hooked"])
    assert did(site)[5:] == ["begin pre_stop", "end pre_stop", "begin post_stop", "end post_stop"]
    told = {line.split()[2]: line.split()[3:] for line in site.lines("did") if " begin " in line}
    assert told == {
        "pre_start": ["1", "-", "-"],
        "main": ["1"],
        "post_start": ["1", str(pid), "-"],
        "pre_stop": ["1", str(pid), "-"],
        "post_stop": ["1", "-", "SIGTERM"],
    }
    said = ["pre_start speaks", "main speaks", "post_start speaks", "pre_stop speaks", "post_stop speaks"]
    until(lambda: sorted(site.log("hooked")) == sorted(said), f"the log says {said}")
    # A crash has no pre_stop.
    site.do("start", services=["hooked"])
    kill_hard(site.pid("hooked"))
    until(lambda: did(site).count("begin main") == 3)
    assert did(site).count("begin pre_stop") == 1
    assert any(line.endswith("post_stop 2 - SIGKILL") for line in site.lines("did"))
    # Stopped at once: what each life and its hooks wrote is in the log by the time everything is down.
    assert site.shut_down() == 0
    for kind in KINDS:
        assert did(site).count(f"end {kind}") <= site.log("hooked").count(f"{kind} speaks") <= 3
    assert did(site).count("end post_stop") == 3
    assert not list((site.run_dir / "fifo").iterdir())
    assert site.lines("violations") == []


@pytest.mark.parametrize(("who", "kind"), [*(("root", kind) for kind in KINDS), ("user", "pre_stop")], indirect=["who"])
def test_the_supervisor_is_killed_inside(open_site, who, kind):
    """The hook goes on, once, and so does what waits for it."""
    site = open_site(who).start()
    if kind.endswith("stop"):
        site.do("start", services=["hooked"])
    hold = gate(site, kind)
    with site.connect() as client:
        request = client.request("stop" if kind.endswith("stop") else "start", services=["hooked"])
        assert client.message()["type"] == "accepted"
        until(lambda: f"begin {kind}" in did(site))
        site.kill("supervisor")
    site.answers()
    os.write(hold, b"\n")
    with site.connect() as client:
        client.request("stop" if kind.endswith("stop") else "start", request, services=["hooked"])
        assert client.last_word(request)["result"]["ok"]
    os.close(hold)
    assert did(site).count(f"begin {kind}") == did(site).count(f"end {kind}") == 1
    assert did(site).count("begin main") == 1
    assert site.row("hooked")["state"] == ("stopped" if kind.endswith("stop") else "running")
    assert site.lines("violations") == []


@pytest.mark.parametrize("kind", ["pre_start", "post_stop"])
@pytest.mark.parametrize("point", ["errand before", "errand after", "errand-end after"])
def test_the_supervisor_is_killed_between(open_site, root, kind, point):
    """Intent without a process, a process without a word, an end that nobody wrote down."""
    site = open_site(root, patches="doomed").start()
    if kind != "pre_start":
        site.do("start", services=["hooked"])
    site.write("doom", f"{point} {2 if kind == 'post_stop' else 1}")
    site.do("start" if kind == "pre_start" else "stop", services=["hooked"])
    until(lambda: site.file("doomed").exists(), "the supervisor has met its doom")
    assert 1 <= did(site).count(f"end {kind}") <= 2
    assert did(site).count("begin main") == 1
    assert site.lines("violations") == []
    assert site.row("hooked")["state"] == ("running" if kind == "pre_start" else "stopped")
    assert site.row("hooked")["restarts"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_fails(open_site, root, kind):
    site = open_site(root).start()
    site.write(f"fate.{kind}", "3")
    if kind.endswith("stop"):
        site.do("start", services=["hooked"])
        site.do("stop", services=["hooked"])
        assert site.wait("hook-failed", "hooked")["text"] == f"{kind}: exit 3"
        return
    result = site.talk("start", services=["hooked"])["result"]
    assert result["results"] == [{"name": "hooked", "ok": False, "text": f"{kind}: exit 3"}]
    site.file(f"fate.{kind}").unlink()
    site.running("hooked")  # the policy tries again
    assert did(site).count("begin main") == (1 if kind == "pre_start" else 2)


def test_a_hook_hangs_and_leaves_something_behind(open_site, who):
    site = open_site(who).start()
    site.write("hang.pre_start", "")
    site.write("stray.pre_start", "")
    result = site.talk("start", services=["hasty"])["result"]
    assert result["results"][0]["text"] == "pre_start: not done within 0.3 s, killed"
    stray = int(site.file("stray.pre_start").read_text())
    wait_gone(stray)
    assert site.state("hasty", "exited")["exit"]["reason"] == "pre_start: not done within 0.3 s, killed"
    # What a hook that ends well leaves behind goes as well.
    site.file("hang.pre_start").unlink()
    site.do("start", services=["hasty"])
    wait_gone(int(site.file("stray.pre_start").read_text()))
    assert is_alive(site.pid("hasty"))


def test_a_stop_with_kill_does_not_wait(open_site, root):
    site = open_site(root).start()
    site.do("start", services=["hooked"])
    hold = gate(site, "pre_stop")
    with site.connect() as client:
        client.request("stop", services=["hooked"])
        until(lambda: "begin pre_stop" in did(site))
        assert site.ask("blocking")["services"][0]["waits_for"][0]["kind"] == "errand"
        site.do("stop", services=["hooked"], kill=True)
    os.close(hold)
    assert did(site)[-2:] == ["begin post_stop", "end post_stop"]


def test_what_is_not_born_is_undone(open_site, root):
    """pre_start ran, the program is not there: post_stop follows, and the log has what both said."""
    site = open_site(root).start()
    for generation in (1, 2):
        result = site.talk("start", services=["unborn"])["result"]
        assert not result["results"][0]["ok"]
        site.state("unborn", "fatal")
        assert did(site)[-4:] == ["begin pre_start", "end pre_start", "begin post_stop", "end post_stop"]
        assert [line.split()[3] for line in site.lines("did") if " begin " in line][-2:] == [str(generation)] * 2
    until(lambda: site.log("unborn") == ["pre_start speaks", "post_stop speaks"] * 2)
