"""show: everything known of one service, and why."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from amonsup.config.specs import Dependency, Role, ServiceSpec
from amonsup.logbook import ending, index
from amonsup.logbook.names import index_path, log_name
from amonsup.supervisor.core import ordering
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.handlers import blockers
from amonsup.supervisor.handlers.desk import Call, Desk, OwnProcess, Refusal, select
from amonsup.supervisor.handlers.rows import exit_row, health_row, own_row, status_row
from amonsup.supervisor.model.phases import GOING_DOWN
from amonsup.supervisor.model.records import ServiceState
from amonsup.supervisor.tidings import rfc3339
from amonsup.verbs.blocking import words
from amonsup.verbs.results import ShowResult
from amonsup.verbs.show import Arguments

LAST_LINES = 10
REDACTED = "(redacted)"


def handle(desk: Desk, call: Call) -> ShowResult | Refusal:
    args: Arguments = call.args
    names = select(desk, (args.service,), own=True)
    if isinstance(names, Refusal):
        return names
    if len(names) != 1:
        which = f"{args.service} is {', '.join(names[:20])}" if names else f"{args.service} has no instance just now"
        return Refusal("bad-request", f"show takes one service; {which}")
    name = names[0]
    own = desk.own_processes().get(name)
    if own is not None:
        return _own(desk, own)
    fleet = desk.fleet if name in desk.fleet.states else desk.household
    state, spec = fleet.states[name], fleet.specs[name]
    log = os.path.join(desk.site.log_dir, f"{name}.log") if fleet is desk.fleet and spec.logging.capture else ""
    may_read = fleet is desk.fleet and _may_read(call, spec)
    blocked = blockers.of(desk, fleet, state) if state.phase in GOING_DOWN else ()
    return ShowResult(
        row=status_row(desk, fleet, state, is_full=True),
        spec=_plain(msgspec.to_builtins(_redacted(spec) if call.is_remote else spec)),
        exits=tuple(exit_row(desk, spec, report) for report in state.exits),
        last_lines=last_lines(desk.site.log_dir, spec) if may_read else (),
        exit_lines=_exit_lines(desk, spec, state) if may_read else (),
        log=log,
        depends_on=tuple(f"{d.name} ({d.condition.value}, {_met(fleet, d)})" for d in spec.depends_on),
        dependants=fleet.dependants.get(name, ()),
        blocked_by=tuple(each.name if each.kind == "dependant" else words(each) for each in blocked),
        queue=tuple(f"{task.verb} by {task.by}" for task in state.queue),
        scope=desk.lives.scopes.kind,
        facts={**_limits(desk, spec), **_dropped(desk.site.log_dir, spec), **desk.own_files(name)},
        at_boot=_at_boot(desk, fleet, spec),
        health=health_row(desk, spec, state),
    )


def _redacted(spec: ServiceSpec) -> ServiceSpec:
    """As it may leave this machine: names without their values."""
    environment = tuple((name, REDACTED) for name, _ in spec.environment)
    secrets = tuple((name, REDACTED) for name, _ in spec.secrets)
    return msgspec.structs.replace(spec, environment=environment, secrets=secrets)


def _may_read(call: Call, spec: ServiceSpec) -> bool:
    """From afar lines of a log are for those who may read logs."""
    return not call.is_remote or min(call.role, spec.remote) >= Role.READER


def _dropped(log_dir: str, spec: ServiceSpec) -> dict[str, str]:
    """What is missing in its logs, as far back as their indexes go (`on_full: drop`)."""
    paths = (index_path(log_dir, log_name(spec.name, is_stderr=is_stderr)) for is_stderr in (False, True))
    count = sum(record[2] for path in paths for record in index.read(path).of_kind(index.DROP))
    return {"dropped": f"{count} bytes that could not be written into its log"} if count else {}


def _limits(desk: Desk, spec: ServiceSpec) -> dict[str, str]:
    """How the limits bear on it: what was cut, and what does not hold."""
    found = {}
    throttled = desk.lives.usage.throttled(spec.name)
    if throttled is not None and throttled[0]:
        found["throttled"] = f"{throttled[0]} times, {throttled[1]:.1f}s in all: it had used up its processors (cpus)"
    kills = desk.lives.limits.oom_kills(spec.name)
    if kills:
        found["oom kills"] = (
            f"{kills} of its processes killed so far: it had used up mem_limit, or the machine its memory"
        )
    unenforced = desk.lives.limits.unenforced(spec)
    if unenforced:
        found["limits"] = "; ".join(unenforced)
    return found


def _at_boot(desk: Desk, fleet: Fleet, spec: ServiceSpec) -> str:
    """Whether it starts by itself, if not as the default is, and who says so."""
    if fleet is not desk.fleet:
        return ""
    wish = desk.wish(spec.name).autostart
    does = "starts by itself" if desk.is_enabled(spec) else "does not start by itself"
    if wish is not None:
        word = "enabled" if wish.is_enabled else "disabled"
        return f"{does} ({word} by {wish.by} at {rfc3339(wish.at)}; autostart: {str(spec.autostart).lower()})"
    return "" if spec.autostart else does


def _own(desk: Desk, process: OwnProcess) -> ShowResult:
    return ShowResult(
        row=own_row(desk, process),
        spec={},
        exits=(),
        last_lines=(),
        log="",
        depends_on=(),
        dependants=(),
        blocked_by=(),
        queue=(),
        scope="",
        facts=process.facts,
    )


def _met(fleet: Fleet, dependency: Dependency) -> str:
    spec, state = fleet.specs[dependency.name], fleet.states[dependency.name]
    return "met" if ordering.is_met(dependency, spec, state) else f"not met: {state.phase.value}"


def _plain(spec: dict[str, Any]) -> dict[str, Any]:
    """The record's fields in conf.d's spelling."""
    return {
        key.removesuffix("_s").removesuffix("_bytes"): _plain(value) if isinstance(value, dict) else value
        for key, value in spec.items()
        if key != "name"
    }


def _exit_lines(desk: Desk, spec: ServiceSpec, state: ServiceState) -> tuple[str, ...]:
    """What a life said before it ended, if another has begun since."""
    ended = state.exits[-1].generation if state.exits else state.generation
    return () if ended == state.generation else last_lines(desk.site.log_dir, spec, ended)


def last_lines(log_dir: str, spec: ServiceSpec, generation: int | None = None) -> tuple[str, ...]:
    """Of the last life, or of this one; made printable. What went to a stderr that is kept apart, behind the rest."""
    if not spec.logging.capture:
        return ()
    lines = ending.last_lines(log_dir, log_name(spec.name), LAST_LINES, generation)
    if spec.logging.stderr == "separate":
        lines += ending.last_lines(log_dir, log_name(spec.name, is_stderr=True), LAST_LINES, generation)
    texts = [line.decode("utf-8", "replace") for line in lines]
    return tuple("".join(c if c.isprintable() or c == "\t" else "?" for c in text) for text in texts)
