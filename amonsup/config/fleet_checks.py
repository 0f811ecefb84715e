"""What can only be seen with all services side by side, and what several keys of one service say together.

Errors are what cannot work: two services of one name, a dependency that nobody is, a cycle, a user who does
not exist. Warnings are what does not work now but may by the time it is needed: a program or a directory
that is not there yet.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from collections.abc import Mapping as AbstractMapping

import msgspec

from amonsup.config import enforceable, instances, own_processes
from amonsup.config.accounts import group_exists, user_exists
from amonsup.config.errors import ConfigError, shown
from amonsup.config.services import Draft, listed_node
from amonsup.config.specs import Condition, ServiceType
from amonsup.config.strict_yaml import Mapping, Node, Sequence
from amonsup.config.units import is_name

RESERVED = frozenset({"all"}) | own_processes.NAMES
SUN_PATH = 107  # sockaddr_un.sun_path holds 108 bytes, one of them the final NUL
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


PROGRAMS = {
    "command": "command",
    "preflight": "preflight",
    "reload": "reload_command",
    **{hook: hook for hook in ("pre_start", "post_start", "pre_stop", "post_stop")},
}
"""Keys that name a program, with their fields."""


class Ground(msgspec.Struct, frozen=True):
    """What the services are checked against. `is_whole`: no other file can hold more services."""

    environ: AbstractMapping[str, str]
    euid: int
    run_dir: str
    is_whole: bool = True


def check(drafts: list[Draft], ground: Ground) -> None:
    """All checks; mistakes and warnings go to the findings of each draft's own file."""
    by_name = _unique(drafts)
    offers = enforceable.Offers(ground.euid)
    for draft in drafts:
        _check_name(draft, by_name, ground)
        _check_type(draft)
        _check_accounts(draft, ground)
        enforceable.check(draft, offers)
        _check_dependencies(draft, by_name, ground)
    _check_cycles(by_name)
    _check_totals(drafts)
    _warn_of_absences(drafts, ground)


def _unique(drafts: list[Draft]) -> dict[str, Draft]:
    by_name: dict[str, Draft] = {}
    for draft in drafts:
        first = by_name.setdefault(draft.name, draft)
        if first is not draft:
            where = f"{first.scope.file}:{first.place.line}:{first.place.column}"
            draft.report("", f"there is a service of this name already, at {where}", at=draft.place)
    return by_name


def _check_name(draft: Draft, by_name: dict[str, Draft], ground: Ground) -> None:
    if draft.name in RESERVED:
        draft.report("", "this name is reserved", f"any name but {', '.join(sorted(RESERVED))}", at=draft.place)
    longest = draft.name
    if draft.spec.scale is not None:
        _check_instances(draft, by_name)
        longest = f"{draft.name}-{draft.spec.scale or 1}"
        if not is_name(longest) and is_name(draft.name):
            draft.report("scale", f"the name of the instance {shown(longest)} is too long", "at most 63 characters")
    if ground.run_dir:
        socket = f"{ground.run_dir}/notify/{longest}/sock"
        excess = len(os.fsencode(socket)) - SUN_PATH
        if excess > 0:
            says = f"the name is {excess} bytes too long: {shown(socket)} must fit in {SUN_PATH} bytes"
            draft.report("", says, at=draft.place)


def _check_instances(draft: Draft, by_name: dict[str, Draft]) -> None:
    for number in range(1, (draft.spec.scale or 0) + 1):
        instance = f"{draft.name}-{number}"
        if instance in by_name:
            draft.report("scale", f"the instance {instance} has the name of another service")


def _check_totals(drafts: list[Draft]) -> None:
    """More than can be: said at the service that has the most."""
    scaled = [draft for draft in drafts if draft.spec.scale]
    says = instances.too_many([draft.spec for draft in drafts], {}) if scaled else ""
    if says:
        max(scaled, key=lambda draft: draft.spec.scale or 0).report("scale", says)


