"""What a status command costs a person or a script: wall time, piped."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

from lab import Lab, LabError
from peers import Amonsup, Peer, Running, Supervisord
from peers.amonsup import BIN
from peers.base import services_named
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import guarded, present, say


def status(lab: Lab, settings: Settings) -> list[Table]:
    """One table a number of services."""
    return [_table(lab, settings, count) for count in settings.status_services]


def _table(lab: Lab, settings: Settings, count: int) -> Table:
    table = Table(f"status: wall time of the command, piped, {count} services")
    python = BIN / "python"
    bare = str(python if python.exists() else sys.executable)
    commands = [
        (Row("python -c pass", base="supervisorctl"), [bare, "-c", "pass"]),
        (Row("python -I -S -c pass", base="supervisorctl"), [bare, "-I", "-S", "-c", "pass"]),  # without site
    ]
    with ExitStack() as stack:
        for peer in present(lab, settings, (Amonsup, Supervisord), table):
            subject = "amonsup" if isinstance(peer, Amonsup) else "supervisorctl"
            row = Row(
                subject,
                base="supervisorctl",
                targets=TARGETS.get("status", ()) if subject == "amonsup" else (),
            )
            command = _started(peer, count, row, stack)
            if command:
                commands.append((row, command))
            else:
                table.rows.append(row)
        say(f"{settings.samples} times each, in turns, {count} services")
        for _ in range(settings.samples):
            for row, command in commands:
                if not row.failed:
                    guarded(row, lambda command=command: [_wall(command)])  # type: ignore[misc]
    table.rows += [row for row, _ in commands]
    return table


def _started(peer: Peer, count: int, row: Row, stack: ExitStack) -> list[str]:
    """Start a supervisor for the time of the table; its status command, or [] if it did not start."""
    assert isinstance(peer, Amonsup | Supervisord)
    running: Running = stack.enter_context(peer.start(services_named("svc", count)))
    try:
        running.wait_all()
    except LabError as error:
        row.failed = f"{error}"
        return []
    return peer.status_command(running.home)


def _wall(command: list[str]) -> float:
    """Milliseconds of one run."""
    began = time.monotonic_ns()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    took = (time.monotonic_ns() - began) / 1e6
    if done.returncode != 0:
        raise LabError(f"exit {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return took
