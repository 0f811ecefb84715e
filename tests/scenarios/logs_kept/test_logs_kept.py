"""How logs are kept: stderr apart, settings changed in place, rotation on demand, and a disk that is full or gone."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from support.logs import lines, whole
from support.site import kill_hard, until

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
    until(lambda: lines(site, "puppet") == ["one", "two", "and a piece"])
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
    site = open_site(root, wrapper=["unshare", "-m", "sh", "-c", mount, "sh"])
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


def test_a_directory_that_vanishes(open_site, user):
    site = open_site(user)
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
