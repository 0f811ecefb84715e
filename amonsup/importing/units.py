"""systemd units as a kind of source: .service with drop-ins and instances, .timer as schedule, .socket as a remark."""

from __future__ import annotations

import os

from amonsup.importing import unit_ground, unit_life, unit_limits, unit_links
from amonsup.importing.draft import Draft, RefusedError, fit_name
from amonsup.importing.machine import Machine, UnusableError
from amonsup.importing.unit_context import Context, Handler
from amonsup.importing.unit_files import Entry, Unit, load

SUFFIXES = (".service", ".timer", ".socket")
KIND = "systemd"
HANDLERS: dict[str, Handler] = {**unit_ground.HANDLERS, **unit_life.HANDLERS, **unit_limits.HANDLERS}
ORDER = (*unit_ground.ORDER, *unit_life.ORDER)
ELSEWHERE = {"Environment", "EnvironmentFile", "CPUQuotaPeriodSec"}
NEEDLESS = {
    "BusName": "only Type=dbus waits for it",
    "Documentation": "",
    "GuessMainPID": "",
    "IgnoreSIGPIPE": "a service starts with the signal's default action",
    "IgnoreOnIsolate": "amonsup has no isolate",
    "NotifyAccess": "every process of the service may notify",
    "RefuseManualStart": "",
    "RefuseManualStop": "",
    "SourcePath": "",
    "SyslogIdentifier": "the log has the service's name",
    "SyslogFacility": "the log is a file",
    "SyslogLevelPrefix": "",
    "UtmpIdentifier": "",
    "UtmpMode": "",
    "LogRateLimitIntervalSec": "nothing is dropped from a log",
    "LogRateLimitBurst": "nothing is dropped from a log",
    "CPUAccounting": "accounting is always on",
    "MemoryAccounting": "accounting is always on",
    "TasksAccounting": "accounting is always on",
    "IOAccounting": "accounting is always on",
    "BlockIOAccounting": "accounting is always on",
    "JobTimeoutSec": "",
    "PermissionsStartOnly": "",
    "ReloadSignal": "",
    "StopWhenUnneeded": "",
    "CollectMode": "",
}
REASONS = {
    "Slice": "every service has a cgroup of its own",
    "OnFailure": "watch `amonsup events`, or an alert",
    "OnSuccess": "nothing is started by the end of a service",
    "Conflicts": "amonsup has no services that exclude each other",
    "Delegate": "a service's cgroup stays amonsup's",
    "DefaultDependencies": "a part of the early boot, which stays systemd's",
    "LoadCredential": "secrets: hands files over as $AMONSUP_SECRETS/NAME",
    "RootDirectory": "refused",
    "RequiresMountsFor": "mounts are made before amonsupd is started",
    "PAMName": "no session is opened",
    "SendSIGHUP": "one signal asks a service to stop",
    "SendSIGKILL": "what does not stop within stop_grace_period is always killed",
}


def claims(name: str, text: str) -> bool:
    return name.endswith(SUFFIXES)


def gather(machine: Machine, paths: list[str]) -> tuple[list[Draft], list[str]]:
    """Drafts of all units among the files, and what could not be read."""
    units: dict[str, Unit] = {}
    problems: list[str] = []
    masked: list[str] = []
    others: dict[str, set[str]] = {}
    by_file: dict[str, str] = {}
    for path in paths:
        name = path.rpartition("/")[2]
        real = os.path.realpath(machine.on_disk(path))
        if real == "/dev/null":
            masked.append(path)
            continue
        if real in by_file and by_file[real] != name and "@" not in name:
            others.setdefault(by_file[real], set()).add(name)
            continue
        by_file.setdefault(real, name)
        try:
            units.setdefault(name, load(machine, _template_or(machine, path), name))
        except UnusableError as wrong:
            problems.append(f"{path}: {wrong}")
    drafts = _translate(units, others, machine)
    for path in masked:
        draft = Draft(fit_name(path.rpartition("/")[2].rpartition(".")[0]), KIND, path)
        draft.reason = "is masked (a link to /dev/null): there is nothing to import"
        drafts.append(draft)
    return drafts, problems