def _check_type(draft: Draft) -> None:
    spec, keys = draft.spec, draft.body.entries
    kind = spec.type
    if spec.watchdog_s and kind is not ServiceType.NOTIFY:
        draft.report("watchdog", "needs 'type: notify': only such services send WATCHDOG=1")
    if spec.schedule and kind is not ServiceType.ONESHOT:
        draft.report("schedule", "needs 'type: oneshot'")
    if spec.pid_file and kind is not ServiceType.FORKING:
        draft.report("pid_file", "needs 'type: forking'")
    if kind is ServiceType.ONESHOT and "healthcheck" in keys:
        draft.report("healthcheck", "a oneshot is over before its health could be checked")
    if spec.schedule and "start_timeout" not in keys:
        says = f"a run is ended after {spec.start_timeout_s:g} s (start_timeout): say how long it may take"
        _warn(draft, draft.body.get("schedule"), "schedule", says)
    for key in ("time_zone", "catch_up"):
        if key in keys and "schedule" not in keys:
            draft.report(key, "says nothing without 'schedule'")


def _check_accounts(draft: Draft, ground: Ground) -> None:
    spec = draft.spec
    if ground.euid != 0:
        for key in ("user", "group", "supplementary_groups"):
            if key in draft.body.entries:
                draft.report(key, "only root can run a service as somebody else")
        return
    if spec.user and not user_exists(spec.user):
        draft.report("user", f"there is no user {shown(spec.user)}")
    if spec.group and not group_exists(spec.group):
        draft.report("group", f"there is no group {shown(spec.group)}")
    for group in spec.supplementary_groups:
        if not group_exists(group):
            at = listed_node(draft.body, "supplementary_groups", group)
            draft.report("supplementary_groups", f"there is no group {shown(group)}", at=at)


def _check_dependencies(draft: Draft, by_name: dict[str, Draft], ground: Ground) -> None:
    for dependency in draft.spec.depends_on:
        at = listed_node(draft.body, "depends_on", dependency.name)
        other = by_name.get(dependency.name)
        if other is None:
            _unknown_dependency(draft, dependency.name, at, by_name, ground)
        elif dependency.condition is Condition.COMPLETED and other.spec.type is not ServiceType.ONESHOT:
            says = f"service_completed_successfully never comes: {other.name} is not of type oneshot"
            draft.report("depends_on", says, at=at)
        elif dependency.condition is Condition.HEALTHY and other.spec.type is ServiceType.ONESHOT:
            says = f"service_healthy never comes: {other.name} is of type oneshot"
            draft.report("depends_on", says, "service_completed_successfully", at=at)
        elif dependency.condition is Condition.HEALTHY and other.spec.healthcheck is None:
            says = f"{other.name} has no healthcheck: it counts as healthy once it is running"
            _warn(draft, at, "depends_on", says)


def _unknown_dependency(draft: Draft, name: str, at: Node | None, by_name: dict[str, Draft], ground: Ground) -> None:
    says = f"there is no service {shown(name)}"
    template, _, number = name.rpartition("-")
    if template in by_name and by_name[template].spec.scale is not None and number.isdecimal():
        says = f"{says} that can be depended on: it is an instance of {template}; {template} means all of them"
        draft.report("depends_on", says, at=at)
    elif ground.is_whole:
        draft.report("depends_on", says, hint=draft.scope.hint(name, list(by_name)), at=at)
    else:
        _warn(draft, at, "depends_on", f"{says} in this file")


def _check_cycles(by_name: dict[str, Draft]) -> None:
    """A walk along the dependencies; every service is entered once, every cycle found is named once."""
    done: set[str] = set()
    for start in by_name:
        trail: list[str] = []
        on_trail: dict[str, int] = {}
        stack = [(start, False)]
        while stack:
            name, is_leaving = stack.pop()
            if is_leaving:
                del on_trail[trail.pop()]
                done.add(name)
            elif name in on_trail:
                _report_cycle([*trail[on_trail[name] :], name], by_name)
            elif name not in done:
                on_trail[name] = len(trail)
                trail.append(name)
                stack.append((name, True))
                others = [each.name for each in by_name[name].spec.depends_on if each.name in by_name]
                stack.extend((other, False) for other in reversed(others))


def _report_cycle(names: list[str], by_name: dict[str, Draft]) -> None:
    draft = by_name[names[-2]]
    at = listed_node(draft.body, "depends_on", names[-1])
    draft.report("depends_on", f"a cycle: {' -> '.join(names)}", at=at)


