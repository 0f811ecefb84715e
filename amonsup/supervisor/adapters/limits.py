"""Limits that hold for a service as a whole: memory, processors, processes, by whichever version of cgroups has them.

Where version 2 offers a controller to our cgroup, the service's own cgroup there (scopes.py) gets the value. On a
hybrid machine a controller belongs to version 1: then a service that has a limit, and no other, gets a directory below
ours in that hierarchy too, and is put into it at birth. Getting there costs a crash some milliseconds (facts: a
migration waits for an RCU grace period), which is why nobody without a limit pays for it.

A value can be changed while the service runs. What the kernel refuses, or nobody here offers, is remembered in words:
the service runs all the same, `status` and `show` say what does not hold. What we made is on record in run_dir before
it is made, so a successor takes it back even if the configuration has changed since.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable

import msgspec

from amonsup.config.specs import ServiceSpec
from amonsup.loop import cgroups
from amonsup.supervisor.adapters import files, procfs, rights

PERIOD_US = 20_000
"""cpu.max is counted anew this often. A child that is born while its service has used up its share waits for the next
period, and we with it: hence shorter than the kernel's 100 ms."""

LEAST_QUOTA_US = 1000  # the kernel's
LONGEST_PERIOD_US = 1_000_000
MOVE_ROUNDS = 20

FILES = {
    "memory": ("memory.max", "memory.limit_in_bytes"),
    "cpu": ("cpu.max", "cpu.cfs_quota_us"),
    "pids": ("pids.max", "pids.max"),
    "cpuset": ("cpuset.cpus", "cpuset.cpus"),
}
"""Where a limit is written, by controller: version 2, version 1."""

KEYS = {"memory": "mem_limit", "cpu": "cpus", "pids": "pids_limit", "cpuset": "cpuset"}


class Noted(msgspec.Struct):
    """run_dir/limits: our directories of version 1 by controller, and who has (or had) a limit."""

    v1: dict[str, str] = {}
    names: set[str] = set()


