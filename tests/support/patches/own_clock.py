"""Supervisor and logger with a wall clock of ours: ahead by the seconds in the file `clock`.

The machine's clock is not touched. `clock.set` is a FIFO: a byte in it stands for what the kernel would say.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any


def logger(options: dict[str, Any]) -> None:
    time.time = _shifted(os.path.dirname(options["log_dir"]))


def supervisor(options: dict[str, Any]) -> None:
    from amonsup.supervisor.adapters import clock

    site = os.path.dirname(options["run_dir"])

    def on_set(loop: Any, then: Callable[[], None]) -> bool:
        fd = os.open(os.path.join(site, "clock.set"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

        def heard(_mask: int) -> None:
            os.read(fd, 4096)
            then()

        loop.watch(fd, heard)
        return True

    time.time = _shifted(site)
    clock.on_set = on_set


def _shifted(site: str) -> Callable[[], float]:
    real = time.time

    def shifted() -> float:
        try:
            with open(os.path.join(site, "clock")) as file:
                return real() + float(file.read() or 0)
        except FileNotFoundError:
            return real()

    return shifted
