"""Floods, and what happens to logger, supervisor, disk and services while something of them is in the transfer pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.logs import whole
from support.site import ScenarioError, frozen, is_alive, kill_hard, until, wait_gone

from amonsup.logbook import index

KILLS = 6
FIONREAD = 0x541B


def in_transfer(pid: int) -> int:
    """How many bytes are in the transfer pipe, which this process holds."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        with contextlib.suppress(OSError):
            if os.readlink(path).startswith("pipe:") and _is_transfer(pid, fd):
                pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    count = bytearray(4)
                    fcntl.ioctl(pipe, FIONREAD, count)
                    return int.from_bytes(count, "little")
                finally:
                    os.close(pipe)
    return 0


def _is_transfer(pid: int, fd: str) -> bool:
    """Both ends by one descriptor; that nobody waits at it tells it from the services' FIFOs."""
    with open(f"/proc/{pid}/fdinfo/{fd}") as file:
        flags = int(next(line for line in file if line.startswith("flags:")).split()[1], 8)
    return flags & os.O_ACCMODE == os.O_RDWR and flags & os.O_NONBLOCK != 0


def caught(site, guardian, *, with_supervisor):
    """Whether the logger was found with something in the pipe, and killed over it."""
    try:
        logger, supervisor = site.pid("logger"), site.pid("supervisor")
        if not logger or not supervisor:
            return False
        with frozen(logger):
            held = in_transfer(guardian)
            if held:
                kill_hard(logger, *([supervisor] if with_supervisor else []))
    except (ProcessLookupError, ScenarioError, FileNotFoundError):
        return False  # it was just being started again
    return held > 0


def said(count):
    return b"".join(b"%099d\n" % number for number in range(count))


def ends(raw):
    """How many lines the service says that it wrote; 0 while it has not said it."""
    found = re.search(rb"^wrote (\d+)\n\Z", raw[-30:], re.MULTILINE)
    return int(found[1]) if found else 0


def is_complete(site, service):
    """In the current file, or in the one before if that was rotated or moved since."""
    return any(
        ends(last_of(path)) for path in (site.log_dir / f"{service}.log", *site.log_dir.glob(f"{service}.log.1"))
    )


def last_of(path):
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 100))
            return file.read()
    except FileNotFoundError:
        return b""  # being rotated


def stop_flooding(site):
    site.write("enough", "")


def check_complete(site, service):
    until(lambda: is_complete(site, service), "the last line arrives")
    raw, layout = whole(site, service)
    assert raw == said(ends(raw)) + b"wrote %d\n" % ends(raw)
    assert [record[1] for record in layout.marks.of_kind(index.LIFE)] == [1]
    return raw


@pytest.mark.timeout(60)
def test_every_line_once_and_in_order(open_site, user):
    site = open_site(user, patches="eager_guardian")
    site.start()
    guardian = site.guardian()
    for kill in range(KILLS):
        until(lambda kill=kill: caught(site, guardian, with_supervisor=kill % 2 == 0), "something is in the pipe")
    stop_flooding(site)
    for service in ("one", "two"):
        check_complete(site, service)


@pytest.mark.timeout(60)
def test_guardian_and_supervisor_die_over_it(open_site, user):
    """Nobody holds the pipe then but the logger, who ends with them: it writes first what is in there."""
    site = open_site(user)
    site.start()
    pids = site.running("guardian", "supervisor", "logger", "one", "two")
    with ExitStack() as stopped:
        until(lambda: stopped_over_it(stopped, pids), "something is in the pipe")
        stopped.enter_context(frozen(pids["supervisor"]))  # or it would become the guardian
        kill_hard(pids["guardian"], pids["supervisor"])
    site.process.wait()
    wait_gone(pids["logger"])
    site.start()
    assert site.running("one", "two") == {name: pids[name] for name in ("one", "two")}
    stop_flooding(site)
    for service in ("one", "two"):
        check_complete(site, service)


