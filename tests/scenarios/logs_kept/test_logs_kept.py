"""How logs are kept: stderr apart, settings changed in place, rotation on demand, and a disk that is full or gone."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
from pathlib import Path

import pytest
from support.logs import lines, whole
from support.site import kill_hard, until
from support.wall_clock import WallClock

from amonsup.logbook import index


def numbered(count):
    return [f"{number:099d}" for number in range(count)]


def test_stderr_apart_through_kills_of_everybody(open_site, who):
    site = open_site(who)
    puppet = site.puppet("puppet")
    site.start()
    puppet.tell("print to stdout")
    puppet.tell("complain to stderr")
    until(lambda: site.lines("log/puppet.err.log") == ["to stderr"])
    for life in (2, 3):
        pids = site.running("logger", "supervisor")
        puppet.tell(f"print out {life}")
        puppet.tell(f"complain err {life}")
        kill_hard(*(pids.values() if life == 2 else [pids["logger"]]), puppet.lives()[-1])
        until(lambda life=life: len(puppet.lives()) == life, "it is started again")
    until(lambda: len(site.lines("log/puppet.err.log")) == 3)
    assert lines(site, "puppet") == ["to stdout", "out 2", "out 3"]
    raw, layout = whole(site, "puppet", is_stderr=True)
    assert raw.decode().splitlines() == ["to stderr", "err 2", "err 3"]
    assert [record[1] for record in layout.marks.of_kind(index.LIFE)][:2] == [1, 2]
    until(
        lambda: sorted(path.name for path in (site.run_dir / "fifo").glob("puppet.[12]*")) == [], "both are let go of"
    )


def test_settings_change_in_place(open_site, user):
    site = open_site(user)
    puppet = site.puppet("puppet")
    site.start()
    pid = site.pid("puppet")
    puppet.tell("talk 250")
    log = site.log_dir / "puppet.log"
    until(lambda: log.exists() and log.read_bytes().endswith(b"0249\n"), "it has arrived")
    assert lines(site, "puppet") == numbered(250)
    sizes = [path.stat().st_size for path in site.log_dir.glob("puppet.log.*") if path.suffix != ".gz"]
    assert set(sizes) == {10200}, "as many whole lines as fit into 10 KiB"

    conf = site.conf_d / "logs_kept.yaml"
    site.write("conf.d/logs_kept.yaml", conf.read_text().replace("10KiB", "5KiB, timestamps: true, max_files: 2"))
    assert [change["action"] for change in site.ask("apply", dry_run=True)["changes"]] == ["change"]
    site.do("apply")
    puppet.tell("talk 100")
    until(lambda: (site.log_dir / "puppet.log").read_text().endswith("0099\n"), "the rest arrives")
    found = lines(site, "puppet")
    assert [line[25:] for line in found] == numbered(100)[-len(found) :], "two rotated ones and the current"
    assert all(line[10] == "T" and line[23:25] == "Z " for line in found)

    site.write("conf.d/logs_kept.yaml", conf.read_text().replace(", timestamps: true", ""))
    site.do("apply")
    puppet.tell("print bare again")
    until(lambda: lines(site, "puppet")[-1] == "bare again")
    assert site.pid("puppet") == pid


def test_rotation_on_demand(open_site, user):
    site = open_site(user)
    puppet = site.puppet("puppet")
    site.start()
    assert "rotated" in site.cli("rotate", "puppet").stdout, "nothing to rotate is no failure"
    assert not list(site.log_dir.glob("*.log.1"))
    puppet.tell("write one\\ntwo\\nand a pie")
    until(lambda: (site.log_dir / "puppet.log").read_text().endswith("pie"))
    site.do("rotate", services=["puppet"])
    assert (site.log_dir / "puppet.log.1").read_text() == "one\ntwo\n"
    assert (site.log_dir / "puppet.log").read_text() == "and a pie", "a line stays in one piece"
    puppet.tell("print ce")
    until(lambda: (site.log_dir / "puppet.log").read_text() == "and a piece\n")
    assert lines(site, "puppet") == ["one", "two", "and a piece"]
    site.do("stop", services=["puppet"])
    site.do("rotate", services=[])
    assert (site.log_dir / "puppet.log.1").read_text() == "and a piece\n", "of a service that is down, too"
    site.do("start", services=["puppet"])
    shutil.move(site.log_dir / "puppet.log", site.log_dir / "moved")
    puppet.tell("print first")
    until(lambda: (site.log_dir / "moved").read_text() == "first\n" or lines(site, "puppet")[-1] == "first")
    site.do("reopen", services=["puppet"])
    puppet.tell("print second")
    until(lambda: lines(site, "puppet")[-1] == "second", "the next line goes to a new file")


@pytest.fixture
def open_disk(open_site, root):
    if os.system("unshare -m true 2>/dev/null") != 0:
        pytest.skip("no mount namespace can be made here")
    mount = 'mount -t tmpfs -o size=256k tmpfs "$SITE/log" && exec "$@"'
    site = open_site(root, patches="hasty", wrapper=["unshare", "-m", "sh", "-c", mount, "sh"])
    site.file("log").mkdir()
    return site


def fill(directory):
    ballast = directory / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    return ballast


@pytest.mark.parametrize("stamps", ["", "timestamps: true, "])
def test_a_full_disk_and_a_service_that_must_not_wait(open_disk, stamps):
    site = open_disk
    conf = (site.conf_d / "logs_kept.yaml").read_text()
    site.write("conf.d/logs_kept.yaml", conf.replace("max_size: 10KiB", stamps + "max_total: 160KiB"))
    puppet = site.puppet("puppet")
    site.start()
    puppet.tell("print before")
    log = Path(f"/proc/{site.process.pid}/root{site.log_dir}")
    until(lambda: (log / "puppet.log").exists() and "before" in (log / "puppet.log").read_text())
    ballast = fill(log)
    puppet.tell("talk 20000")
    until(lambda: "talk 20000" in site.lines("did.puppet")[-1], "it is not held up")
    until(lambda: "bytes dropped" in site.warnings(), "it is said how much is missing")
    assert "puppet.log: No space left" in site.warnings()
    assert site.wait("log-trouble")["text"].endswith("its output is dropped")
    # Whoever comes after knows it too.
    site.kill("supervisor")
    until(lambda: "bytes dropped" in site.warnings(), "the successor says it")
    ballast.unlink()

    def says_something():
        puppet.tell("print after")
        return site.warnings() == ""

    until(says_something, "it goes on by itself")
    dropped = int(site.wait("log-recovered")["text"].split("; ")[1].split()[0])
    until(lambda: (log / "puppet.log").read_text().endswith("after\n"))
    if not stamps:
        raw = b"".join((log / name).read_bytes() for name in ("puppet.log.1", "puppet.log") if (log / name).exists())
        said = b"before\n" + b"".join(b"%099d\n" % number for number in range(20000))
        kept = len(raw[: raw.index(b"after")])
        assert kept + dropped >= len(said)
        assert (kept + dropped - len(said)) % len(b"after\n") == 0, "every byte is kept or counted"
    marks = index.read(str(log / ".index" / "puppet.log"))
    assert [record[2] for record in marks.of_kind(index.DROP)] == [dropped]
    assert site.show("puppet")["facts"]["dropped"].startswith(f"{dropped} bytes")


def test_compression_on_a_full_disk(open_disk):
    """Nothing is lost, the service goes on, and once there is room it is made up for without being told."""
    site = open_disk
    conf = site.conf_d / "logs_kept.yaml"
    keeps = conf.read_text()
    site.write("conf.d/logs_kept.yaml", keeps.replace("max_size: 10KiB", "max_size: 10KiB, compress: false"))
    puppet = site.puppet("puppet")
    site.start()
    log = Path(f"/proc/{site.process.pid}/root{site.log_dir}")
    puppet.tell("talk 410")
    until((log / "puppet.log.4").exists, "it is rotated")
    until(lambda: (log / "puppet.log").stat().st_size == 200, "it has arrived")
    ballast = fill(log)
    site.write("conf.d/logs_kept.yaml", keeps)
    site.do("apply")
    puppet.tell("print one more")
    until(lambda: (log / "puppet.log").stat().st_size == 209, "there was room for that in the last page")
    site.ask("rotate", services=["puppet"])
    until(lambda: "puppet.log: not compressed: No space left" in site.warnings(), "it is said")
    assert not list(log.glob("*.gz"))
    assert {path.name for path in log.glob("*.packing")} == set()
    ballast.unlink()
    puppet.tell("print after")
    until(lambda: len(list(log.glob("*.gz"))) == 4, "all but the newest rotated one are packed")
    until(lambda: (log / "puppet.log").read_text().endswith("after\n"))
    until(lambda: site.warnings() == "", "nothing is wrong any more")
    raw = b"".join(gzip.decompress((log / f"puppet.log.{number}.gz").read_bytes()) for number in (5, 4, 3, 2))
    raw += (log / "puppet.log.1").read_bytes() + (log / "puppet.log").read_bytes()
    assert raw.decode().splitlines() == [*numbered(410), "one more", "after"]


def test_rotation_by_time(open_site, user):
    """Before the first line of the next hour, and without one when the hour is over."""
    site = open_site(user, patches="own_clock", environ={"TZ": "UTC"})
    conf = site.conf_d / "logs_kept.yaml"
    site.write("conf.d/logs_kept.yaml", conf.read_text().replace("max_size: 10KiB", "rotate: hourly, compress: false"))
    clock = WallClock(site)
    puppet = site.puppet("puppet")

    def hour_begins_in(seconds):
        clock.set_to((clock.now() // 3600 + 2) * 3600 - seconds, is_told=False)

    hour_begins_in(1800)

    def current():
        try:
            return (site.log_dir / "puppet.log").read_text()
        except FileNotFoundError:  # it is being rotated
            return ""

    site.start()
    puppet.tell("print one")
    until(lambda: current() == "one\n")
    hour_begins_in(1800)
    puppet.tell("print two")
    until(lambda: current() == "two\n", "a new hour, a new file")
    assert (site.log_dir / "puppet.log.1").read_text() == "one\n"
    # The next one comes by itself.
    hour_begins_in(2)
    puppet.tell("print three")
    until(lambda: "three" in current())

    def has_come():
        if 5 < clock.now() % 3600 < 600 and current():  # it was written too late for it
            hour_begins_in(2)
            puppet.tell("print three")
        return (site.log_dir / "puppet.log.3").exists() and not current()

    until(has_come, "nobody writes, and the hour is over")
    until((site.log_dir / "puppet.log").exists)
    assert list(dict.fromkeys(lines(site, "puppet"))) == ["one", "two", "three"]


def test_a_directory_that_vanishes(open_site, user):
    site = open_site(user, patches="hasty")
    puppet = site.puppet("puppet")
    site.write("conf.d/logs_kept.yaml", (site.conf_d / "logs_kept.yaml").read_text().replace(", on_full: drop", ""))
    site.start()
    puppet.tell("print lost with the directory")
    until(lambda: site.log("puppet"))
    until(
        lambda: shutil.rmtree(site.log_dir, ignore_errors=True) or not site.log_dir.exists()
    )  # it may be written into
    puppet.tell("print kept")
    assert "its output waits" in site.wait("log-trouble")["text"]
    pid = site.pid("puppet")
    site.mkdir("log", 0o750)
    until(lambda: site.log("puppet") == ["kept"], "logging resumes by itself")
    site.wait("log-recovered")
    assert site.pid("puppet") == pid
