"""A machine on which no cgroup can be made: services are held together by the marker, as root too."""

from __future__ import annotations

from typing import Any


def supervisor(_options: dict[str, Any]) -> None:
    from amonsup.supervisor.adapters import scopes

    scopes.cgroup_base = lambda _run_dir: None
