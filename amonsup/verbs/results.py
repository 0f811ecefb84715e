"""What verbs answer: the documented fields of --json. Fields are only ever added.

Times are RFC 3339 in UTC with milliseconds; durations are seconds in fields ending in `_s`; null means that the field
does not apply.
"""

from __future__ import annotations

from typing import Any

import msgspec


class ExitRow(msgspec.Struct, frozen=True):
    """How a life ended. code or signal is set, or neither: then nobody could find out. `ok`: that was a success."""

    code: int | None
    signal: str | None
    core: bool
    reason: str
    at: str
    generation: int = 0
    pid: int = 0
    uptime_s: float = 0.0
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    oom: bool = False
    by: str = ""
    strays: tuple[str, ...] = ()
    began: str | None = None
    ok: bool = False


class HealthRow(msgspec.Struct, frozen=True):
    """What checks found. state: starting, healthy or unhealthy; failures: in a row, as far as they count."""

    state: str
    failures: int
    at: str | None
    output: str
    next_s: float | None
    check: str


class StatusRow(msgspec.Struct, frozen=True):
    """One service (or, with --all, one of our own processes).

    `cpu_percent` is of one processor, since somebody last asked (the first time: over the process's life). `tasks` and
    what follows are null unless asked for by `usage`; show always has them. Their meaning: docs/operations.md, Usage.
    """

    name: str
    state: str
    pid: int | None
    uptime_s: float | None
    restarts: int
    since: str | None
    exit: ExitRow | None
    desired: str = ""
    why: str = ""
    status: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    generation: int = 0
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    retry_s: float | None = None
    waiting_for: tuple[str, ...] = ()
    tasks: int | None = None
    io_read_bytes: int | None = None
    io_write_bytes: int | None = None
    open_files: int | None = None
    enabled: bool | None = None
    held_by: str = ""
    held_until: str | None = None
    held_why: str = ""
    next_run: str | None = None
    skipped: int = 0
    missed: int = 0
    health: str = ""
    muted_until: str | None = None
    muted_by: str = ""
    muted_why: str = ""


class StatusResult(msgspec.Struct, frozen=True):
    """`warnings` concern the site as a whole: unapplied edits, a full disk, a supervisor that only watches."""

    site: str
    services: tuple[StatusRow, ...]
    warnings: tuple[str, ...] = ()


class ShowResult(msgspec.Struct, frozen=True):
    """Everything about one service. `spec` holds what differs from the defaults.

    `last_lines` are of the life that goes on, or ended last; `exit_lines` of that one if another has begun since.
    """

    row: StatusRow
    spec: dict[str, Any]
    exits: tuple[ExitRow, ...]
    last_lines: tuple[str, ...]
    log: str
    depends_on: tuple[str, ...]
    dependants: tuple[str, ...]
    blocked_by: tuple[str, ...]
    queue: tuple[str, ...]
    scope: str
    facts: dict[str, str]
    at_boot: str = ""
    health: HealthRow | None = None
    exit_lines: tuple[str, ...] = ()


class TargetOutcome(msgspec.Struct, frozen=True):
    name: str
    ok: bool
    text: str = ""


class OperationResult(msgspec.Struct, frozen=True):
    """How a command ended, target by target."""

    operation: str
    verb: str
    ok: bool
    results: tuple[TargetOutcome, ...] = ()
    note: str = ""


class PlanLine(msgspec.Struct, frozen=True):
    """action: start, stop, restart, change (in place) or add."""

    name: str
    action: str
    why: str


class PlanResult(msgspec.Struct, frozen=True):
    """`site_changes`: the keys of amonsup.yaml that would change."""

    changes: tuple[PlanLine, ...]
    warnings: tuple[str, ...] = ()
    site_changes: tuple[str, ...] = ()


class TreeRow(msgspec.Struct, frozen=True):
    """One service and its direct dependencies as `name (condition)`; of an instance, the service it is one of."""

    name: str
    state: str
    depends_on: tuple[str, ...]
    tags: tuple[str, ...] = ()
    instance_of: str = ""


class TreeResult(msgspec.Struct, frozen=True):
    services: tuple[TreeRow, ...]


class Happening(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of the journal of events. `seq` grows by one; `service` is empty for the daemon itself.

    Of a watch rule's match: `text` is the line, `cursor` where it stands in which log, `suppressed` how many matches
    before it `every` has kept from being told, `match` names it for ever. `ok`: an exit that nobody commanded, and that
    was a success by `success_exit`.
    """

    seq: int
    at: str
    kind: str
    service: str = ""
    text: str = ""
    by: str = ""
    generation: int = 0
    rule: str = ""
    suppressed: int = 0
    cursor: str = ""
    match: str = ""
    ok: bool = False


class LogsResult(msgspec.Struct, frozen=True):
    """The lines come through the descriptor that arrives with this, from a process of their own."""

    services: tuple[str, ...]
    reader: int


class LogLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of `logs --json`. `cursor` leads on behind it; `raw`, base64, is there if the line is not UTF-8."""

    service: str
    stream: str
    at: str | None
    text: str
    cursor: str
    life: int
    raw: str = ""


class AuditEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of the audit log. `kind`: command, finished, refused or unwritten; `count`: so many of them.

    `text`: of a command its other arguments, of its end how that was (same `request`): ok, failed or refused, and why.
    """

    seq: int
    at: str
    kind: str
    by: str
    via: str = ""
    verb: str = ""
    targets: tuple[str, ...] = ()
    request: str = ""
    text: str = ""
    count: int = 1


class AuditResult(msgspec.Struct, frozen=True):
    """`verified`: how many entries are whole (null: not asked); `broken`: what is wrong with the next one."""

    entries: tuple[AuditEntry, ...]
    last: int
    verified: int | None = None
    broken: str = ""


class EventsResult(msgspec.Struct, frozen=True):
    events: tuple[Happening, ...]


class Blocker(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is waited for. kind: dependant, dependency, process, readiness, errand, delay, command, log."""

    kind: str
    text: str
    name: str = ""
    pid: int | None = None
    command: str = ""
    since_s: float | None = None
    kill_in_s: float | None = None


class BlockedService(msgspec.Struct, frozen=True):
    """A service on its way up or down, or with a command that is not over, and what it waits for."""

    name: str
    state: str
    waits_for: tuple[Blocker, ...]


class OpenOperation(msgspec.Struct, frozen=True):
    """A command that was accepted and is not over. `left` are the services it still waits for."""

    id: str
    verb: str
    by: str
    since_s: float
    left: tuple[str, ...]
    done: int


class BlockingResult(msgspec.Struct, frozen=True):
    """`logs` are waited for by a shutdown only, once every service is down."""

    operations: tuple[OpenOperation, ...]
    services: tuple[BlockedService, ...]
    logs: tuple[str, ...] = ()


class ImportRemark(msgspec.Struct, frozen=True):
    """What became of one thing that the source says. `fate`: carried, approximated, left out, needless."""

    file: str
    line: int
    what: str
    fate: str
    how: str = ""


class ImportedService(msgspec.Struct, frozen=True):
    """One service of the source. `outcome`: exact, reduced, approximated, refused (then `reason` says why)."""

    name: str
    kind: str
    source: str
    outcome: str
    reason: str = ""
    file: str = ""
    yaml: str = ""
    remarks: tuple[ImportRemark, ...] = ()


class ImportResult(msgspec.Struct, frozen=True):
    """`problems`: what could not be read at all; `warnings`: what `amonsup check` would say on this machine."""

    ok: bool
    services: tuple[ImportedService, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
