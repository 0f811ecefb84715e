"""A full disk under state_dir, run_dir or log_dir: the services go on, `status` says it, and it heals.

The disk is a tmpfs in a mount namespace of the daemon's own, reached through /proc; nobody else sees it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.site import is_alive, kill_hard, until


@pytest.fixture
def open_disk(open_site, root):
    if os.system("unshare -m true 2>/dev/null") != 0:
        pytest.skip("no mount namespace can be made here")

    def make(name):
        mount = f'mount -t tmpfs -o size=256k tmpfs "$SITE/{name}" && exec "$@"'
        site = open_site(root, patches="hasty", wrapper=["unshare", "-m", "sh", "-c", mount, "sh"])
        site.file(name).mkdir()
        site.puppet("puppet")
        return site

    return make


def place(site, name):
    """The daemon's view of one of its directories."""
    return Path(f"/proc/{site.process.pid}/root{site.file(name)}")


def start_in(site):
    """Start a daemon whose socket lies on its own disk."""
    site.start(waits=False)
    path = place(site, "run") / "amonsup.sock"
    until(path.exists, "the daemon's socket")
    site.run_dir = place(site, "run")
    return site.puppet("puppet")


def fill(directory):
    """Not a byte is left; returns what has to be removed to make room."""
    ballast = directory / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    return ballast


def crash(site, puppet):
    """Kill the service; its next life."""
    lives = len(puppet.lives())
    kill_hard(puppet.lives()[-1])
    until(lambda: len(puppet.lives()) == lives + 1, "the service is started again")
    return puppet.lives()[-1]


def crash_until_said(site, puppet, warning):
    """A file goes on in the page it has begun; then `status` has to complain."""
    for _ in range(200):
        if warning in site.warnings():
            return
        crash(site, puppet)
    raise AssertionError(f"never said: {warning}")


def test_state_dir(open_disk):
    site = open_disk("state")
    puppet = site.puppet("puppet")
    site.start()
    until(puppet.lives)
    ballast = fill(place(site, "state"))
    crash_until_said(site, puppet, "events.jsonl: No space left")
    pid = crash(site, puppet)
    assert site.row("puppet")["pid"] == pid
    # What cannot be recorded is not begun: an apply says so and changes nothing.
    site.write(
        "conf.d/full_disk.yaml", site.conf_d.joinpath("full_disk.yaml").read_text() + "  more: {command: sleep 9}\n"
    )
    refusal = site.refused("apply")
    assert "No space left" in refusal["text"]
    assert "nothing was changed" in refusal["text"]
    assert "more" not in site.answers()
    # A stop is done all the same; that it is to last over a boot is written as soon as it can be.
    site.do("stop", services=["unwanted"])
    assert "wishes.json" in site.warnings()
    # And all of it survives the supervisor.
    site.kill("supervisor")
    assert site.row("puppet")["pid"] == puppet.lives()[-1]
    assert site.row("unwanted")["state"] == "stopped"

    ballast.unlink()
    crash(site, puppet)
    until(lambda: "No space" not in site.warnings(), "it heals by itself")
    assert site.ask("apply")["ok"]
    assert "more" in site.answers()
    assert site.events()[-1]["seq"] > 0


def test_run_dir(open_disk):
    """The successor's record itself: without room for it we go on, and complete it later."""
    site = open_disk("run")
    puppet = start_in(site)
    until(puppet.lives)
    ballast = fill(place(site, "run"))
    crash_until_said(site, puppet, "journal")
    pid = crash(site, puppet)
    assert site.row("puppet")["pid"] == pid
    ballast.unlink()
    until(lambda: "journal" not in site.warnings(), "the record is completed")
    site.kill("supervisor")
    assert site.row("puppet")["pid"] == pid
    assert len(puppet.lives()) == len(set(puppet.lives()))


def test_run_dir_and_no_supervisor(open_disk):
    """Killed while its record is out of date: still one copy, never two."""
    site = open_disk("run")
    puppet = start_in(site)
    until(puppet.lives)
    ballast = fill(place(site, "run"))
    crash_until_said(site, puppet, "journal")
    pid = crash(site, puppet)
    site.kill("supervisor")
    row = site.state("puppet", "running")
    ballast.unlink()
    until(lambda: puppet.lives()[-1] == row["pid"])
    assert [life for life in puppet.lives() if is_alive(life)] == [row["pid"]]
    assert row["pid"] == pid or not is_alive(pid)
    # It counts its lives from where the record ends, and what it says now is heard.
    puppet.tell("print here I am")
    until(lambda: site.log("puppet") == ["here I am"], "it is captured")


def test_log_dir(open_disk):
    site = open_disk("log")
    puppet = site.puppet("puppet")
    site.start()
    until(puppet.lives)
    puppet.tell("print first")
    log = place(site, "log") / "puppet.log"
    until(log.exists)
    ballast = fill(place(site, "log"))
    said = ["first"]
    while "log of puppet" not in site.warnings():
        said.append(f"line {len(said)} " + "." * 200)
        puppet.tell(f"print {said[-1]}")
    assert "No space left" in site.warnings()
    site.wait("log-trouble")
    said.append("last")
    puppet.tell("print last")
    ballast.unlink()
    until(lambda: log.read_text().endswith("last\n"), "everything arrives")
    assert log.read_text().splitlines() == said
    until(lambda: site.warnings() == "")
