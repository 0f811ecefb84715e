"""How states become the rows and words of answers; used by status, show and tree."""

from __future__ import annotations

import os
import time

from amonsup.loop.kernel import start_ticks
from amonsup.supervisor.adapters import procfs
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.ends import signal_name
from amonsup.supervisor.handlers.desk import Desk, OwnProcess
from amonsup.supervisor.model.phases import PUBLIC, Phase
from amonsup.supervisor.model.records import ExitReport, ServiceState
from amonsup.verbs.results import ExitRow, StatusRow

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def exit_row(desk: Desk, report: ExitReport) -> ExitRow:
    return ExitRow(
        code=report.code,
        signal=None if report.signal is None else signal_name(report.signal),
        core=report.core,
        reason=report.reason,
        at=desk.wall(report.at),
        generation=report.generation,
        pid=report.pid,
        uptime_s=round(report.uptime_s, 3),
        cpu_s=report.cpu_s,
        max_rss_bytes=report.max_rss_bytes,
        oom=report.oom,
        by=report.by,
        strays=tuple(f"{stray.pid} {stray.command}" for stray in report.strays),
    )


def status_row(desk: Desk, fleet: Fleet, state: ServiceState) -> StatusRow:
    now, spec = desk.now(), fleet.specs[state.name]
    is_alive = state.pid > 0
    uptime = now - state.born if is_alive else None
    cpu_s, memory = usage(state.pid) if is_alive else (None, None)
    return StatusRow(
        name=state.name,
        state=PUBLIC[state.phase].value,
        pid=state.pid or None,
        uptime_s=None if uptime is None else round(uptime, 3),
        restarts=state.restarts,
        since=desk.wall(state.since) if state.since else None,
        exit=exit_row(desk, state.exits[-1]) if state.exits else None,
        desired=state.desired.value,
        why=state.why,
        status=state.status_text,
        description=spec.description,
        tags=spec.tags,
        generation=state.generation,
        cpu_percent=None if cpu_s is None or not uptime else round(100 * cpu_s / uptime, 1),
        memory_bytes=memory,
        retry_s=round(max(0.0, state.timer_at - now), 3) if state.phase is Phase.BACKOFF else None,
        waiting_for=state.waiting_for,
    )


def own_row(desk: Desk, process: OwnProcess) -> StatusRow:
    """A row like a service's for one of our own processes; it answers, so it is running."""
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks(process.pid) / _TICKS
    cpu_s, memory = usage(process.pid)
    return StatusRow(
        name=process.name,
        state="running",
        pid=process.pid,
        uptime_s=round(max(0.0, uptime), 3),
        restarts=process.restarts,
        since=desk.wall(desk.now() - uptime),
        exit=None,
        desired="up",
        description=process.description,
        cpu_percent=None if cpu_s is None else round(100 * cpu_s / max(uptime, 0.01), 1),
        memory_bytes=memory,
    )


def usage(pid: int) -> tuple[float | None, int | None]:
    """CPU seconds and resident bytes of one process (proc_pid_stat(5)), or nothing if it is gone."""
    fields = procfs.stat_fields(pid)
    if len(fields) < 22:
        return None, None
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE
