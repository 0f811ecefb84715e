"""status --watch: a pipe gets what changes, a terminal is redrawn in place; a dead supervisor ends neither."""

from __future__ import annotations

import contextlib
import json
import signal

from support.site import ourselves, until


@contextlib.contextmanager
def watching(site, *words):
    """A client that goes on until it is interrupted; in the end it is killed, whatever happened."""
    with site.cli_started("status", "--watch", *words) as client:
        try:
            yield client
        finally:
            client.kill()


def document(client, name, **fields):
    """The first document that has the service so; how many were read before it."""
    for count in range(50):
        rows = {row["name"]: row for row in json.loads(client.stdout.readline())}
        if all(rows[name][key] == value for key, value in fields.items()):
            return rows, count
    raise AssertionError(fields)


def test_a_pipe_gets_every_change_and_nothing_else(open_site, who):
    site = open_site(who)
    site.start()
    before = site.running("alpha", "beta")
    with watching(site, "--json") as client:
        rows, _ = document(client, "alpha", state="running")
        assert rows["beta"]["pid"] == before["beta"]
        site.do("stop", services=["alpha"])
        rows, count = document(client, "alpha", state="stopped")
        assert count <= 4
        site.kill("supervisor")
        site.do("signal", services=["beta"], signal="CONT")  # changes nothing that is shown
        site.do("start", services=["alpha"])
        rows, _ = document(client, "alpha", state="running")
        assert rows["beta"]["pid"] == before["beta"]
        client.send_signal(signal.SIGINT)
        rest = client.stdout.read()
        assert client.wait(20) == 0
        assert client.stderr.read() == ""
        assert rest.count("\n") <= 1, "nothing moved any more but figures"


def test_blocks_for_people_who_keep_them(open_site):
    site = open_site(ourselves())
    site.start()
    site.running("alpha", "beta")
    with watching(site, "beta") as client:
        head, row = (client.stdout.readline() for _ in range(2))
        assert (head.split()[0], row.split()[:2]) == ("NAME", ["beta", "running"])
        site.do("restart", services=["alpha"])  # of no concern here
        site.do("stop", services=["beta"])
        lines = []
        while not lines or "stopped" not in lines[-1]:
            lines.append(client.stdout.readline())
        assert len(lines) % 3 == 0
        for at in range(0, len(lines), 3):
            assert lines[at] == "\n"
            assert lines[at + 1].startswith("NAME")
            assert lines[at + 2].startswith("beta"), "alpha was not asked for"
        client.send_signal(signal.SIGINT)
        assert client.wait(20) == 0


def test_a_terminal_is_redrawn_in_place(open_site, tmux):
    site = open_site(ourselves())
    site.start()
    pids = site.running("alpha", "beta")
    terminal = tmux(site, size=(80, 10)).start("status", "--watch")
    screen = terminal.wait(f" {pids['alpha']} ", "2 of 2 running", "the first of them")
    assert max(len(line) for line in screen.splitlines()) <= 80
    assert sum("alpha" in line for line in screen.splitlines()) == 1
    site.kill("supervisor")
    site.do("stop", services=["beta"])
    terminal.wait("1 of 2 running", "stopped")
    site.do("restart", services=["alpha"])
    screen = terminal.wait(f" {site.pid('alpha')} ", gone=str(pids["alpha"]))
    assert screen.splitlines()[0].startswith(site.name), "nothing has scrolled"
    assert sum("alpha" in line for line in screen.splitlines()) == 1
    terminal.resize(64, 4)
    site.do("restart", services=["alpha"])  # else it is noticed with the next figures
    terminal.wait("1 of 2 running", "alpha", gone="beta")
    terminal.resize(80, 12)
    terminal.wait("1 of 2 running", "alpha", "beta")
    terminal.keys("C-c")
    until(lambda: "ended with 0" in terminal.screen(), "the end")
