"""Watching only ends when the scenario says so (the file `enough` in the site's directory), not after half a minute."""

from __future__ import annotations

import os
from typing import Any


def supervisor(options: dict[str, Any]) -> None:
    from amonsup.supervisor import taking_over

    enough = os.path.join(os.path.dirname(options["run_dir"]), "enough")
    end = taking_over.watched_long_enough

    def look(daemon: Any) -> None:
        if os.path.exists(enough):
            end(daemon)
        else:
            daemon.loop.call_at(daemon.now() + 0.02, lambda: look(daemon))

    taking_over.WATCH_ONLY_S = 0.02
    taking_over.watched_long_enough = look
