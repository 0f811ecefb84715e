"""Captured output: a service writes millions of lines, one by one; its log is rotated at 50 MB.

How long the writer takes (it waits when its pipe is full), how much processor time the capturing side needs until all
of it lies on disk, and how much memory that has at its most. Nobody compresses: most peers cannot.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import procfs
from lab import HERE, Lab, LabError, compile_c, end_processes, tree_of
from peers import Amonsup, NotInstalledError, Peer, Supervisord
from peers.amonsup import SITE
from peers.supervisord import HEAD
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import guarded, say

LENGTH = 107
ROTATE_AT = 50_000_000
PATIENCE = 180.0
ROUNDS = 3
QUIET_MS = 500
IN_TURNS = ("amonsup", "amonsup, quiet first", "amonsup, one watch rule", "supervisord")
"""Those that have a target are measured ROUNDS times, in turns: on a virtual machine single runs differ by 15 %."""

CIRCUS_VERSION = "circus==0.19.0"
TICKS = os.sysconf("SC_CLK_TCK")

AMONSUP = """\
services:
  lines:
    command: {command}
    logging: {{max_size: {size}, max_files: 100, compress: false{more}}}
"""

PROGRAM = """
[program:lines]
command={command}
startsecs=0
redirect_stderr=true
stdout_logfile={home}/log/lines.log
stdout_logfile_maxbytes={size}
stdout_logfile_backups=100
"""

CIRCUS = """\
[circus]
endpoint = ipc://{home}/endpoint
pubsub_endpoint = ipc://{home}/pubsub
statsd = False

[watcher:lines]
cmd = {command}
stdout_stream.class = FileStream
stdout_stream.filename = {home}/log/lines.log
stdout_stream.max_bytes = {size}
stdout_stream.backup_count = 100
"""


class Run:
    """One subject at work. `capturing`: pids of who reads and writes, once it runs."""

    def __init__(self, home: Path, argv: list[str], capturing: Callable[[int], list[int]]) -> None:
        self.home, self.argv, self.capturing = home, argv, capturing


def logs(lab: Lab, settings: Settings) -> list[Table]:
    """Three tables: the writer's time, the processor time, the memory."""
    program = lab.directory / "lines"
    compile_c(HERE / "lines.c", program)
    count = settings.log_lines
    took = Table(f"logs: time of a writer of {count} lines of {LENGTH} B, rotated at {ROTATE_AT // 10**6} MB")
    used = Table("logs: processor time of the capturing side")
    size = Table("logs: the most memory (RSS) of the capturing side")
    subjects: tuple[tuple[str, Callable[[Lab, str, Path], Run]], ...] = (
        ("amonsup", lambda lab, command, home: _amonsup(lab, command, home, "")),
        ("amonsup, quiet first", lambda lab, command, home: _amonsup(lab, f"{command} {QUIET_MS}", home, "")),
        (
            "amonsup, one watch rule",
            lambda lab, command, home: _amonsup(lab, command, home, ", watch: [{match: OutOfMemory}]"),
        ),
        ("amonsup, timestamps", lambda lab, command, home: _amonsup(lab, command, home, ", timestamps: true")),
        ("supervisord", _supervisord),
        ("s6-log", lambda _lab, command, home: _pipe(home, command, ["s6-log", "-b", "n100", "s50000000", "./log"])),
        ("svlogd", _svlogd),
        ("circus", _circus),
    )
    wanted = [subject for subject in subjects if not settings.only or subject[0].partition(",")[0] in settings.only]
    rows = {name: _rows(name) for name, _ in wanted}
    for number in range(ROUNDS):
        for name, prepare in wanted:
            if name not in rows or rows[name][0].failed or (number and name not in IN_TURNS):
                continue
            say(f"{name}, round {number + 1} of {ROUNDS}" if name in IN_TURNS else name)
            try:
                guarded(rows[name][0], partial(_sample, lab, program, count, prepare, rows[name]))
            except NotInstalledError as missing:
                took.notes.append(f"skipped: {missing}")
                del rows[name]
    for each in rows.values():
        for table, row in zip((took, used, size), each, strict=True):
            table.rows.append(row)
    took.notes.append(f"quiet first: the writer says nothing for {QUIET_MS} ms, so it is listened to when it begins")
    return [took, used, size]


def _rows(name: str) -> list[Row]:
    return [
        Row(name, unit="s", base="supervisord", targets=TARGETS.get(f"logs_time:{name}", ())),
        Row(name, unit="s", base="supervisord", targets=TARGETS.get(f"logs_cpu:{name}", ())),
        Row(name, unit="MiB"),
    ]


def _sample(
    lab: Lab, program: Path, count: int, prepare: Callable[[Lab, str, Path], Run], rows: list[Row]
) -> list[float]:
    """One run: the writer's time is returned, the rest goes to the other rows."""
    figures = _measure(lab, program, count, prepare)
    for row, figure in zip(rows[1:], figures[1:], strict=True):
        row.samples.append(figure)
    return [figures[0]]


