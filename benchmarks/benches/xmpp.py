"""The control plane: a crash to the changed presence at a subscriber, the agent's memory, its wake-ups at rest.

A real Prosody with its default limits and an independent slixmpp client, both of the tests' harness, on loopback.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import procfs
from lab import Lab
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import say

SERVICES = 50
CRASHES = 10
IDLE_S = 30.0
SETTLE_S = 8.0  # longer than presence is held back
AGENT = "gsi@localhost/amonsup"
OURS = ("guardian", "supervisor", "logger", "control")
FATAL = 'restart: always, min_uptime: 0s, start_limit: {count: 1, within: 1h}, command: "sleep 100000"'


def xmpp(_lab: Lab, settings: Settings) -> list[Table]:
    """One site of 50 services, one server, one subscriber."""
    table = Table(f"xmpp: a site of {SERVICES} services, online at a Prosody on loopback")
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
    servers: Any = importlib.import_module("support.xmpp_servers")
    if not servers.has_prosody():
        table.notes.append("skipped: no prosody")
        return [table]
    with tempfile.TemporaryDirectory(prefix="amsbx", dir="/tmp") as directory:
        authority = servers.Authority(Path(directory) / "ca")
        server = servers.Prosody(Path(directory) / "server", authority)
        for name in ("gsi", "viewer"):
            server.account(name)
        with servers.running(server):
            _measure(table, server, authority, CRASHES if settings.idle_seconds >= 10 else 3)
    return [table]


def _measure(table: Table, server: Any, authority: Any, crashes: int) -> None:
    sites: Any = importlib.import_module("support.site")
    people: Any = importlib.import_module("support.person")
    site = _site(sites, server, authority)
    viewer = None
    try:
        site.start()
        site.running("control", *(f"s{n}" for n in range(SERVICES - 1)))
        viewer = people.Person("viewer@localhost", server.port, str(authority.certificate))
        viewer.subscribe("gsi@localhost")
        viewer.presence(AGENT)
        say("at rest")
        time.sleep(SETTLE_S)
        pids = {name: row["pid"] for name, row in site.answers().items() if name in OURS}
        sizes = {name: procfs.pss_kib(pid) / 1024 for name, pid in pids.items()}
        table.rows.append(
            Row("memory of the whole agent (PSS)", [sum(sizes.values())], "MiB", targets=TARGETS["xmpp_memory"])
        )
        table.rows += [Row(f"  {name}", [size], "MiB") for name, size in sizes.items()]
        before = {name: procfs.context_switches(pid) for name, pid in pids.items()}
        time.sleep(IDLE_S)
        rates = {name: (procfs.context_switches(pid) - before[name]) / IDLE_S for name, pid in pids.items()}
        table.rows.append(Row("wake-ups at rest", [sum(rates.values())], "1/s"))
        say("crashes")
        table.rows.append(Row("crash to changed presence", _crashes(site, viewer, crashes), "ms"))
    finally:
        if viewer is not None:
            viewer.close()
        site.close()
        site.remove()


def _crashes(site: Any, viewer: Any, count: int) -> list[float]:
    """Milliseconds from SIGKILL to the presence that says 'fatal', at the subscriber."""
    found = []
    for _ in range(count):
        site.running("weak")
        mark = viewer.mark
        pid = site.pid("weak")
        began = time.monotonic()
        importlib.import_module("support.site").kill_hard(pid)
        viewer.presence(AGENT, after=mark, show="dnd")
        found.append((time.monotonic() - began) * 1000)
        mark = viewer.mark
        site.do("reset", services=["weak"])
        site.do("start", services=["weak"])
        viewer.presence(AGENT, after=mark, show="", status=f"{SERVICES}/{SERVICES} up")
    say(f"median {statistics.median(found):.1f} ms")
    return found


def _site(sites: Any, server: Any, authority: Any) -> Any:
    with tempfile.TemporaryDirectory(prefix="amsbc", dir="/tmp") as case:
        site = sites.Site(Path(case), sites.ourselves(), config={"site": "gsi"})
    site.write("pw", "secret\n")
    site.file("pw").chmod(0o600)
    with site.config_file.open("a") as file:
        file.write(
            "xmpp:\n  sessions:\n"
            f"    main: {{jid: gsi@localhost, password_file: pw, host: 127.0.0.1, port: {server.port},"
            f" ca_file: {authority.certificate}}}\n"
            "  require_signature: none\n  access:\n    - {jid: viewer@localhost, role: viewer}\n"
        )
    lines = [f'  s{n}: {{command: "sleep 100000"}}\n' for n in range(SERVICES - 1)]
    site.write("conf.d/bench.yaml", "services:\n" + "".join(lines) + f"  weak: {{{FATAL}}}\n")
    return site
