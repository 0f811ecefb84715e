"""A fork bomb held by pids_limit, and how long its neighbour's crash takes meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

from lab import Lab, LabError
from peers import Amonsup
from peers.base import Service
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import present, say
from benches.crash import QUIET, Subject

PIDS = 64
BOMB = """\
  bomb:
    command: [{python}, -c, "import os\\nwhile True:\\n  try: os.fork()\\n  except OSError: pass"]
    restart: no
    autostart: false
    pids_limit: {pids}
"""


def bomb(lab: Lab, settings: Settings) -> list[Table]:
    """The same service crashing, first in peace, then beside the bomb."""
    table = Table(f"bomb: crash of a service beside a fork bomb under pids_limit: {PIDS}")
    if not settings.is_root:
        table.notes.append("skipped: limits by cgroup need root here")
        return [table]
    for peer in present(lab, settings, (Amonsup,), table):
        assert isinstance(peer, Amonsup)
        idle = Row("amonsup, idle")
        beside = Row("amonsup, beside the bomb", base="amonsup, idle", targets=TARGETS.get("bomb", ()))
        table.rows += [idle, beside]
        subject = Subject(peer, Service("neighbour"), idle)
        home = lab.home(peer.name)
        peer.prepare(home, [subject.service])
        with (home / "conf.d" / "bench.yaml").open("a") as file:
            file.write(BOMB.format(python=peer.python(), pids=PIDS))
        lab.stamps.forget()
        with peer.launch_beside(home, [subject.service]) as running:
            running.wait_all(30.0)
            subject.pid = running.pids["neighbour"]
            _crash(lab, settings, subject, idle)
            peer.do(home, "start", "bomb")
            tasks = _tasks(peer, home)
            table.notes.append(f"the bomb had {tasks} processes")
            _crash(lab, settings, subject, beside)
            peer.do(home, "stop", "--kill", "bomb")
    return [table]


def _crash(lab: Lab, settings: Settings, subject: Subject, row: Row) -> None:
    say(row.subject)
    for _ in range(settings.samples):
        time.sleep(QUIET + 1.0)
        try:
            row.samples.append(subject.crash(lab))
        except (LabError, ProcessLookupError) as error:
            row.failed = f"{error}"
            return


def _tasks(peer: Amonsup, home: Path) -> int:
    """Wait until the bomb has filled its room."""
    deadline = time.monotonic() + 20.0
    found = 0
    while found < PIDS and time.monotonic() < deadline:
        time.sleep(0.1)
        found = peer.tasks(home, "bomb")
    return found
