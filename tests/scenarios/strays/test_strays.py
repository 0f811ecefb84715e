"""Whatever a life leaves behind is gone before the next one begins, and after a stop; and it is said.

Double-forked, in other sessions, with an empty environment; held together by a cgroup, or by the marker.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.site import frozen, is_alive, kill_hard, until, wait_gone

KINDS = 5


@pytest.fixture(params=["root-cgroup", "root-marker", "user"])
def site(request, open_site):
    who = request.getfixturevalue("user" if request.param == "user" else "root")
    site = open_site(who, patches="no_cgroup" if request.param == "root-marker" else "").start()
    scope = site.show("litter")["scope"]
    if request.param == "root-cgroup" and scope != "cgroup":
        pytest.skip("no cgroup can be made here")
    if request.param == "root-marker":
        assert scope == "marker"
    return site


def littered(site, life):
    """Wait until this life has left everything behind; all stray pids so far."""
    until(lambda: len(site.lines("lives")) == life, f"life {life}")
    strays = [int(line) for line in site.lines("strays")]
    assert len(strays) == KINDS * life
    return strays


def test_after_a_crash(site):
    other = site.pid("other")
    for life in range(1, 4):
        strays = littered(site, life)
        assert all(map(is_alive, strays[-KINDS:]))
        kill_hard(site.pid("litter"))
        swept = site.wait("swept", "litter")
        assert str(KINDS) in swept["text"]
        littered(site, life + 1)
        assert not any(map(is_alive, strays))
        assert len(site.show("litter")["exits"][-1]["strays"]) == KINDS
    assert site.lines("beside") == [], "strays beside the next life"
    assert site.pid("other") == other
    site.do("stop", services=["litter"], kill=True)


def test_after_a_stop(site):
    """They get the stop signal first; the one that ignores it keeps the stop waiting, is named, and is killed."""
    strays = littered(site, 1)
    stubborn = deaf(strays)
    with site.connect() as client:
        request_id = client.request("stop", services=["litter"])
        for pid in strays:
            if pid != stubborn:
                wait_gone(pid)
        assert site.show("litter")["blocked_by"][0].startswith(f"process {stubborn} /bin/sleep 1000: told to stop")
        assert site.row("litter")["state"] == "stopping"
        site.talk("stop", services=["litter"], kill=True)
        assert client.last_word(request_id)["result"]["ok"]
    assert not any(map(is_alive, strays))
    assert site.row("litter")["state"] == "stopped"
    assert site.wait("swept", "litter")
    site.do("start", services=["litter"])  # the place is good for another life
    littered(site, 2)
    site.do("restart", services=["litter"], kill=True)
    littered(site, 3)
    site.kill("supervisor")
    site.do("restart", services=["litter"], kill=True)
    littered(site, 4)
    assert site.row("litter")["restarts"] == 0
    assert site.lines("beside") == []
    site.do("stop", services=["litter"], kill=True)


def test_after_everybody_of_ours_died(site):
    """What was orphaned while no process of ours lived went to init; it is found all the same."""
    strays = littered(site, 1)
    pids = site.running("guardian", "supervisor", "litter")
    with frozen(pids["supervisor"]):
        kill_hard(pids["guardian"], pids["supervisor"])
    site.process.wait()
    site.start()
    assert site.running("litter")["litter"] == pids["litter"]
    kill_hard(pids["litter"])
    littered(site, 2)
    assert not any(map(is_alive, strays))
    assert site.lines("beside") == []
    site.do("stop", services=["litter"], kill=True)


def deaf(pids):
    """The one that ignores SIGTERM, which is signal 15."""
    for pid in pids:
        ignored = int(Path(f"/proc/{pid}/status").read_text().split("SigIgn:")[1].split()[0], 16)
        if ignored >> 14 & 1:
            return pid
    raise AssertionError
