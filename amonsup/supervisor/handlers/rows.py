"""How states become the rows and words of answers; used by status, show and tree."""

from __future__ import annotations

import os
import time

from amonsup.config.specs import ServiceSpec
from amonsup.loop.kernel import start_ticks
from amonsup.supervisor.adapters.usage import of_process
from amonsup.supervisor.adapters.wishes import Mute
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.core.restart import is_success
from amonsup.supervisor.ends import signal_name
from amonsup.supervisor.handlers.desk import Desk, OwnProcess
from amonsup.supervisor.model.phases import Phase, public
from amonsup.supervisor.model.records import ExitReport, ServiceState
from amonsup.supervisor.tidings import rfc3339
from amonsup.verbs.results import ExitRow, HealthRow, StatusRow

_TICKS = os.sysconf("SC_CLK_TCK")


def exit_row(desk: Desk, spec: ServiceSpec, report: ExitReport) -> ExitRow:
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
        began=desk.wall(report.at - report.uptime_s) if report.pid else None,
        ok=is_success(spec, report),
    )


def status_row(desk: Desk, fleet: Fleet, state: ServiceState, *, is_full: bool = False) -> StatusRow:
    """`is_full`: with what takes a look at each process of the service."""
    now, spec, hold = desk.now(), fleet.specs[state.name], state.hold
    mute = _mute(desk, state.name) if fleet is desk.fleet else None
    is_alive = state.pid > 0
    uptime = now - state.born if is_alive else None
    used = desk.lives.usage.brief(state.name, state.generation, state.pid, uptime or 0.0, now) if is_alive else None
    full = desk.lives.usage.full(state.name, state.pid) if used and is_full else None
    return StatusRow(
        name=state.name,
        state=public(state.phase, state.health).value,
        pid=state.pid or None,
        uptime_s=None if uptime is None else round(uptime, 3),
        restarts=state.restarts,
        since=desk.wall(state.since) if state.since else None,
        exit=exit_row(desk, spec, state.exits[-1]) if state.exits else None,
        desired=state.desired.value,
        why=f"unhealthy: {state.verdict}" if state.health == "unhealthy" else state.why,
        status=state.status_text,
        description=spec.description,
        tags=spec.tags,
        generation=state.generation,
        cpu_percent=None if used is None else round(used[0], 1),
        memory_bytes=None if used is None else used[1],
        retry_s=round(max(0.0, state.timer_at - now), 3) if state.phase is Phase.BACKOFF else None,
        waiting_for=state.waiting_for,
        tasks=None if full is None else full.tasks,
        io_read_bytes=None if full is None else full.io_read_bytes,
        io_write_bytes=None if full is None else full.io_write_bytes,
        open_files=None if full is None else full.open_files,
        enabled=desk.is_enabled(spec) if fleet is desk.fleet else None,
        held_by=hold.by if hold else "",
        held_until=rfc3339(hold.until) if hold else None,
        held_why=hold.why if hold else "",
        next_run=rfc3339(state.due) if state.due else None,
        skipped=state.skipped,
        missed=state.missed,
        health=state.health,
        muted_until=rfc3339(mute.until) if mute else None,
        muted_by=mute.by if mute else "",
        muted_why=mute.why if mute else "",
    )


def health_row(desk: Desk, spec: ServiceSpec, state: ServiceState) -> HealthRow | None:
    """None: nothing is checked just now."""
    check = spec.healthcheck
    if check is None or not state.health:
        return None
    due = [deadline.at for deadline in state.deadlines if deadline.kind == "health"]
    return HealthRow(
        state=state.health,
        failures=state.failures,
        at=desk.wall(state.checked) if state.checked else None,
        output=state.verdict,
        next_s=round(max(0.0, due[0] - desk.now()), 3) if due else None,
        check=check.http or check.tcp or check.shell or " ".join(check.test),
    )


def _mute(desk: Desk, name: str) -> Mute | None:
    """The mute that is in force."""
    mute = desk.wish(name).mute
    return mute if mute is not None and mute.until > desk.clock() else None


def own_row(desk: Desk, process: OwnProcess) -> StatusRow:
    """A row like a service's for one of our own processes; it answers, so it is running."""
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks(process.pid) / _TICKS
    cpu_s, memory = of_process(process.pid)
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