class Limits:
    """The limits of all services. `base` holds their cgroups of version 2; '': there are none."""

    def __init__(self, run_dir: str, tag: str, base: str, ours: Iterable[int]) -> None:
        self._note_path = os.path.join(run_dir, "limits")
        self._base = base
        self._noted = _read_note(self._note_path)
        self._refused: dict[tuple[str, str], str] = {}
        self._limited: tuple[ServiceSpec, ...] = ()
        self._v2, self._why_not = _enable(base, ours) if base else (set(), "")
        for controller in FILES:
            if controller not in self._v2 and not os.path.isdir(self._noted.v1.get(controller, "")):
                self._noted.v1.pop(controller, None)
                own = cgroups.own_directory_v1(controller)
                if own is not None and os.access(own, os.W_OK):
                    self._noted.v1[controller] = os.path.join(own, f"amonsup-{tag}")
        before = set(self._noted.names)
        for directory in self._noted.v1.values():
            self._noted.names.update(_children(directory))
        if self._noted.names != before:
            self._write_note()

    # -- a service --

    def place(self, spec: ServiceSpec) -> tuple[str, ...]:
        """See that the limits hold for whoever is born next; which cgroup.procs of version 1 it has to enter."""
        name = spec.name
        if limits_of(spec) == NONE:
            if name in self._noted.names:
                self.remove(name)
            return ()
        self._take_note(name)
        return tuple(filter(None, [self._set(spec, controller) for controller in FILES]))

    def change(self, spec: ServiceSpec, members: Callable[[], list[int]]) -> None:
        """The limits of a service that may be running have changed, or nobody knows what a predecessor came to do."""
        if limits_of(spec) == NONE and spec.name not in self._noted.names:
            return
        self._take_note(spec.name)
        for controller in FILES:
            procs = self._set(spec, controller)
            if procs:
                _move(procs, members)
        if "cpuset" not in self._v2 and "cpuset" not in self._noted.v1:
            _set_affinity(rights.processors(spec.cpuset), members())

    def cpus_at_birth(self, spec: ServiceSpec) -> frozenset[int]:
        """The processors to begin on, where no cgroup sees to that."""
        if not spec.cpuset or "cpuset" in self._v2 or "cpuset" in self._noted.v1:
            return frozenset()
        return rights.processors(spec.cpuset)

    def remove(self, name: str) -> None:
        """The service is gone, or has no limits any more. What cannot be removed yet stays on record."""
        is_left = False
        for controller in FILES:
            self._refused.pop((name, controller), None)
            if controller in self._noted.v1:
                is_left |= not _remove(os.path.join(self._noted.v1[controller], name))
            elif controller in self._v2:
                with contextlib.suppress(OSError):
                    _write(os.path.join(self._base, name, FILES[controller][0]), _value(None, controller, 2))
        if not is_left and name in self._noted.names:
            self._noted.names.discard(name)
            self._write_note()

    def review(self, specs: Iterable[ServiceSpec]) -> None:
        """The services of the configuration in force are these."""
        self._limited = tuple(spec for spec in specs if limits_of(spec) != NONE)

    def keep_only(self, names: Iterable[str]) -> None:
        """After a start of ours: whatever an earlier daemon left of other services goes."""
        for name in self._noted.names.difference(names):
            self.remove(name)

    def close(self) -> None:
        """A full stop: nothing of ours stays in the hierarchies of version 1."""
        for name in list(self._noted.names):
            self.remove(name)
        for directory in self._noted.v1.values():
            _remove(directory)
        with contextlib.suppress(OSError):
            os.unlink(self._note_path)

    # -- what can be known --

    def directory(self, name: str, controller: str) -> str:
        """The cgroup whose files account for the service; '' if none does."""
        if controller in self._v2:
            return os.path.join(self._base, name)
        if name in self._noted.names and controller in self._noted.v1:
            return os.path.join(self._noted.v1[controller], name)
        return ""

    def oom_kills(self, name: str) -> int:
        """How many processes of the service the kernel has killed for want of memory, ever; 0 where nobody counts."""
        directory = self.directory(name, "memory")
        if not directory:
            return 0
        file = "memory.events" if "memory" in self._v2 else "memory.oom_control"
        for line in procfs.read(f"{directory}/{file}").splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
        return 0

    def unenforced(self, spec: ServiceSpec) -> list[str]:
        """What of the spec does not hold, and why."""
        found = []
        for controller, key in KEYS.items():
            refused = self._refused.get((spec.name, controller))
            if refused:
                found.append(f"{key} is not enforced: {refused}")
            elif _asked(spec, controller) is not None and not self._is_offered(controller) and controller != "cpuset":
                found.append(f"{key} is not enforced: {self._why_not or 'no cgroup controller ' + controller}")
        return found

    def warnings(self) -> list[str]:
        """The same of all services, each reason once."""
        found: dict[str, list[str]] = {}
        for spec in self._limited:
            for text in self.unenforced(spec):
                found.setdefault(text, []).append(spec.name)
        return [f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}: {text}" for text, names in found.items()]

    @property
    def versions(self) -> str:
        """For people: who limits what."""
        found = [f"{controller} v2" for controller in FILES if controller in self._v2]
        found += [f"{controller} v1" for controller in FILES if controller in self._noted.v1]
        return ", ".join(found) or "none"

    # -- inside --

    def _is_offered(self, controller: str) -> bool:
        return controller in self._v2 or controller in self._noted.v1

    def _set(self, spec: ServiceSpec, controller: str) -> str:
        """Write one limit; returns the cgroup.procs of version 1 that a process must enter for it, or ''."""
        asked, key = _asked(spec, controller), (spec.name, controller)
        self._refused.pop(key, None)
        version = 2 if controller in self._v2 else 1
        base = self._base if version == 2 else self._noted.v1.get(controller, "")
        directory = os.path.join(base, spec.name)
        # With its own share of processors, as version 2 gives to every cgroup, many processes weigh no more than one.
        is_wanted = asked is not None or (controller == "cpu" and version == 1 and limits_of(spec) != NONE)
        if not base or not (is_wanted or os.path.isdir(directory)):
            return ""
        try:
            if version == 1:
                _make_v1(directory, controller)
            elif not os.path.isdir(directory):
                cgroups.make(directory)
            file = os.path.join(directory, FILES[controller][2 - version])
            if controller == "cpu" and version == 1:
                _set_period_v1(directory, _period(asked))
            _write(file, _value(asked, controller, version))
        except OSError as error:
            self._refused[key] = f"{error.strerror}: {directory}"
        return os.path.join(directory, "cgroup.procs") if version == 1 and os.path.isdir(directory) else ""

    def _take_note(self, name: str) -> None:
        if name not in self._noted.names:
            self._noted.names.add(name)
            self._write_note()

    def _write_note(self) -> None:
        with contextlib.suppress(OSError):  # a full disk; what is in version 1 is found again by its place
            files.write_atomically(self._note_path, msgspec.json.encode(self._noted), is_durable=False)


def limits_of(spec: ServiceSpec) -> tuple[int, float, int, str]:
    """What of a spec concerns us."""
    return spec.mem_limit_bytes, spec.cpus, spec.pids_limit, spec.cpuset


NONE = (0, 0.0, 0, "")


def _asked(spec: ServiceSpec, controller: str) -> int | float | str | None:
    match controller:
        case "memory":
            return spec.mem_limit_bytes or None
        case "cpu":
            return spec.cpus or None
        case "pids":
            return spec.pids_limit or None
        case _:
            return spec.cpuset or None


