"""A control that looks at its rooms every second, where it otherwise waits for minutes."""

from __future__ import annotations

from typing import Any


def control(_options: dict[str, Any]) -> None:
    from amonsup.control.doors import rooms

    rooms.AGAIN_S = rooms.PING_S = 1.0
