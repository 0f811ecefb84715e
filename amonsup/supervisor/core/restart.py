"""When a service that ended is started again, and how soon.

Four questions, each a pure function: was the end a success, does the policy want another life, how long until then,
and is the start still within its limit. Vocabulary and arithmetic follow Compose (policies) and the Erlang/OTP
supervisor (intensity over a sliding window of monotonic stamps). Jitter comes from a hash of name and generation,
not from a random source, so a recorded history replays to the same delays.
"""

from __future__ import annotations

import zlib

from amonsup.config.specs import Backoff, RestartPolicy, ServiceSpec, ServiceType, StartLimit
from amonsup.supervisor.model.records import ExitReport


def is_success(spec: ServiceSpec, report: ExitReport) -> bool:
    """Whether the end counts as clean; an unknown status never does."""
    if report.signal is not None:
        return report.signal in spec.success_signals and not report.core and not report.oom
    return report.code is not None and report.code in spec.success_codes


def wants_another(spec: ServiceSpec, succeeded: bool) -> bool:
    """Whether the policy starts the service again after an end that nobody commanded.

    A oneshot that succeeded is done under every policy; one that failed is tried again unless the policy is `no`.
    """
    if spec.restart is RestartPolicy.NO:
        return False
    if spec.type is ServiceType.ONESHOT:
        return not succeeded
    return spec.restart is not RestartPolicy.ON_FAILURE or not succeeded


def delay_s(backoff: Backoff, attempt: int, seed: str) -> float:
    """Seconds before consecutive restart number `attempt` (0 is the first), jitter included, never above max."""
    if attempt <= 0:
        base = backoff.initial_s
    else:
        # The exponent is bounded: past 1000 doublings a float overflows long after the cap was reached.
        base = backoff.step_s * backoff.factor ** min(attempt - 1, 1000 if backoff.factor <= 2 else 100)
    base = min(base, backoff.max_s)
    if base <= 0:
        return 0.0
    share = zlib.crc32(seed.encode()) / 0xFFFFFFFF * 2 - 1  # -1 … 1
    return max(0.0, min(base * (1 + backoff.jitter * share), backoff.max_s))


def recent(starts: tuple[float, ...], limit: StartLimit, now: float) -> tuple[float, ...]:
    """The starts that still count at `now`."""
    return tuple(at for at in starts if now - at < limit.within_s)


def is_exhausted(starts: tuple[float, ...], limit: StartLimit | None, now: float) -> bool:
    """Whether one more start would exceed the limit."""
    return limit is not None and len(recent(starts, limit, now)) >= limit.count