def _value(asked: int | float | str | None, controller: str, version: int) -> str:
    """As the kernel's file takes it (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/)."""
    if controller == "cpu":
        quota = -1 if asked is None else max(LEAST_QUOTA_US, round(float(asked) * _period(asked)))
        if version == 1:
            return str(quota)
        return f"{'max' if quota < 0 else quota} {_period(asked)}"
    if controller == "cpuset":
        return str(asked) if asked else "\n" if version == 2 else _machine_cpus()
    if asked is None:
        return "-1" if controller == "memory" and version == 1 else "max"
    return str(asked)


def _period(asked: int | float | str | None) -> int:
    """Long enough that the share of it is not below what the kernel takes."""
    if asked is None:
        return PERIOD_US
    return min(LONGEST_PERIOD_US, max(PERIOD_US, round(LEAST_QUOTA_US / float(asked))))


def _machine_cpus() -> str:
    return procfs.read("/sys/devices/system/cpu/online").decode("ascii", "replace").strip()


def _make_v1(directory: str, controller: str) -> None:
    cgroups.make(directory)
    if controller != "cpuset":
        return
    # A new cgroup of this controller has no processor and no memory, and nobody can enter it (cpuset(7)).
    base = os.path.dirname(directory)
    for path in (base, directory):
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not procfs.read(os.path.join(path, file)).strip():
                above = procfs.read(os.path.join(os.path.dirname(path), file)).decode("ascii", "replace")
                _write(os.path.join(path, file), above.strip())


def _set_period_v1(directory: str, period_us: int) -> None:
    """The kernel wants period and quota to fit each other at every moment, so the quota is lifted meanwhile."""
    file = os.path.join(directory, "cpu.cfs_period_us")
    if procfs.read(file).strip() != b"%d" % period_us:
        _write(os.path.join(directory, "cpu.cfs_quota_us"), "-1")
        _write(file, str(period_us))


def _move(procs: str, members: Callable[[], list[int]]) -> None:
    """Bring everybody there; who is forked meanwhile by one not moved yet is found in the next round."""
    for _ in range(MOVE_ROUNDS):
        there = {int(word) for word in procfs.read(procs).split()}
        missing = [pid for pid in members() if pid not in there]
        if not missing:
            return
        for pid in missing:
            with contextlib.suppress(OSError):  # it has ended
                _write(procs, str(pid))


def _set_affinity(cpus: frozenset[int], members: list[int]) -> None:
    wanted = cpus or os.sched_getaffinity(0)
    for pid in members:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), wanted)


def _enable(base: str, ours: Iterable[int]) -> tuple[set[str], str]:
    """Have version 2 offer its controllers to the cgroups below `base`; those that it does, and why not more.

    A cgroup that hands controllers down may hold no processes itself, the root of all excepted. So if nobody but us is
    in the one above, we move to a leaf of our own.
    """
    above = os.path.dirname(base)
    wanted = cgroups.controllers(above).intersection(FILES)
    if not wanted:
        return set(), ""
    why = ""
    if not wanted <= cgroups.controllers(base):
        why = _hand_down(above, wanted)
        if why:
            inside = {int(word) for word in procfs.read(os.path.join(above, "cgroup.procs")).split()}
            if inside <= set(ours):
                why = _leave_for_leaf(base, inside) or _hand_down(above, wanted)
            else:
                why = f"other processes share the cgroup {above}: start amonsupd in one of its own (Delegate=yes)"
    wanted &= cgroups.controllers(base)
    if wanted:
        why = _hand_down(base, wanted) or why
    offered = set(procfs.read(os.path.join(base, "cgroup.subtree_control")).decode("ascii", "replace").split())
    return wanted & offered, why


def _hand_down(directory: str, wanted: Iterable[str]) -> str:
    """Empty, or what the kernel says."""
    why = ""
    for controller in sorted(wanted):
        try:
            _write(os.path.join(directory, "cgroup.subtree_control"), f"+{controller}")
        except OSError as error:
            why = f"{error.strerror}: {directory}/cgroup.subtree_control"
    return why


def _leave_for_leaf(base: str, pids: Iterable[int]) -> str:
    try:
        leaf = os.path.join(base, cgroups.OURS)
        cgroups.make(leaf)
        for pid in pids:
            _write(os.path.join(leaf, "cgroup.procs"), str(pid))
    except OSError as error:
        return f"{error.strerror}: {base}"
    return ""


def _read_note(path: str) -> Noted:
    try:
        return msgspec.json.decode(files.read(path) or b"{}", type=Noted)
    except (OSError, msgspec.MsgspecError):
        return Noted()  # made anew; what is in version 1 is found by its place


def _children(directory: str) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _remove(directory: str) -> bool:
    """Whether it is gone, with what the service may have made below it."""
    for path, _, _ in os.walk(directory, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)
    return not os.path.exists(directory)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
