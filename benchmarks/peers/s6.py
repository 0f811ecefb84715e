"""s6: s6-svscan over a scan directory, one s6-supervise a service, no s6-log."""

from __future__ import annotations

from pathlib import Path

from peers.base import Peer, Service


class S6(Peer):
    """s6-supervise never starts a service twice within a second; there is no setting for it."""

    name = "s6"
    package = "s6"
    program = "s6-svscan"

    def prepare(self, home: Path, services: list[Service]) -> None:
        """One directory a service."""
        self.path()
        for service in services:
            self.write_run(home / "scan" / service.name, service)

    def command(self, home: Path, services: list[Service]) -> list[str]:
        """s6-svscan -c MAX DIR"""
        return [self.path(), "-c", str(max(500, len(services) + 10)), str(home / "scan")]
