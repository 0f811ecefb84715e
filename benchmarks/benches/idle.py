"""Wake-ups of a supervisor that has nothing to do: context switches of all its threads."""

from __future__ import annotations

import time

import procfs
from lab import Lab
from peers import S6, Amonsup, Peer, Runit, Supervisord
from peers.base import services_named
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import guarded, present, say

SETTLE = 3.0


def idle(lab: Lab, settings: Settings) -> list[Table]:
    """Every peer by itself."""
    count = settings.idle_services
    table = Table(f"idle: wake-ups per second over {settings.idle_seconds:g} s with {count} services")
    for peer in present(lab, settings, (Amonsup, Runit, S6, Supervisord), table):
        say(peer.name)
        targets = TARGETS.get("idle", ()) if isinstance(peer, Amonsup) else ()
        row = Row(peer.name, unit="1/s", targets=targets)
        table.rows.append(row)
        roles: dict[str, float] = {}
        guarded(row, lambda peer=peer, roles=roles: [_rate(peer, settings, roles)])  # type: ignore[misc]
        if len(roles) > 1:
            table.rows += [Row(f"  {role}", [rate], "1/s") for role, rate in roles.items()]
    return [table]


def _rate(peer: Peer, settings: Settings, roles: dict[str, float]) -> float:
    """Wake-ups per second; `roles` is filled with each role's share."""
    with peer.start(services_named("svc", settings.idle_services)) as running:
        running.wait_all()
        supervising = running.supervising()  # asking costs wake-ups: before the settling
        time.sleep(SETTLE)
        before = _switches(supervising)
        began = time.monotonic()
        time.sleep(settings.idle_seconds)
        after = _switches(supervising)
        seconds = time.monotonic() - began
    for role in supervising:
        roles[role] = (after[role] - before[role]) / seconds
    return sum(roles.values())


def _switches(supervising: dict[str, list[int]]) -> dict[str, int]:
    return {role: sum(procfs.context_switches(pid) for pid in pids) for role, pids in supervising.items()}
