"""kill -9 of amonsup's supervisor: how long until its successor answers for all services, unchanged."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import time
from pathlib import Path
from typing import Any

from lab import Lab, LabError
from peers import Amonsup
from peers.base import services_named
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import guarded, present, say

PATIENCE = 20.0
Rows = list[dict[str, Any]]


def ask_status(socket_path: Path) -> Rows:
    """All rows of `status --all`, asked directly at the public socket (docs/protocol.md)."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(socket_path))
        request = {"type": "request", "id": secrets.token_hex(8), "verb": "status", "args": {"all": True}}
        sock.sendall(json.dumps(request).encode() + b"\n")
        with sock.makefile("rb") as answers:
            for line in answers:
                message = json.loads(line)
                if message["type"] == "answer":
                    rows: Rows = message["result"]["services"]
                    return rows
    raise LabError("the connection ended without an answer")


def successor(lab: Lab, settings: Settings) -> list[Table]:
    """Kills far enough apart that each one is a first one to the guardian."""
    count, kills = settings.successor_services, settings.successor_kills
    table = Table(f"successor: kill -9 of the supervisor to an answer with all {count} services running, same pids")
    for peer in present(lab, settings, (Amonsup,), table):
        assert isinstance(peer, Amonsup)
        calm = Row("a question, undisturbed")
        row = Row("amonsup", base=calm.subject, targets=TARGETS.get("successor", ()))
        table.rows += [row, calm]
        say(f"{kills} kills, {settings.successor_gap:g} s apart")
        guarded(row, lambda peer=peer, calm=calm: _kills(peer, settings, calm))  # type: ignore[misc]
    return [table]


def _kills(peer: Amonsup, settings: Settings, calm: Row) -> list[float]:
    samples: list[float] = []
    with peer.start(services_named("svc", settings.successor_services)) as running:
        running.wait_all()
        path = peer.socket(running.home)
        _await_same(path, running.pids, 0)
        for number in range(settings.successor_kills):
            began = time.monotonic_ns()
            rows = ask_status(path)
            calm.samples.append((time.monotonic_ns() - began) / 1e6)
            samples.append(_one_kill(path, running.pids, _pid_of(rows, "supervisor"), number))
            if number + 1 < settings.successor_kills:
                time.sleep(settings.successor_gap)
    return samples


def _one_kill(path: Path, pids: dict[str, int], victim: int, number: int) -> float:
    """Milliseconds from the kill to the right answer."""
    killed_ns = time.monotonic_ns()
    os.kill(victim, signal.SIGKILL)
    try:
        _await_same(path, pids, victim)
    except LabError as error:
        raise LabError(f"kill {number + 1}: {error}") from None
    return (time.monotonic_ns() - killed_ns) / 1e6


def _await_same(path: Path, pids: dict[str, int], victim: int) -> None:
    """Ask until another supervisor than `victim` answers and every service runs under its old pid."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            rows = ask_status(path)
            wrong = _differences(rows, pids)
            if not wrong and _pid_of(rows, "supervisor") != victim:
                return
            problem = f"{len(wrong)} services differ, {wrong[:3]}"
        except (LabError, ValueError, OSError) as error:
            problem = f"{error}"
        if time.monotonic() > deadline:
            raise LabError(f"no right answer within {PATIENCE:.0f} s: {problem}")


def _differences(rows: Rows, pids: dict[str, int]) -> list[str]:
    """The services that do not run under the pid that they had."""
    running = {row["name"]: row["pid"] for row in rows if row["state"] == "running"}
    return [name for name, pid in pids.items() if running.get(name) != pid]


def _pid_of(rows: Rows, name: str) -> int:
    for row in rows:
        if row["name"] == name and row["pid"]:
            return int(row["pid"])
    raise LabError(f"status --all has no pid of the {name}")
