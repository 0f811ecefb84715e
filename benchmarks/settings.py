"""How much is measured, and the targets. The one place to change either."""

from __future__ import annotations

import os
from dataclasses import dataclass

from report import Target

TARGETS: dict[str, tuple[Target, ...]] = {
    "crash": (Target("ratio", 1.6),),
    "crash_user": (Target("ratio", 2.0),),
    "bomb": (Target("ratio", 2.0),),  # of the same in peace
    "cold": (Target("median", 600.0),),
    "cold_applied": (Target("median", 600.0),),
    "memory_10": (Target("median", 25.0),),
    "memory_1000": (Target("median", 30.0),),  # 5 more than with 10
    "idle": (Target("median", 0.0),),
    "logs_follow": (Target("median", 10.0), Target("worst", 50.0)),
    "logs_idle": (Target("median", 0.0),),
    "logs_grep": (Target("ratio", 2.0),),
    "status": (Target("ratio", 0.6),),
    "logs_time:amonsup": (Target("ratio", 1.0),),
    "logs_cpu:amonsup": (Target("ratio", 0.2),),
    "logs_cpu:amonsup, one watch rule": (Target("ratio", 0.6),),
    "xmpp_memory": (Target("median", 60.0),),
    "successor": (Target("median", 300.0), Target("worst", 1000.0)),
}


@dataclass(frozen=True)
class Settings:
    """Counts of samples and services. Quick ones only show that everything works."""

    samples: int = 20
    cold_runs: int = 5
    cold_services: int = 200
    memory_runs: int = 1
    memory_services: tuple[int, ...] = (10, 200, 1000)
    idle_services: int = 200
    idle_seconds: float = 10.0
    status_services: tuple[int, ...] = (10, 200, 1000)
    follow_lines: int = 200
    grep_bytes: int = 1 << 30
    grep_runs: int = 3
    successor_kills: int = 50
    successor_services: int = 200
    successor_gap: float = 7.5  # five deaths within 30 s make the guardian careful: that is not what is measured
    log_lines: int = 5_000_000
    use_shell: bool = False
    only: tuple[str, ...] = ()  # peers to measure; empty: all

    @property
    def is_root(self) -> bool:
        """Whether users and cgroups are to be had."""
        return os.geteuid() == 0


QUICK = Settings(
    samples=3,
    cold_runs=2,
    cold_services=20,
    memory_services=(5, 20),
    idle_services=20,
    idle_seconds=2.0,
    status_services=(5,),
    follow_lines=20,
    grep_bytes=150 << 20,
    grep_runs=1,
    successor_kills=2,
    successor_services=20,
    log_lines=100_000,
)