def stopped_over_it(stopped, pids):
    """Whether the logger was stopped with something in the pipe; it stays so as long as `stopped`."""
    with ExitStack() as attempt:
        attempt.enter_context(frozen(pids["logger"]))
        if in_transfer(pids["guardian"]):
            stopped.push(attempt.pop_all())
            return True
    return False


@pytest.mark.timeout(60)
def test_rotated_on_demand(open_site, user):
    site = open_site(user, environ={"MOST": "250000"})
    site.start()
    rotations = 0
    while not is_complete(site, "one") and not is_complete(site, "two"):
        site.do("rotate", services=["one", "two"])
        rotations += 1
    for service in ("one", "two"):
        check_complete(site, service)
    sizes = [path.stat().st_size for path in site.log_dir.glob("*.log.*")]
    assert len([size for size in sizes if size < 699_900]) >= min(2, rotations)


@pytest.mark.timeout(60)
def test_moved_and_reopened(open_site, user):
    """As logrotate does it: each piece ends on a whole line, and none is missing or there twice."""
    site = open_site(user, environ={"MOST": "250000"})
    site.start()
    log, moves = site.log_dir / "one.log", 0
    while not any(ends(last_of(path)) for path in site.log_dir.glob("one.*")):
        until(log.exists, "it has begun")
        moves += moved(log, site.log_dir / f"one.{moves}.moved")
        site.do("reopen", services=["one"])
    check_complete(site, "two")
    parts = [path.read_bytes() for path in site.log_dir.glob("one.*") if path.stat().st_size]
    assert [part[-50:] for part in parts if not part.endswith(b"\n")] == []
    raw = b"".join(sorted(parts))
    assert raw == said(ends(raw)) + b"wrote %d\n" % ends(raw)
    assert moves >= 2


def moved(log, target):
    """It may be between two names."""
    try:
        log.rename(target)
    except FileNotFoundError:
        return False
    return True


@pytest.mark.parametrize("is_killed", [False, True])
def test_removed_by_an_apply(open_site, user, is_killed):
    """Its last words are kept as those of any other, the logger's death in between included."""
    site = open_site(user, patches="eager_guardian")
    site.write("conf.d/logs_flooded.yaml", re.sub(r"  one: .*\n", "", conf(site)))
    site.start()
    guardian = site.guardian()
    pid = site.running("two")["two"]
    logger = until(lambda: held_by(site, guardian), "something is in the pipe")
    site.write("conf.d/logs_flooded.yaml", "services: {}\n")
    applying = site.cli_started("apply")
    try:
        until(lambda: not is_alive(pid), "it is stopped, or killed where it waits for the logger")
        assert in_transfer(guardian) > 0
        if is_killed:
            kill_hard(logger)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(logger, signal.SIGCONT)
    assert applying.communicate()[1] == ""
    assert applying.returncode == 0
    assert "two" not in site.answers()
    count = int(site.file("count.two").read_text())
    until(lambda: in_transfer(guardian) == 0 and not fifos(site), "all is drained")
    assert not list(site.log_dir.glob("*.gz")), "it is kept as it was to be kept, although nobody says so any more"
    raw = whole(site, "two")[0]
    lines = raw.count(b"\n")
    assert raw == said(lines)
    assert count <= lines <= count + 40


def conf(site):
    return (site.conf_d / "logs_flooded.yaml").read_text()


def fifos(site):
    return list((site.run_dir / "fifo").iterdir())


def held_by(site, guardian):
    """The logger, stopped with something in the pipe; 0 if there was nothing."""
    logger = site.pid("logger")
    os.kill(logger, signal.SIGSTOP)
    if in_transfer(guardian):
        return logger
    os.kill(logger, signal.SIGCONT)
    return 0


# -- a disk that is full --


@pytest.fixture
def open_disk(open_site, root):
    """A log directory on a file system of its own, seen by the daemon alone."""
    if os.system("unshare -m true 2>/dev/null") != 0:
        pytest.skip("no mount namespace can be made here")
    mount = 'mount -t tmpfs -o size=24m tmpfs "$SITE/log" && exec "$@"'

    def make(old="", new=""):
        site = open_site(root, patches="hasty", wrapper=["unshare", "-m", "sh", "-c", mount, "sh"])
        site.file("log").mkdir()
        site.write("conf.d/logs_flooded.yaml", conf(site).replace(old, new))
        return site

    return make


