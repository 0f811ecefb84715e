"""What a service asks of the kernel, against what this machine and this user can give: warnings of a check.

A limit by cgroup that cannot be had keeps nobody from running, so it is a warning, and `status` says so again. What
belongs to the birth of a process (a priority, a resource limit) makes the start fail when the kernel refuses it; only
the daemon knows for sure, so that is a warning too. Capabilities of a daemon that has none are a mistake.
"""

from __future__ import annotations

import os
import resource

from amonsup.config import secret_files, units
from amonsup.config.errors import shown
from amonsup.config.services import Draft, listed_node
from amonsup.config.specs import ServiceSpec
from amonsup.loop import cgroups

LIMITS = {"mem_limit": "memory", "cpus": "cpu", "pids_limit": "pids"}
"""Keys whose limit only a cgroup can hold, and the controller for it; `cpuset` works without."""

FIELDS = {"mem_limit": "mem_limit_bytes"}


class Offers:
    """This machine, asked once each. `euid` is the daemon's."""

    def __init__(self, euid: int) -> None:
        self.euid = euid
        self.is_us = euid == os.geteuid()
        self._known: dict[str, bool] = {}
        self.cpus = _possible_cpus()

    def has(self, controller: str) -> bool:
        """Whether a daemon started from here could limit by it. Of another user than us nothing is known: True."""
        if controller not in self._known:
            self._known[controller] = not self.is_us or _can_use(controller)
        return self._known[controller]


def check(draft: Draft, offers: Offers) -> None:
    """What one service asks for."""
    spec = draft.spec
    for key, controller in LIMITS.items():
        if getattr(spec, FIELDS.get(key, key)) and not offers.has(controller):
            says = f"will not be enforced: no cgroup controller {controller!r} that amonsupd may use here"
            draft.warn(key, says)
    if spec.cpuset and offers.cpus and min(units.parse_processors(spec.cpuset)) > offers.cpus:
        draft.warn("cpuset", f"this machine has only processors 0-{offers.cpus}: the start will fail")
    if any(name == "msgqueue" for name, _, _ in spec.ulimits):
        draft.warn("ulimits", "msgqueue is overruled where no cgroup can be made: it marks a service's processes then")
    _check_secrets(draft, offers)
    if offers.euid != 0:
        _check_plain_user(draft, spec)


def _check_secrets(draft: Draft, offers: Offers) -> None:
    """That a source may not be used is a mistake; that it is not there (yet) is not."""
    for name, source in draft.spec.secrets:
        at = listed_node(draft.body, "secrets", name)
        try:
            reason = secret_files.distrust(os.stat(source), offers.euid)
        except (OSError, ValueError) as wrong:
            draft.warn("secrets", f"{name}: {shown(source)}: {getattr(wrong, 'strerror', None) or wrong}", at)
            continue
        if reason:
            draft.report("secrets", f"{name}: {shown(source)} {reason}", at=at)


def _check_plain_user(draft: Draft, spec: ServiceSpec) -> None:
    for key in ("cap_drop", "cap_add"):
        if key in draft.body.entries:
            draft.report(key, "only root can change the capabilities of a service")
    if spec.nice is not None and spec.nice < 0:
        draft.warn("nice", "as a rule only root can go below 0: the start will fail")
    if spec.ionice.startswith("realtime"):
        draft.warn("ionice", "only root can have realtime: the start will fail")
    if spec.oom_score_adj is not None and spec.oom_score_adj < 0:
        draft.warn("oom_score_adj", "only root can go below what we have ourselves: the start will fail")
    for name, _, hard in spec.ulimits:
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        ours = resource.RLIM_INFINITY if number is None else resource.getrlimit(number)[1]
        if ours != resource.RLIM_INFINITY and (hard == -1 or hard > ours):
            draft.warn("ulimits", f"{name}: only root can go above the hard limit, here {ours}: the start will fail")


def _can_use(controller: str) -> bool:
    own = cgroups.own_directory()
    if own is not None:
        above = cgroups.above_us(own)
        if controller in cgroups.controllers(above) and os.access(above, os.W_OK):
            return True
    v1 = cgroups.own_directory_v1(controller)
    return v1 is not None and os.access(v1, os.W_OK)


def _possible_cpus() -> int:
    """The highest number a processor of this machine can have; 0 if nobody says."""
    try:
        with open("/sys/devices/system/cpu/possible", encoding="ascii") as file:
            return max(units.parse_processors(file.read().strip()))
    except (OSError, ValueError):
        return 0
