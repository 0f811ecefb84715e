"""Short-lived processes of ours whose output is wanted: the configuration parser, and the trial of an upgrade.

The output goes into a memory file, so nothing has to be read while the child runs, and the supervisor never waits.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

from amonsup import boot
from amonsup.loop.kernel import start_ticks
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import spawn
from amonsup.supervisor.adapters.watch import Ended, Watch

DEADLINE_S = 60.0
MAX_OUTPUT = 64 * 1024 * 1024


def run(loop: Loop, watch: Watch, role: str, options: Mapping[str, object], then: Callable[[int, bytes], None]) -> None:
    """Run boot.py in `role`; `then(exit code or -1, stdout)` is called from the loop, later.

    With the code -1 the output says what went wrong. A helper that hangs is killed after DEADLINE_S.
    """
    try:
        output = os.memfd_create("amonsup-helper", os.MFD_CLOEXEC)
        null = os.dup(output)  # nothing is in it to be read either
    except OSError as error:
        text = f"no descriptors: {error.strerror}".encode()
        loop.call_soon(lambda: then(-1, text))
        return
    birth = spawn.Birth(
        argv=tuple(boot.command_line(role, dict(options))),
        environment=tuple(os.environ.items()),
        working_dir="/",
        stdin_fd=null,
        stdout_fd=output,
        stderr_fd=2,
    )
    born = spawn.spawn(birth)
    os.close(null)
    if isinstance(born, spawn.SpawnFailure):
        os.close(output)
        failure = born.text.encode()
        loop.call_soon(lambda: then(-1, failure))
        return
    ticks = start_ticks(born.pid)

    def give_up() -> None:
        watch.signal(born.pid, ticks, signal.SIGKILL)

    deadline = loop.call_at(loop.now() + DEADLINE_S, give_up)

    def ended(end: Ended) -> None:
        deadline.cancel()
        raw = os.pread(output, MAX_OUTPUT, 0)
        os.close(output)
        code = -1 if end.status is None else os.waitstatus_to_exitcode(end.status)
        then(code, raw)

    watch.own(born.pid, born.pidfd, ticks, ended)
