"""Our own processes as services: the same engine looks after them, in a fleet of their own.

There is the logger (how it is talked to: logger_link.py), the prober where a check goes over the network
(prober_link.py), and control where there is XMPP (control_link.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from amonsup import boot
from amonsup.config.specs import Backoff, ServiceSpec, SiteSpec
from amonsup.supervisor.model.records import Operation, Task

LOGGER = "logger"
PROBER = "prober"


def needs_prober(services: Iterable[ServiceSpec]) -> bool:
    return any(s.healthcheck is not None and (s.healthcheck.http or s.healthcheck.tcp) for s in services)


def logger_spec(site: SiteSpec) -> ServiceSpec:
    """Always back at once; a logger that cannot live comes back once a second."""
    return ServiceSpec(
        name=LOGGER,
        description="writes what services say into their logs",
        command=tuple(boot.command_line("logger", {"log_dir": site.log_dir, "run_dir": site.run_dir})),
        user=site.log_user,
        min_uptime_s=0.0,
        backoff=_BACKOFF,
        stop_grace_period_s=5.0,
    )


def prober_spec(site: SiteSpec) -> ServiceSpec:
    return ServiceSpec(
        name=PROBER,
        description="checks over http and tcp whether services are healthy",
        command=tuple(boot.command_line("prober", {})),
        user=site.user,
        min_uptime_s=0.0,
        backoff=_BACKOFF,
        stop_grace_period_s=1.0,
    )


_BACKOFF = Backoff(initial_s=0.0, step_s=0.1, max_s=1.0, jitter=0.0, reset_after_s=5.0)


BOOT, SHUTDOWN, APPLY = "boot", "shutdown", "apply"
NOBODY = (BOOT, SHUTDOWN, APPLY)
"""Who is behind what no person commanded directly; the apply itself is on record as somebody's."""


def operation(verb: str, names: list[str], now: float, by: str, *, forget: bool = False) -> Operation:
    """A command to our own processes."""
    task = Task(operation="household", verb=verb, by=by, forget=forget)
    tasks = dict.fromkeys(names, task)
    return Operation(id="household", verb=verb, by=task.by, accepted=now, targets=tuple(names), tasks=tasks)


def start_operation(operation_id: str, names: list[str], now: float) -> Operation:
    """What a boot starts by itself."""
    task = Task(operation=operation_id, verb="start", by=BOOT)
    tasks = dict.fromkeys(names, task)
    return Operation(id=operation_id, verb="start", by=BOOT, accepted=now, targets=tuple(names), tasks=tasks)