def _warn_of_absences(drafts: list[Draft], ground: Ground) -> None:
    found: dict[tuple[str, str, str], str] = {}
    directories: dict[str, bool] = {"": True}
    for draft in drafts:
        spec = draft.spec if draft.spec.scale is None else instances.instance(draft.spec, 1)
        _warn_of_files(draft, ground)
        is_there = _once(directories, spec.working_dir, os.path.isdir)
        if not is_there:
            at = draft.body.get("working_dir")
            _warn(draft, at, "working_dir", f"the directory {shown(spec.working_dir)} does not exist")
        search = dict(spec.environment).get("PATH") or ground.environ.get("PATH") or DEFAULT_PATH
        for key, field in PROGRAMS.items():
            command = getattr(spec, field)
            if not command:
                continue
            wanted = (command[0], spec.working_dir, search)
            if wanted not in found:
                found[wanted] = _unrunnable(*wanted)
            if found[wanted]:
                at = draft.body.get(key)
                at = at.items[0] if type(at) is Sequence else at
                _warn(draft, at, key, f"the program {shown(command[0])} {found[wanted]}")


def _warn_of_files(draft: Draft, ground: Ground) -> None:
    """What stands where a service is said to write by itself; nothing may stand there yet."""
    logging = draft.body.get("logging")
    node = logging.get("files") if type(logging) is Mapping else None
    places = node.items if type(node) is Sequence else []
    owner = _owner(draft.spec.user, ground)
    for number, path in enumerate(draft.spec.logging.files):
        says = "" if any(c in path for c in "*?[") else _unfit(path, owner) or _unreachable(path, owner)
        if says:
            at = places[number] if len(places) == len(draft.spec.logging.files) else node
            _warn(draft, at, "logging.files", f"{shown(path)} {says}: it is not followed")


def _owner(user: str, ground: Ground) -> int:
    """Whose the files must be; -1: nobody knows."""
    if not user:
        return ground.euid
    try:
        return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    except KeyError:
        return -1


def _unfit(path: str, owner: int) -> str:
    """Why a path leads to no file that the service could write by itself; see logs/cutting.py too."""
    try:
        status = os.lstat(path)
    except PermissionError:
        return "cannot be looked at: permission denied"
    except OSError:
        return ""
    kinds = {stat.S_IFDIR: "is a directory", stat.S_IFLNK: "is a symbolic link", stat.S_IFIFO: "is a FIFO"}
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        return kinds.get(kind, "is a device or socket")
    if owner >= 0 and status.st_uid != owner:
        return f"belongs to uid {status.st_uid}, not to uid {owner}, who the service runs as"
    if owner > 0 and not status.st_mode & stat.S_IRUSR:
        return f"is not readable for uid {owner}, who the service runs as"
    if status.st_nlink > 1:
        return f"has {status.st_nlink} names (hard links)"
    return ""


def _unreachable(path: str, owner: int) -> str:
    """A directory on the way that is closed to who the service runs as; empty if there is none."""
    for directory in _parents(path) if owner > 0 else ():
        if _is_closed(directory, owner):
            return f"cannot be reached: the directory {shown(directory)} is closed to uid {owner}"
    return ""


def _is_closed(directory: str, owner: int) -> bool:
    """Whether it surely is: where neither group nor others are let in, no membership and no access list helps."""
    try:
        status = os.stat(directory)
    except OSError:
        return False
    opening = stat.S_IXUSR if status.st_uid == owner else stat.S_IXGRP | stat.S_IXOTH
    return not status.st_mode & opening


def _parents(path: str) -> list[str]:
    """The directories that lead to an absolute path, from the root."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[:number]) for number in range(len(parts) + 1)]


def _once(known: dict[str, bool], path: str, ask: Callable[[str], bool]) -> bool:
    if path not in known:
        known[path] = ask(path)
    return known[path]


def _unrunnable(program: str, working_dir: str, search: str) -> str:
    """Why the program cannot be run; empty if it can."""
    absent = "is not found"
    if "/" in program:
        start = working_dir or "/"
        places = [os.path.join(start, program)]
        if not program.startswith("/"):
            absent += f" from {shown(start)}, its working_dir: a program's path is not relative to this file"
    else:
        places = [os.path.join(directory, program) for directory in search.split(":") if directory]
    modes = [mode for mode in map(_mode, places) if mode]
    if any(stat.S_ISREG(mode) and mode & 0o111 for mode in modes):
        return ""
    return "is not executable" if any(map(stat.S_ISREG, modes)) else "is a directory" if modes else absent


def _mode(path: str) -> int:
    """0: nothing is there."""
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return 0


def _warn(draft: Draft, at: Node | None, key: str, text: str) -> None:
    at = at or draft.place
    draft.scope.findings.warn(ConfigError(draft.scope.file, at.line, at.column, f"{draft.path}.{key}", text))
