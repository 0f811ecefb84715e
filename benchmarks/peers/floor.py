"""The physical floor: a C loop of posix_spawn and waitpid, compiled by the harness."""

from __future__ import annotations

from pathlib import Path

from peers.base import Peer, Service


class Floor(Peer):
    """No supervisor at all."""

    name = "floor"
    package = "gcc"
    program = "gcc"

    def prepare(self, home: Path, services: list[Service]) -> None:
        """Nothing to write: the services are its arguments."""

    def command(self, home: Path, services: list[Service]) -> list[str]:
        """floor STAMP FIFO NAME…"""
        names = [service.name for service in services]
        return [str(self.lab.floor), str(self.lab.stamp), str(self.lab.stamps.path), *names]
