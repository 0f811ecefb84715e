"""A supervisor that dies as soon as it is started, for as long as the file `sick` is in the site's directory.

It is started again without a pause.
"""

from __future__ import annotations

import os
import signal
from typing import Any


def guardian(_options: dict[str, Any]) -> None:
    from amonsup.supervisor import guardian as module

    module.MAX_DELAY_S = 0.0


def supervisor(options: dict[str, Any]) -> None:
    if os.path.exists(os.path.join(os.path.dirname(options["run_dir"]), "sick")):
        os.kill(os.getpid(), signal.SIGKILL)
