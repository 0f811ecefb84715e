"""The supervisor is killed while a life goes down beside one of its hooks: the successor finishes what was ordered."""

from __future__ import annotations

import pytest
from support.site import is_alive, kill_hard, until, wait_gone


def hook_of(site, name):
    """The pid of the newest hook of the service."""
    return int(until(lambda: site.lines(f"{name}.hooks"), f"a hook of {name}")[-1])


def met_its_doom(site):
    until(lambda: site.file("doomed").exists(), "the supervisor has met its doom")


def status(client):
    """The exit status of a command."""
    client.communicate(timeout=30)
    return client.returncode


@pytest.mark.parametrize("point", ["sweep before 1", "sweep after 1"])
def test_stopped_during_pre_start(open_site, who, point):
    site = open_site(who, patches="doomed").start()
    site.cli("start", "--no-wait", "early")
    hook = hook_of(site, "early")
    site.write("doom", point)
    stop = site.cli_started("stop", "early")
    met_its_doom(site)
    site.state("early", "stopped")
    assert status(stop) == 0
    wait_gone(hook)
    assert site.lines("early.hooks") == [str(hook)]


@pytest.mark.parametrize("point", ["sweep before 1", "sweep after 1"])
def test_crashed_during_post_start(open_site, who, point):
    site = open_site(who, patches="doomed").start()
    site.cli("start", "--no-wait", "late")
    hook = hook_of(site, "late")
    site.write("doom", point)
    kill_hard(site.row("late")["pid"])
    met_its_doom(site)
    until(lambda: len(site.lines("late.hooks")) == 2, "the post_start of the next life")
    wait_gone(hook)
    assert is_alive(hook_of(site, "late"))


def test_stop_kill_during_pre_stop(open_site, who):
    site = open_site(who, patches="doomed").start()
    site.cli("start", "slow")
    main = site.row("slow")["pid"]
    stop = site.cli_started("stop", "slow")
    hook = hook_of(site, "slow")
    site.write("doom", "kill before 1")
    kill = site.cli_started("stop", "--kill", "slow")
    met_its_doom(site)
    site.state("slow", "stopped")
    assert (status(stop), status(kill)) == (0, 0)
    wait_gone(hook)
    wait_gone(main)


def test_preflight_past_its_deadline(open_site, who):
    site = open_site(who, patches="doomed").start()
    site.cli("start", "checked")
    main = site.row("checked")["pid"]
    site.write("doom", "errand-ended before 1")
    restart = site.cli_started("restart", "checked")
    met_its_doom(site)
    assert status(restart) == 1
    assert site.row("checked")["pid"] == main
    assert site.lines("checked.hooks") == [str(hook_of(site, "checked"))]


def test_a_oneshots_secrets_go_with_its_last_hook(open_site, who):
    site = open_site(who, patches="doomed")
    site.write("token", "hush")
    site.file("token").chmod(0o600)
    site.start()
    site.cli("start", "once")
    site.state("once", "exited")
    assert site.lines("once.hooks")
    assert not site.file("run/secrets/once").exists()