def _measure(
    lab: Lab, program: Path, count: int, prepare: Callable[[Lab, str, Path], Run]
) -> tuple[float, float, float]:
    """Seconds of the writer, processor seconds and MiB of whoever captures."""
    home = lab.home("logs")
    (home / "log").mkdir(mode=0o755)
    _touch_memory(home / "log" / "warm", count * LENGTH)
    result = home / "result"
    run = prepare(lab, f"{program} {count} {result}", home)
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin", "HOME": str(home), "LANG": "C.UTF-8"}
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(
            run.argv,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        took = _wait_for(result, process, home)
        _settled(home / "log", count * LENGTH)
        pids = run.capturing(process.pid)
        if not pids:
            raise LabError("nobody captures")
        cpu = sum(_cpu_s(pid) for pid in pids)
        return took, cpu, sum(_peak_mib(pid) for pid in pids)
    finally:
        family = tree_of(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        end_processes(family, 2.0)
        shutil.rmtree(home / "log")  # what one leaves to be written back is not to slow down the next


def _touch_memory(path: Path, size: int) -> None:
    """As much page cache as the logs will take, filled and let go of: a virtual machine gets its memory from the host
    when it is touched, and whoever touches it first pays for that."""
    chunk = bytes(1 << 20)
    with path.open("wb", buffering=0) as file:
        for _ in range(size >> 20):
            file.write(chunk)
    path.unlink()


def _wait_for(result: Path, process: subprocess.Popen[bytes], home: Path) -> float:
    deadline = time.monotonic() + PATIENCE
    while not result.exists():
        if process.poll() is not None:
            raise LabError(f"it ended: {(home / 'out').read_text(errors='replace')[-300:]}")
        if time.monotonic() > deadline:
            raise LabError(f"the writer was not done within {PATIENCE:g} s")
        time.sleep(0.05)
    return int(result.read_text()) / 1e9


def _settled(directory: Path, expected: int) -> None:
    """Until all of it lies there (with stamps: more)."""
    deadline = time.monotonic() + PATIENCE
    while (total := sum(path.stat().st_size for path in directory.iterdir() if path.is_file())) < expected:
        if time.monotonic() > deadline:
            raise LabError(f"{expected - total} bytes never arrived")
        time.sleep(0.05)


def _cpu_s(pid: int) -> float:
    """User and system time, that of ended children included."""
    fields = procfs.stat_fields(pid)
    return sum(int(field) for field in fields[11:15]) / TICKS if fields else 0.0


def _peak_mib(pid: int) -> float:
    for line in procfs.read(procfs.PROC / str(pid) / "status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _amonsup(lab: Lab, command: str, home: Path, more: str) -> Run:
    peer = Amonsup(lab)
    peer.path()
    peer.config(home).write_text(SITE.format(home=home))
    (home / "conf.d").mkdir(mode=0o755)
    conf = AMONSUP.format(command=command, size=f"{ROTATE_AT}B", more=more)
    (home / "conf.d" / "lines.yaml").write_text(conf)
    argv = peer.command(home, [])

    def logger(_pid: int) -> list[int]:
        return [row["pid"] for row in peer.rows(home) if row["name"] == "logger"]

    return Run(home, argv, logger)


def _supervisord(lab: Lab, command: str, home: Path) -> Run:
    peer: Peer = Supervisord(lab)
    peer.path()
    text = HEAD.format(home=home, minfds=1024) + PROGRAM.format(command=command, home=home, size=ROTATE_AT)
    (home / "supervisord.conf").write_text(text)
    return Run(home, peer.command(home, []), lambda pid: [pid])


def _pipe(home: Path, command: str, reader: list[str]) -> Run:
    """The writer into a pipe, as their supervisors do it; who captures is the reader."""
    if not any(os.access(f"{directory}/{reader[0]}", os.X_OK) for directory in ("/usr/bin", "/bin", "/usr/sbin")):
        raise NotInstalledError(f"{reader[0]}: not installed")
    argv = ["sh", "-c", f"{command} | {' '.join(reader)}"]

    def named(pid: int) -> list[int]:
        return [each for each in procfs.descendants(pid) if procfs.program(each).endswith("/" + reader[0])]

    return Run(home, argv, named)


def _svlogd(_lab: Lab, command: str, home: Path) -> Run:
    (home / "log" / "config").write_text(f"s{ROTATE_AT}\nn100\n")
    return _pipe(home, command, ["svlogd", "log"])


def _circus(_lab: Lab, command: str, home: Path) -> Run:
    """Out of a virtual environment of its own; AMONSUP_BENCH_CIRCUS names the bin directory of one that is there."""
    named = os.environ.get("AMONSUP_BENCH_CIRCUS", "")
    program = (Path(named) if named else _circus_bin(home.parent / "circus")) / "circusd"
    if not program.is_file():
        raise NotInstalledError(f"circus: AMONSUP_BENCH_CIRCUS names no directory with circusd: {named}")
    (home / "circus.ini").write_text(CIRCUS.format(home=home, command=command, size=ROTATE_AT))
    python = program.parent / "python"
    argv = [str(python if python.exists() else sys.executable), str(program), str(home / "circus.ini")]
    return Run(home, argv, lambda pid: [pid])


def _circus_bin(directory: Path) -> Path:
    """The bin directory of a new virtual environment with circus in it."""
    say(f"installing {CIRCUS_VERSION}")
    try:
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True, capture_output=True, timeout=120)
        command = [str(directory / "bin" / "pip"), "install", "-q", CIRCUS_VERSION]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalledError(f"circus: pip install {CIRCUS_VERSION} failed: {error}") from error
    return directory / "bin"
