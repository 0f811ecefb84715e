"""`amonsup logs`: from a service's write to the terminal, wake-ups while nothing is written, and the search of 1 GB."""

from __future__ import annotations

import gzip
import os
import pty
import random
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import procfs
from lab import ROOT, Lab, LabError
from peers import Amonsup
from peers.amonsup import BIN
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import guarded, say

STAMPER = """
import os, sys, time
os.write(1, b"ready\\n")
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
for number in range(int(sys.argv[1])):
    time.sleep(0.05)
    os.write(1, b"stamp %d end\\n" % time.monotonic_ns())
time.sleep(3600)
"""
FLOOD = f"""\
  flood:
    command: "yes {"x" * 106}"
    logging: {{max_size: 50MB, max_files: 2, compress: false}}
"""
STAMP = re.compile(rb"stamp (\d+) end")
LINE_BYTES = 107
FILE_BYTES = 50 * 1024 * 1024
NEEDLE = "code=7[0-9]{3} .*timed out"
PATIENCE = 60.0


def reading(lab: Lab, settings: Settings) -> list[Table]:
    """Three tables."""
    return [*_following(lab, settings), _searching(lab, settings)]


# -- following --


def _following(lab: Lab, settings: Settings) -> list[Table]:
    latency = Row("logs -f, to the terminal", targets=TARGETS.get("logs_follow", ()))
    beside = Row("the same, beside a service that floods", base=latency.subject)
    idle = Row("logs -f", unit="1/s", targets=TARGETS.get("logs_idle", ()))
    guarded(latency, lambda: _follow(lab, settings, "", idle))
    guarded(beside, lambda: _follow(lab, settings, FLOOD, None))
    seconds = settings.idle_seconds
    return [
        Table("reading: a line's way from the service's write(2) to a pseudo terminal's reader", [latency, beside]),
        Table(f"reading: wake-ups per second of logs -f over {seconds:g} s in which nothing is written", [idle]),
    ]


def _follow(lab: Lab, settings: Settings, more: str, idle: Row | None) -> list[float]:
    """Milliseconds of each line. `more`: what else there is in conf.d. Fills `idle` on the way."""
    count = settings.follow_lines
    home = lab.home("reading")
    peer = Amonsup(lab)
    peer.prepare(home, [])
    (home / "stamper.py").write_text(STAMPER)
    command = f"{sys.executable} -I -S {home}/stamper.py {count} {home}/go"
    (home / "conf.d" / "bench.yaml").write_text(f"services:\n  stamper: {{command: {command}}}\n{more}")
    running = peer.launch(home, [])
    try:
        config = peer.config(home)
        _until((home / "run" / "amonsup.sock").exists, "amonsupd listens")
        with _on_terminal([str(BIN / "amonsup"), "-c", str(config), "logs", "-f", "stamper"]) as (pid, fd):
            say(f"{count} lines, 50 ms apart{', beside a flood' if more else ''}")
            _shown(fd, b"ready")
            (home / "go").touch()
            found = _stamps(fd, count)
            if idle is not None:
                time.sleep(1.0)
                before, began = procfs.context_switches(pid), time.monotonic()
                time.sleep(settings.idle_seconds)
                idle.samples.append((procfs.context_switches(pid) - before) / (time.monotonic() - began))
        return found
    finally:
        running.stop()


def _shown(fd: int, wanted: bytes) -> None:
    text = b""
    while wanted not in text:
        if not select.select([fd], [], [], PATIENCE)[0]:
            raise LabError(f"{wanted!r} was not shown, but {text[-200:]!r}")
        text += os.read(fd, 65536)


def _stamps(fd: int, count: int) -> list[float]:
    found: list[float] = []
    rest = b""
    deadline = time.monotonic() + PATIENCE + count * 0.06
    while len(found) < count:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise LabError(f"{len(found)} of {count} lines came; the last words: {rest[-200:]!r}")
        rest += os.read(fd, 65536)
        now = time.monotonic_ns()
        *lines, rest = rest.split(b"\n")
        found += [(now - int(stamp)) / 1e6 for line in lines for stamp in STAMP.findall(line)]
    return found


