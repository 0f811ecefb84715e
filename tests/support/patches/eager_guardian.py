"""A guardian that starts a successor at once, however many have died, and never lets it only watch."""

from __future__ import annotations

from typing import Any


def guardian(_options: dict[str, Any]) -> None:
    from amonsup.supervisor import guardian as module

    module.WATCH_ONLY_AFTER = 1_000_000
    module.MAX_DELAY_S = 0.0
