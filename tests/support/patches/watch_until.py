"""Watching only ends when the scenario says so (the file `enough` in the site's directory), not after half a minute.

Successors come at once, unless there is a file `unhurried`.
"""

from __future__ import annotations

import os
from typing import Any


def guardian(options: dict[str, Any]) -> None:
    from amonsup.supervisor import guardian as module

    if not os.path.exists(os.path.join(os.path.dirname(options["run_dir"]), "unhurried")):
        module.MAX_DELAY_S = 0.0


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