@contextmanager
def _on_terminal(argv: list[str]) -> Iterator[tuple[int, int]]:
    """A command on a terminal of its own: its pid, and our end."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(argv[0], argv)
    try:
        yield pid, fd
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(fd)


def _until(condition: object, what: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"not within {PATIENCE:g} s: {what}")
        time.sleep(0.05)


# -- searching --


def _searching(lab: Lab, settings: Settings) -> Table:
    total = settings.grep_bytes
    home = lab.home("search")
    say(f"writing {total >> 20} MiB of rotated logs")
    files = _write_logs(home / "log", total)
    (home / "conf.d").mkdir()
    (home / "amonsup.yaml").write_text(
        f"site: bench\nrun_dir: {home}/run\nstate_dir: {home}/state\nlog_dir: {home}/log\n"
    )
    amonsup = [str(BIN / "amonsup"), "-c", str(home / "amonsup.yaml"), "logs", "big", "--grep", NEEDLE]
    zgrep = ["zgrep", "-h", "-E", NEEDLE, *map(str, files)]
    table = Table(f"reading: a search through {total >> 20} MiB in {len(files)} files, all but two of them compressed")
    found: dict[str, Found] = {}
    ours = Row("amonsup logs --grep", unit="s", base="zgrep -E", targets=TARGETS.get("logs_grep", ()))
    theirs = Row("zgrep -E", unit="s")
    for number in range(settings.grep_runs):
        for row, argv in ((theirs, zgrep), (ours, amonsup)) if number % 2 == 0 else ((ours, amonsup), (theirs, zgrep)):
            say(f"{row.subject}, run {number + 1}")
            guarded(row, lambda row=row, argv=argv: [_search(row.subject, argv, found)])  # type: ignore[misc]
    table.rows += [ours, theirs]
    for subject, each in found.items():
        table.notes.append(
            f"{subject}: {each.lines} lines, the first after {each.first_s:.2f} s, at most {each.rss_kib >> 10} MiB "
            f"resident, {each.cpu_s:.1f} s of processor time"
        )
    if len({each.lines for each in found.values()}) > 1:
        ours.failed = "they did not find the same"
        ours.samples.clear()
    return table


@dataclass(frozen=True)
class Found:
    """What one run of a search gave, and took. Processor time of all its processes; memory of the first."""

    lines: int
    first_s: float
    rss_kib: int
    cpu_s: float


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _search(subject: str, argv: list[str], found: dict[str, Found]) -> float:
    """Seconds."""
    before, began = _cpu(), time.monotonic()
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        peak = _Peak(process.pid)
        first = process.stdout.readline()
        first_s = time.monotonic() - began
        lines = process.stdout.read().count(b"\n") + bool(first)
        process.wait()
        took = time.monotonic() - began
    found[subject] = Found(lines, first_s, peak.end(), _cpu() - before)
    if process.returncode != 0:
        raise LabError(f"exit {process.returncode}")
    return took


class _Peak:
    """The largest resident set of a process, looked at now and then, in KiB."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._found = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> int:
        self._is_over.set()
        self._thread.join()
        return self._found

    def _look(self) -> None:
        while not self._is_over.wait(0.1):
            for line in procfs.read(self._status).splitlines():
                if line.startswith("VmHWM:"):
                    self._found = max(self._found, int(line.split()[1]))


def _write_logs(directory: Path, total: int) -> list[Path]:
    """big.log and its rotated files as the logger leaves them, oldest first. The text is as dull as logs are."""
    sys.path.insert(0, str(ROOT))
    from amonsup.logbook import index

    (directory / ".index").mkdir(parents=True)
    block = _text(FILE_BYTES)
    count = max(3, total // FILE_BYTES)
    files = []
    records = b""
    for number in range(count - 1, -1, -1):
        path = directory / ("big.log" if number == 0 else f"big.log.{number}{'.gz' if number > 1 else ''}")
        if number > 1:
            if files:
                shutil.copyfile(files[0], path)
            else:
                with gzip.open(path, "wb", compresslevel=6) as file:
                    file.write(block)
        else:
            path.write_bytes(block)
        position = (count - 1 - number) * len(block)
        records += index.encode(index.SEGMENT, position, 1.7e9 + position / 1e6, mark=path.stat().st_ino)
        records += index.encode(index.TIME, position, 1.7e9 + position / 1e6)
        files.append(path)
    (directory / ".index" / "big.log").write_bytes(records)
    return files


def _text(size: int) -> bytes:
    """Lines of about LINE_BYTES; one in some forty thousand is what is searched for."""
    rng = random.Random(4)
    words = [
        b"job",
        b"queue",
        b"transfer",
        b"started",
        b"finished",
        b"worker",
        b"node",
        b"retry",
        b"connection",
        b"cache",
    ]
    lines = []
    amount = 0
    while amount < size:
        number = len(lines)
        text = b" ".join(rng.choice(words) for _ in range(6))
        end = b"timed out" if rng.random() < 0.003 else b"ok"
        line = b"2026-11-23T15:%02d:%02d INFO job=%08x code=%d %s %s" % (
            number // 60 % 60, number % 60, rng.getrandbits(32), rng.randrange(100_000), text, end,
        )  # fmt: skip
        line = line.ljust(LINE_BYTES - 1, b".") + b"\n"
        lines.append(line)
        amount += len(line)
    return b"".join(lines)
