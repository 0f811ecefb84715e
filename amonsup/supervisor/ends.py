"""How a life ended, in facts and in words."""

from __future__ import annotations

import os
import signal as signals

from amonsup.supervisor.adapters.watch import Ended
from amonsup.supervisor.model.records import ExitReport


def exit_report(
    generation: int, pid: int, now: float, born: float, ended: Ended, max_rss_bytes: int, oom: bool
) -> ExitReport:
    """The facts of an end, with the words for them."""
    code = signum = None
    core = False
    if ended.status is None:
        reason = "ended, nobody could find out how"
    elif os.WIFSIGNALED(ended.status):
        signum, core = os.WTERMSIG(ended.status), os.WCOREDUMP(ended.status)
        reason = f"killed by {signal_name(signum)}" + (", core dumped" if core else "")
        if oom and signum == signals.SIGKILL:
            reason = "out of memory (killed by SIGKILL)"
    else:
        code = os.WEXITSTATUS(ended.status)
        reason = f"exit {code}"
    return ExitReport(
        generation=generation,
        reason=reason,
        at=now,
        code=code,
        signal=signum,
        core=core,
        pid=pid,
        uptime_s=max(0.0, now - born),
        cpu_s=round(ended.cpu_s, 3),
        max_rss_bytes=max_rss_bytes,
        oom=oom and signum == signals.SIGKILL,
    )


_SIGNAL_NAMES = {int(member): member.name for member in signals.Signals}


def signal_name(number: int) -> str:
    return _SIGNAL_NAMES.get(number) or f"signal {number}"
