"""runit: runsvdir over a directory of service directories, one runsv a service, no svlogd."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from peers.base import Peer, Service


class Runit(Peer):
    """runsv waits a second before it restarts what lived less than one; there is no setting for it."""

    name = "runit"
    package = "runit"
    program = "runsvdir"
    stop_signal = signal.SIGHUP  # TERM would leave every runsv behind

    def prepare(self, home: Path, services: list[Service]) -> None:
        """One directory a service."""
        self.path()
        for service in services:
            self.write_run(home / "service" / service.name, service)
        hour_ago = time.time() - 3600  # runsvdir waits a second if its directory is as new as that
        os.utime(home / "service", (hour_ago, hour_ago))

    def command(self, home: Path, services: list[Service]) -> list[str]:
        """runsvdir DIR"""
        return [self.path(), str(home / "service")]
