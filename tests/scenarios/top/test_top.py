"""amonsup top on a real site: in a real terminal of 80x24, and by its keys."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess

from scenarios.conftest import plain_user
from support.site import frozen, ourselves

from amonsup.cli.top.app import Top
from amonsup.cli.top.widgets import Bar, Pane, Services


def test_a_terminal_of_80x24(open_site, tmux):
    """Start, select, restart, see the new pid, quit; the supervisor is killed in between."""
    site = open_site(ourselves())
    site.start()
    pids = site.running("alpha", "beta")
    terminal = tmux(site).start("top")
    screen = terminal.wait("2 of 3 running", str(pids["alpha"]), str(pids["beta"]), "log of alpha", "alpha says hello")
    assert max(len(line) for line in screen.splitlines()) <= 80
    assert "q quit" in screen.splitlines()[-1]
    terminal.keys("Down", "r")
    terminal.wait("restart beta? y or n")
    terminal.keys("y")
    terminal.wait("beta: restarted", gone=str(pids["beta"]))
    new = site.pid("beta")
    terminal.wait(str(new), str(pids["alpha"]), "log of beta", "beta says hello")
    with frozen(site.pid("guardian")):
        site.kill("supervisor")
        terminal.wait("reconnecting")
    terminal.wait(str(new), gone="reconnecting")
    terminal.keys("e")
    terminal.wait("events of the site", "took-over")
    terminal.resize(60, 12)
    terminal.wait("2 of 3 running", str(new), "s start")
    terminal.keys("q")
    terminal.wait("ended with 0", gone="2 of 3 running")


def test_it_ends_by_a_signal_and_leaves_the_terminal_as_it_was(open_site, tmux):
    site = open_site(ourselves())
    site.start()
    site.running("alpha", "beta")
    for signum, environ in ((signal.SIGTERM, {"TERM": "linux"}), (signal.SIGHUP, {"NO_COLOR": "1"})):
        terminal = tmux(site, socket=signum.name).start("top", **environ)
        terminal.wait("2 of 3 running", "alpha")
        os.kill(terminal.client(), signum)
        terminal.wait("ended with 0", gone="2 of 3")
        terminal.keys("visible")  # echoed again
        terminal.wait("visible")


def said(app: Top, name: str) -> str:
    return str(app.query_one(f"#{name}", Bar).render())


def lines(app: Top) -> str:
    return "\n".join(strip.text for strip in app.query_one(Pane).lines)


async def comes(pilot, condition, what):
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"{what}: {said(pilot.app, 'head')} / {said(pilot.app, 'about')} / {said(pilot.app, 'foot')}")


def test_every_key(open_site):
    site = open_site(ourselves())
    site.start()
    site.running("alpha", "beta")
    asyncio.run(press_keys(site))
    assert site.row("beta")["state"] == "running", "answered with n"


async def press_keys(site):
    app = Top(str(site.run_dir / "amonsup.sock"), {**os.environ, "TERM": "xterm"})
    async with app.run_test(size=(80, 24)) as pilot:
        services = app.query_one(Services)
        await comes(pilot, lambda: "2 of 3 running" in said(app, "head"), "rows")
        assert services.selected == "alpha"
        await pilot.press("down", "t")
        assert said(app, "foot") == "stop beta? y or n"
        await pilot.press("n")
        assert said(app, "foot") == "stop beta: not done"
        await pilot.press("j", "s")
        await comes(pilot, lambda: said(app, "foot") == "gamma: started", "the outcome")
        await comes(pilot, lambda: "3 of 3 running" in said(app, "head"), "its state")
        await pilot.press("t", "y")
        await comes(pilot, lambda: said(app, "foot") == "gamma: stopped", "the outcome")
        await pilot.press("i")
        await comes(pilot, lambda: "spec in force" in lines(app), "show")
        assert said(app, "about").startswith("show of gamma")
        await pilot.press("e")
        await comes(pilot, lambda: "gamma  stopped" in lines(app), "events")
        await pilot.press("question_mark")
        assert "PageUp" in lines(app)
        await pilot.press("slash", *"@weq")
        assert services.row_count == 0
        await pilot.press("backspace", "enter")
        assert (services.row_count, services.selected) == (1, "alpha")
        await pilot.press("escape", "T")
        await comes(pilot, lambda: "└ beta" in str(services.get_row_at(1)[0]), "the tree")
        await pilot.press("T")
        assert str(services.get_row_at(1)[0]) == "beta"
        await pilot.press("q")
    assert app.why is None


def test_who_may_only_look_is_told_so(open_site, root):
    somebody = plain_user()
    site = open_site(root, config={"access": f"[{{user: {pwd.getpwuid(somebody.uid).pw_name}, role: viewer}}]"})
    site.start()
    before = site.running("alpha", "beta")
    socket = str(site.run_dir / "amonsup.sock")
    script = f"from amonsup.cli.top.errands import carry_out; print(carry_out({socket!r}, 'stop', 'alpha'))"
    told = subprocess.run(
        [somebody.python, "-c", script],
        env=somebody.environ(),
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        **somebody.switch(),
    ).stdout
    assert "stop needs the role operator" in told
    assert "is_ok=False" in told
    assert site.running("alpha", "beta") == before


def test_it_says_why_it_cannot(open_site):
    site = open_site(ourselves())
    done = site.cli("top")
    assert (done.returncode, done.stdout) == (2, "")
    assert "top needs a terminal" in done.stderr


def test_nobody_there(open_site, tmux):
    site = open_site(ourselves())
    terminal = tmux(site).start("top")
    terminal.wait("no amonsupd at", "ended with 3")
