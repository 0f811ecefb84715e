"""A supervisor that dies as soon as it is started, for as long as the file `sick` is in the site's directory."""

from __future__ import annotations

import os
import signal
from typing import Any


def supervisor(options: dict[str, Any]) -> None:
    if os.path.exists(os.path.join(os.path.dirname(options["run_dir"]), "sick")):
        os.kill(os.getpid(), signal.SIGKILL)