def _template_or(machine: Machine, path: str) -> str:
    """The file of ce@one.service is ce@.service, unless the instance has its own."""
    stem, suffix = path.rsplit(".", 1)
    before, at, _ = stem.rpartition("@")
    return path if not at or machine.exists(path) else f"{before}@.{suffix}"


def _translate(units: dict[str, Unit], aliases: dict[str, set[str]], machine: Machine) -> list[Draft]:
    instances = {unit.prefix for unit in units.values() if unit.instance}
    services = {
        name: unit
        for name, unit in units.items()
        if name.endswith(".service") and not (unit.instance == "" and unit.prefix in instances)
    }
    timers = {unit_links.timed(unit, machine): unit for name, unit in units.items() if name.endswith(".timer")}
    drafts: list[Draft] = []
    contexts: dict[str, Context] = {}
    for name, unit in services.items():
        draft = Draft(unit_links.name_of(unit), KIND, unit.file)
        draft.aliases = aliases.get(name, set())
        drafts.append(draft)
        ctx = Context(unit, draft, machine, os.uname().nodename)
        try:
            _service(ctx, timers.get(name))
            contexts[name] = ctx
        except RefusedError as refusal:
            _refused(draft, refusal)
    for name, unit in units.items():
        if name.endswith(".socket"):
            target = unit.value("Service", f"{unit.stem}.service", section="Socket")
            if target in contexts:
                unit_links.listens(unit, contexts[target].draft)
    _relate(contexts)
    drafts += _unserved(units, services, timers)
    for ctx in contexts.values():
        _prepare(ctx)
    return drafts


def _relate(contexts: dict[str, Context]) -> None:
    """Those that are refused for what they need go; then the rest is looked at again without them."""
    for name in list(contexts):
        ctx = contexts[name]
        sockets = [(key, entry) for key in ("Requires", "BindsTo", "Requisite") for entry in ctx.unit.all(key, "Unit")]
        for _, entry in sockets:
            other = next(
                (
                    each
                    for each in ctx.fill(entry).split()
                    if each.endswith(".socket") and each not in unit_links.UP_BEFORE
                ),
                "",
            )
            if other:
                _refused(
                    ctx.draft, RefusedError(f"{entry.text}: amonsup does not listen for services yet", entry.place)
                )
                contexts.pop(name, None)
    unit_links.relations(contexts)


def _refused(draft: Draft, refusal: RefusedError) -> None:
    place = f" (line {refusal.place.line})" if refusal.place is not None and refusal.place.line else ""
    draft.reason = f"{refusal}{place}"


def _unserved(units: dict[str, Unit], services: dict[str, Unit], timers: dict[str, Unit]) -> list[Draft]:
    """Timers and sockets whose service is not among what is imported."""
    found = []
    for target, timer in timers.items():
        if target not in services:
            draft = Draft(unit_links.name_of(timer), KIND, timer.file)
            draft.reason = f"starts {target}, which is not among what is imported: name its file too"
            found.append(draft)
    for name, unit in units.items():
        target = unit.value("Service", f"{unit.stem}.service", section="Socket")
        if name.endswith(".socket") and target not in services:
            draft = Draft(unit_links.name_of(unit), KIND, unit.file)
            draft.reason = (
                "a socket for services that are started by a connection: amonsup does not listen for services yet"
            )
            found.append(draft)
    return found


