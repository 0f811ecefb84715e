"""Nobody waits for seconds: what failed is tried again at once, what comes too often soon, a successor starts at once.

The lengths themselves are told by unit tests; a scenario that uses this asserts nothing about them.
"""

from __future__ import annotations

from typing import Any


def guardian(_options: dict[str, Any]) -> None:
    from amonsup.supervisor import guardian as module

    module.WATCH_ONLY_AFTER = 1_000_000
    module.MAX_DELAY_S = 0.0


def supervisor(_options: dict[str, Any]) -> None:
    from amonsup.supervisor import daemon, record
    from amonsup.supervisor.core import ascent

    daemon.DISK_RETRY_S = record.RETRY_S = ascent.TRANSIENT_RETRY_S = 0.1


def logger(_options: dict[str, Any]) -> None:
    from amonsup.logs import packing, stream, tails, trouble, watching

    packing.RETRY_S = stream.RETRY_S = tails.ASK_S = trouble.RETRY_S = watching.BURST_S = 0.1
