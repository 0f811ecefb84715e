"""Memory of supervision: proportional set size of every process that is not a service."""

from __future__ import annotations

import time

import procfs
from lab import Lab
from peers import S6, Amonsup, Peer, Runit, Supervisord
from peers.base import services_named
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import guarded, present, say

SETTLE = 3.0  # s after the last start; nothing announces that a supervisor has calmed down
FEW = 500  # beyond it only those with one process for all services


def memory(lab: Lab, settings: Settings) -> list[Table]:
    """One table a number of services."""
    return [_table(lab, settings, count) for count in settings.memory_services]


def _table(lab: Lab, settings: Settings, count: int) -> Table:
    table = Table(f"memory: PSS of the supervising processes with {count} services")
    kinds: tuple[type[Peer], ...] = (Amonsup, Runit, S6, Supervisord)
    if count > FEW:
        kinds = (Amonsup, Supervisord)
        table.notes.append("runit and s6 left out: one process a service")
    for peer in present(lab, settings, kinds, table):
        say(f"{peer.name} with {count}")
        targets = TARGETS.get(f"memory_{count}", ()) if isinstance(peer, Amonsup) else ()
        row = Row(peer.name, unit="MiB", base="supervisord", targets=targets)
        table.rows.append(row)
        roles: dict[str, float] = {}
        guarded(row, lambda peer=peer, roles=roles: [_total(peer, count, roles)])  # type: ignore[misc]
        if len(roles) > 1:
            table.rows += [Row(f"  {role}", [size], "MiB") for role, size in roles.items()]
    return table


def _total(peer: Peer, count: int, roles: dict[str, float]) -> float:
    """MiB; `roles` is filled with each role's share."""
    with peer.start(services_named("svc", count)) as running:
        running.wait_all()
        time.sleep(SETTLE)
        for role, pids in running.supervising().items():
            roles[role] = sum(procfs.pss_kib(pid) for pid in pids) / 1024
    return sum(roles.values())
