"""Many services from cold to all running: exec of the supervisor to the last first instruction."""

from __future__ import annotations

from pathlib import Path

from lab import Lab
from peers import S6, Amonsup, Floor, Peer, Runit, Supervisord
from peers.base import services_named
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import guarded, present, say


def cold(lab: Lab, settings: Settings) -> list[Table]:
    """The peers take turns, so that a noisy minute hits all of them."""
    count = settings.cold_services
    table = Table(f"cold: {count} services, exec of the supervisor to the last first instruction")
    peers = present(lab, settings, (Floor, Amonsup, Runit, S6, Supervisord), table)
    rows = {peer.name: Row(peer.name, base="floor") for peer in peers}
    rows["amonsup"] = Row("amonsup", base="floor", targets=TARGETS.get("cold", ()))
    applied = Row("amonsup, applied", base="floor", targets=TARGETS.get("cold_applied", ()))
    for peer in peers:
        table.rows.append(rows[peer.name])
        if isinstance(peer, Amonsup):
            table.rows.append(applied)
    for turn in range(settings.cold_runs):
        say(f"run {turn + 1} of {settings.cold_runs}")
        for peer in peers:
            if not rows[peer.name].failed:
                _one_turn(lab, peer, count, rows[peer.name], applied)
    table.notes.append(
        "'amonsup' is a first start (empty state_dir); 'applied' a boot with the configuration applied before"
    )
    return [table]


def _one_turn(lab: Lab, peer: Peer, count: int, row: Row, applied: Row) -> None:
    home = lab.home(peer.name)
    peer.prepare(home, services_named("svc", count))
    guarded(row, lambda: [_one_start(peer, home, count)])
    if isinstance(peer, Amonsup) and not row.failed:
        guarded(applied, lambda: [_one_start(peer, home, count)])


def _one_start(peer: Peer, home: Path, count: int) -> float:
    """Milliseconds; the supervisor is stopped again."""
    with peer.launch(home, services_named("svc", count)) as running:
        stamps = running.wait_all()
        return (max(stamp.ns for stamp in stamps.values()) - running.started_ns) / 1e6
