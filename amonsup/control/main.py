"""The control process: started by the supervisor, with one descriptor to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from typing import Any

from amonsup.control.link import LINK_FD, Supervisor
from amonsup.control.plane import Plane


def main(_options: dict[str, Any]) -> int:
    """Ends when the supervisor's link does, or by SIGTERM."""
    os.umask(0o077)
    os.set_inheritable(LINK_FD, False)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_run())
    return 0


async def _run() -> None:
    supervisor = Supervisor(socket.socket(fileno=LINK_FD))
    settings = await supervisor.settings()
    plane = Plane(supervisor, settings)
    running = asyncio.create_task(plane.run())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, supervisor.closed.set)
    await supervisor.closed.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
