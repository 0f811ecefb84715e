"""Our own processes as services: the same engine looks after them, in a fleet of their own.

So far there is the logger (control and prober will join it); how it is talked to: logger_link.py.
"""

from __future__ import annotations

from amonsup import boot
from amonsup.config.specs import Backoff, ServiceSpec, SiteSpec

LOGGER = "logger"


def logger_spec(site: SiteSpec) -> ServiceSpec:
    """Always back at once; a logger that cannot live comes back once a second."""
    return ServiceSpec(
        name=LOGGER,
        description="writes what services say into their logs",
        command=tuple(boot.command_line("logger", {"log_dir": site.log_dir, "run_dir": site.run_dir})),
        user=site.log_user,
        min_uptime_s=0.0,
        backoff=Backoff(initial_s=0.0, step_s=0.1, max_s=1.0, jitter=0.0, reset_after_s=5.0),
        stop_grace_period_s=5.0,
    )
