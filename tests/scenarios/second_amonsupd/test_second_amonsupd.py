"""A second amonsupd on the same run_dir goes away, and says who is there already."""

from __future__ import annotations

import subprocess

from support.site import kill_hard


def refused(site):
    """The words of a second one; it has gone with 1."""
    second = site.spawn_daemon(stderr=subprocess.PIPE)
    _, errors = second.communicate(timeout=40)
    assert second.returncode == 1, errors
    return errors.decode()


def test_it_names_the_first(open_site, who):
    site = open_site(who).start()
    before = site.running("one", "supervisor", "guardian", "logger")
    assert f"another amonsupd (pid {before['guardian']}) runs this site" in refused(site)
    assert site.running(*before) == before


def test_also_who_became_the_guardian(open_site, who):
    site = open_site(who).start()
    before = site.running("one", "supervisor", "guardian")
    kill_hard(before["guardian"])
    site.wait("took-over")
    assert f"(pid {before['supervisor']})" in refused(site)
    site.kill("supervisor")
    assert f"(pid {before['supervisor']})" in refused(site)
    assert site.pid("one") == before["one"]


def test_once_the_first_is_gone_it_may(open_site, who):
    site = open_site(who).start()
    one = site.running("one")["one"]
    assert site.shut_down() == 0
    site.start()
    assert site.running("one")["one"] != one
