"""No descriptor, no process to be had: our lack, not the service's fault. It is tried again, and costs it nothing.

`start_limit` and an hour of back-off stand ready to punish a service; neither must.
"""

from __future__ import annotations

import os
import subprocess

import pytest
from support.plain import plain_user
from support.site import kill_hard

MANY = 40
LOW = 64


@pytest.fixture
def lonely(request):
    """A user whom no other process on this machine runs as: RLIMIT_NPROC counts by user."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to have a user of its own")
    return plain_user(62000 + os.getpid() % 1000)


def limit(site, pid, option):
    """prlimit(1) as the daemon's own user: nobody else may without CAP_SYS_RESOURCE, not even every root."""
    subprocess.run(["prlimit", "--pid", str(pid), option], check=True, **site.who.switch())


def test_failing_fork(open_site, lonely):
    site = open_site(lonely, patches="hasty").start()
    before = site.running("healthy", "one", "supervisor")
    # The user has guardian, supervisor, logger and two services: the kernel lets no sixth process be, nor a fifth.
    limit(site, before["supervisor"], "--nproc=4:")
    kill_hard(before["one"])
    for _ in range(4):  # more often than the start limit would allow
        assert "clone" in site.wait("spawn-failed", "one")["text"]
    row = site.row("one")
    assert row["state"] == "backoff"
    assert "tried again in 0.1 s" in row["why"]
    assert site.pid("healthy") == before["healthy"]

    limit(site, before["supervisor"], "--nproc=1000:")
    assert site.state("one", "running")["restarts"] == 1
    assert site.pid("supervisor") == before["supervisor"]


def test_emfile(open_site, who):
    """More services than descriptors: some run, the others wait for better times; nobody of ours dies of it."""
    site = open_site(who, wrapper=["prlimit", f"--nofile={LOW}:{LOW}"])
    names = [f"many-{n}" for n in range(MANY)]
    with (site.conf_d / "scarce_resources.yaml").open("a") as file:
        file.writelines(f"  {name}: {{command: sleep 1000}}\n" for name in names)
    site.start()
    before = site.running("supervisor", "guardian", "healthy", "logger")
    assert "Too many open files" in site.wait_any("spawn-failed", names[-1])["text"]
    rows = site.answers()
    up = [name for name in names if rows[name]["state"] == "running"]
    assert len(up) > 5
    assert {rows[name]["state"] for name in names if name not in up} == {"backoff"}
    # A successor finds room for what it takes over, and for its clients.
    site.kill("supervisor")
    assert site.running(*up) == {name: rows[name]["pid"] for name in up}
    assert [site.row(name)["restarts"] for name in names] == [0] * MANY
    # The others come up by themselves as soon as there is room.
    left = [name for name in names if name not in up]
    site.do("stop", services=up)
    site.running(*left[: len(up) - 1])
    after = site.running("guardian", "healthy", "logger")
    assert after == {name: before[name] for name in after}