def start_on_disk(site):
    """Start it beside something that takes half of the disk; returns that."""
    ballast = site.file("log") / "ballast"
    site.start()
    site.log_dir = Path(f"/proc/{site.process.pid}/root{site.log_dir}")
    ballast = site.log_dir / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, 12 << 20)
    return ballast


def test_a_full_disk_an_upgrade_kills_and_an_apply(open_disk):
    site = open_disk()
    ballast = start_on_disk(site)
    guardian = site.guardian()
    until(lambda: "log of one: one.log: No space left" in site.warnings(), "the disk is full")
    until(lambda: in_transfer(guardian) > 0, "something is in the pipe")
    pids = site.running("one", "two", "logger", "supervisor")

    held = in_transfer(guardian)
    site.do("upgrade")
    after = site.running("one", "two", "logger", "supervisor")
    assert [pids[name] == after[name] for name in ("one", "two", "logger", "supervisor")] == [True, True, False, False]
    assert site.guardian() == guardian
    assert in_transfer(guardian) >= held - 700_000
    kill_hard(after["logger"], after["supervisor"])
    site.running("logger", "supervisor")
    assert in_transfer(guardian) > 0
    # Of one of the two only its output is left, which still has no place.
    site.write("conf.d/logs_flooded.yaml", re.sub(r"  two: .*\n", "", conf(site)))
    site.do("apply")
    assert "two" not in site.answers()
    assert not is_alive(after["two"])
    assert "log of one: one.log: No space left" in site.warnings()

    count = int(site.file("count.two").read_text())
    stop_flooding(site)
    ballast.unlink()
    check_complete(site, "one")
    until(lambda: in_transfer(guardian) == 0 and len(fifos(site)) == 1, "all of two is drained")
    raw = whole(site, "two")[0]
    assert raw == said(raw.count(b"\n"))
    assert count <= raw.count(b"\n") <= count + 40
    until(lambda: site.warnings() == "", "nothing is wrong any more")


def test_a_full_disk_and_floods_that_must_not_wait(open_disk):
    """What is written is kept or counted, to the byte; what is kept is a beginning, and what comes after."""
    site = open_disk("compress: false", "compress: false, on_full: drop")
    ballast = start_on_disk(site)
    for service in ("one", "two"):
        until(lambda service=service: f"log of {service}: " in site.warnings(), "the disk is full")
    before = int(site.file("count.one").read_text())
    until(lambda: int(site.file("count.one").read_text()) > before + 100_000, "nobody waits")
    site.write("again", "")
    stop_flooding(site)
    ballast.unlink()
    until(lambda: site.warnings() == "", "it goes on")
    site.file("again").unlink()
    site.do("stop", services=["all"])
    for service in ("one", "two"):
        check_kept_or_counted(site, service)


def check_kept_or_counted(site, service):
    """What was said, with gaps as wide and where the index says."""
    count = int(site.file(f"count.{service}").read_text())
    raw, layout = whole(site, service, is_cut=True)
    assert raw.endswith(b"wrote %d\n" % count)
    full = said(count) + b"wrote %d\n" % count * 1000
    at = before = 0
    drops = layout.marks.of_kind(index.DROP)
    assert drops
    for _, _, missing, _, position in (*drops, (b"", 0, 0, 0.0, len(raw))):
        assert raw[before:position] == full[at : at + position - before]
        at += position - before + missing
        before = position
    assert (at - 100 * count) % len(b"wrote %d\n" % count) == 0
    recovered = [event["text"] for event in site.events() if event["kind"] == "log-recovered"]
    assert sum(
        int(text.split("; ")[1].split()[0]) for text in recovered if text.startswith(service) and ";" in text
    ) == sum(record[2] for record in drops)