def _service(ctx: Context, timer: Unit | None) -> None:
    unit, draft = ctx.unit, ctx.draft
    if unit.instance == "":
        unit_name = f"{unit.prefix}@NAME.service"
        if not unit.value("DefaultInstance", section="Install"):
            draft.refuse(f"a template: name an instance, as {unit.file.rpartition('/')[0]}/{unit_name}")
        ctx.specifiers = type(ctx.specifiers)(unit.name, unit.prefix, unit.value("DefaultInstance", section="Install"))
    if not unit.entries:
        draft.refuse("says nothing: no line KEY=value within a [Section]")
    for oddity in unit.oddities:
        draft.left_out(oddity.place, oddity.text, "no line KEY=value within a [Section]")
    description = unit.last("Description", "Unit")
    if description is not None:
        draft.keys["description"] = ctx.fill(description)
        draft.carried(description.place, description.text)
    if not unit.all("ExecStart"):
        _without_start(ctx)
    if unit.value("RootDirectory") or unit.value("RootImage"):
        draft.refuse(
            "runs in a root directory of its own, which amonsup does not make: start it by chroot or a container"
        )
    unit_ground.environment(ctx)
    keys = dict.fromkeys([*ORDER, *(entry.key for entry in unit.entries if entry.section == "Service")])
    if not unit.last("Type"):
        _default_type(ctx)
    for key in keys:
        entries = (
            unit.all(key) or [entry for entry in unit.entries if entry.key == key and entry.section == "Service"][-1:]
        )
        if entries and entries[-1].value and key not in ELSEWHERE:
            _directive(ctx, key, entries)
    for entry in unit.entries:
        if entry.section == "Unit" and entry.value:
            _of_unit(ctx, entry)
        elif entry.section not in ("Unit", "Service", "Install") and not entry.section.startswith("X-"):
            draft.left_out(entry.place, f"[{entry.section}] {entry.text}", "a section that a service does not have")
    if timer is not None:
        unit_links.schedule(timer, draft)
    unit_life.pace(ctx)
    unit_life.deadlines(ctx)
    unit_life.success_exit(ctx)
    unit_links.installed(ctx, timer is not None and "schedule" in draft.keys)


def _without_start(ctx: Context) -> None:
    if ctx.unit.all("ExecStop"):
        ctx.draft.refuse("only does something when it is stopped, which amonsup does for services that run")
    ctx.draft.refuse("has no ExecStart=")


def _default_type(ctx: Context) -> None:
    if "type" not in ctx.draft.keys and ctx.unit.value("BusName"):
        entry = ctx.unit.last("BusName")
        assert entry is not None
        ctx.draft.approximated(entry.place, entry.text, "counts as up after min_uptime, not when it has its bus name")


def _directive(ctx: Context, key: str, entries: list[Entry]) -> None:
    handler = HANDLERS.get(key)
    if handler is not None:
        handler(ctx, entries)
    elif key in NEEDLESS or key.startswith("X-"):
        for entry in entries:
            ctx.draft.needless(entry.place, entry.text, NEEDLESS.get(key, "of another program"))
    else:
        for entry in entries:
            ctx.draft.left_out(entry.place, entry.text, REASONS.get(key, "amonsup has nothing like it"))


def _of_unit(ctx: Context, entry: Entry) -> None:
    key = entry.key
    if key in ("Description", "StartLimitBurst", "StartLimitInterval", "StartLimitIntervalSec", *unit_links.STRENGTHS):
        return
    if key.startswith(("Condition", "Assert")):
        unit_ground.condition(ctx, [entry])
    elif key == "Conflicts":
        strangers = [each for each in entry.value.split() if each not in unit_links.AT_THE_END]
        if strangers:
            ctx.draft.left_out(entry.place, entry.text, REASONS[key])
        else:
            ctx.draft.needless(entry.place, entry.text, "the end of the machine ends amonsupd too")
    elif key == "RequiresMountsFor":
        ctx.draft.needless(entry.place, entry.text, REASONS[key])
    elif key == "DefaultDependencies" and not ctx.unit.is_yes(key, "Unit"):
        ctx.draft.left_out(entry.place, entry.text, REASONS[key])
    elif key in NEEDLESS or key.startswith("X-") or key == "DefaultDependencies":
        ctx.draft.needless(entry.place, entry.text, NEEDLESS.get(key, ""))
    else:
        ctx.draft.left_out(entry.place, entry.text, REASONS.get(key, "amonsup has nothing like it"))


def _prepare(ctx: Context) -> None:
    """What root does before the first start becomes a oneshot of its own, which the service waits for."""
    if not ctx.prepares:
        return
    name = f"{ctx.draft.name[:55]}-prepare"
    ctx.draft.companions[name] = {
        "description": f"what root does before {ctx.draft.name} starts",
        "type": "oneshot",
        "command": ["/bin/sh", "-c", " && ".join(ctx.prepares)],
    }
    needs = ctx.draft.keys.setdefault("depends_on", {})
    needs[name] = {"condition": "service_completed_successfully"}
