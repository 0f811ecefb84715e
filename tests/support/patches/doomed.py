"""A supervisor that is killed at a place of its own code: wherever the file `doom` in the site's directory says.

The file holds `POINT before|after COUNT`: at the COUNT-th time that the point is passed, from when the file is seen,
the supervisor kills itself (-9), and the file is gone, so its successor lives. A service that was born already goes on
meanwhile. The file `doomed` says that it happened.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

_directory = ""


def guardian(_options: dict[str, Any]) -> None:
    from amonsup.supervisor import guardian as module

    module.WATCH_ONLY_AFTER = 1_000_000
    module.MAX_DELAY_S = 0.0


def supervisor(options: dict[str, Any]) -> None:
    global _directory
    _directory = os.path.dirname(options["run_dir"])

    from amonsup.supervisor.adapters import applied, spawn, spawn_python
    from amonsup.supervisor.adapters.chronicle import Chronicle
    from amonsup.supervisor.adapters.journal import Journal
    from amonsup.supervisor.adapters.outputs import Outputs
    from amonsup.supervisor.adapters.watch import Watch
    from amonsup.supervisor.errands import Errands
    from amonsup.supervisor.lives import Lives
    from amonsup.supervisor.requests import Requests

    _doom(Journal, "append", "record")
    _doom(Chronicle, "append", "chronicle")
    _doom(Outputs, "make", "fifo")
    _doom(Outputs, "over", "over")
    _doom(Lives, "spawn", "order")
    _doom(Lives, "signal", "signal")
    _doom(Lives, "sweep", "sweep")
    _doom(Lives, "kill", "kill")
    _doom(Errands, "_ended", "errand-ended")
    _doom(Lives, "_spawned", "spawned")
    _doom(Errands, "_try_start", "errand")
    _doom(Errands, "_report", "errand-end")
    _doom(Watch, "own", "watch")
    _doom(Requests, "recorded", "accepted")
    _doom(Requests, "finished", "finished")
    _doom(spawn, "spawn_readied", "spawn")
    _doom(applied, "write", "applied")
    _in_child(spawn, spawn_python)


def _doom(owner: Any, name: str, point: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def passed(*args: Any, **kwargs: Any) -> Any:
        _meet(point, "before")
        result = original(*args, **kwargs)
        _meet(point, "after")
        return result

    setattr(owner, name, passed)


def _in_child(spawn: Any, spawn_python: Any) -> None:
    """`fork stuck`: the supervisor dies while its child hangs before exec. `fork lost`: the child dies with it."""
    original = spawn_python._become
    by_python = spawn_python.spawn

    def become(*args: Any) -> None:
        if _is_due("fork", "stuck"):
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
        if _is_due("fork", "lost"):
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        original(*args)

    spawn_python._become = become
    if os.path.exists(f"{_directory}/spawn_in_python"):
        spawn.KIND = "python"
        spawn.IMPLEMENTATIONS["python"] = by_python


def _meet(point: str, when: str) -> None:
    if _is_due(point, when):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_due(point: str, when: str) -> bool:
    path = f"{_directory}/doom"
    try:
        with open(path) as file:
            wanted_point, wanted_when, count = file.read().split()
    except FileNotFoundError:
        return False
    if (point, when) != (wanted_point, wanted_when):
        return False
    if int(count) > 1:
        with open(path + ".new", "w") as file:
            file.write(f"{point} {when} {int(count) - 1}")
        os.rename(path + ".new", path)
        return False
    os.rename(path, f"{_directory}/doomed")
    return True
