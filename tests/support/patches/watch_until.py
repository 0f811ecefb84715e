"""Watching only ends when the scenario says so (the file `enough` in the site's directory), not after half a minute."""

from __future__ import annotations

import os
from typing import Any


def supervisor(options: dict[str, Any]) -> None:
    from amonsup.supervisor import daemon

    enough = os.path.join(os.path.dirname(options["run_dir"]), "enough")
    end = daemon.Supervisor._end_watch_only

    def look(self: Any) -> None:
        if os.path.exists(enough):
            end(self)
        else:
            self.loop.call_at(self.now() + 0.02, lambda: look(self))

    daemon.WATCH_ONLY_S = 0.02
    daemon.Supervisor._end_watch_only = look
