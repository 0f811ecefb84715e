"""amonsup, by its public interface only: amonsupd -c FILE, amonsup -c FILE status, SIGTERM."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lab import ROOT, LabError

from peers.base import NotInstalledError, Peer, Running, Service

BIN = Path(os.environ.get("AMONSUP_BENCH_BIN", str(ROOT / ".venv" / "bin")))
ROLES = ("guardian", "supervisor", "logger", "control", "prober")

SITE = """\
site: bench
conf_d: {home}/conf.d
run_dir: {home}/run
state_dir: {home}/state
log_dir: {home}/log
"""

SERVICE = """\
  {name}:
    command: {command}
    restart: always
    backoff: {{initial: 0s, step: 0s, factor: 1, max: 1s, jitter: 0}}
"""


class Amonsup(Peer):
    """The one to be measured."""

    name = "amonsup"
    package = "amonsup"
    program = "amonsupd"

    def path(self) -> str:
        """The daemon in the project's virtual environment."""
        daemon = BIN / "amonsupd"
        if not daemon.exists():
            raise NotInstalledError(f"amonsup: {daemon} does not exist (make setup)")
        return str(daemon)

    def prepare(self, home: Path, services: list[Service]) -> None:
        """amonsup.yaml and one file in conf.d with every service."""
        self.path()
        self.config(home).write_text(SITE.format(home=home))
        (home / "conf.d").mkdir(mode=0o755)
        text = ["services:\n"]
        for service in services:
            command = " ".join(self.stamp_command(service))
            text.append(SERVICE.format(name=service.name, command=command))
            if service.user:
                text.append(f"    user: {service.user}\n")
            if service.no_new_privileges:
                text.append("    no_new_privileges: true\n")
        (home / "conf.d" / "bench.yaml").write_text("".join(text))

    def command(self, home: Path, services: list[Service]) -> list[str]:
        """amonsupd -c FILE"""
        return [self.path(), "-c", str(self.config(home))]

    def config(self, home: Path) -> Path:
        """The site's file."""
        return home / "amonsup.yaml"

    def socket(self, home: Path) -> Path:
        """The public socket."""
        return home / "run" / "amonsup.sock"

    def status_command(self, home: Path, *more: str) -> list[str]:
        """amonsup -c FILE status"""
        return [str(BIN / "amonsup"), "-c", str(self.config(home)), "status", *more]

    def rows(self, home: Path) -> list[dict[str, Any]]:
        """Every row of status --all --json."""
        done = subprocess.run(
            self.status_command(home, "--all", "--json"),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        if done.returncode != 0:
            raise LabError(f"amonsup status: exit {done.returncode}: {done.stderr.strip()[-300:]}")
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    def do(self, home: Path, *words: str) -> str:
        """A command that must succeed; what it prints."""
        command = [str(BIN / "amonsup"), "-c", str(self.config(home)), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise LabError(f"amonsup {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def tasks(self, home: Path, service: str) -> int:
        """How many processes and threads a service has."""
        rows = json.loads(self.do(home, "--json", "status", "--usage", service))
        return int(rows[0]["tasks"] or 0)

    def python(self) -> str:
        """An interpreter for services that need one."""
        return str(BIN / "python")

    def supervising(self, running: Running) -> dict[str, list[int]]:
        """guardian, supervisor, logger, as status names them; what was started is the guardian."""
        found = {"guardian": [running.pid]}
        for row in self.rows(running.home):
            if row["name"] in ROLES and row["pid"]:
                found[row["name"]] = [row["pid"]]
        return found
