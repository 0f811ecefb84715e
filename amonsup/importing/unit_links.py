"""What units say about each other: order, requirements, timers, sockets (systemd.unit(5), systemd.timer(5)).

Only what is imported together can depend on each other. amonsupd is itself started late in the boot, so an order after
what is up by then is needless. Where requirements and orders of several units would form a circle, the weaker is left
out.
"""

from __future__ import annotations

from amonsup.config.units import is_name
from amonsup.importing import calendar
from amonsup.importing.draft import Draft, Place
from amonsup.importing.machine import Machine
from amonsup.importing.unit_context import Context
from amonsup.importing.unit_files import Entry, Unit
from amonsup.importing.unit_words import Specifiers, SyntaxFaultError, seconds

UP_BEFORE = frozenset(
    """
    basic.target local-fs.target local-fs-pre.target remote-fs.target remote-fs-pre.target network.target
    network-pre.target network-online.target nss-lookup.target nss-user-lookup.target paths.target
    rpcbind.target slices.target sockets.target swap.target sysinit.target syslog.target syslog.socket
    time-sync.target time-set.target timers.target system.slice -.mount dbus.socket cryptsetup.target
    multi-user.target getty.target
    """.split()
)
AT_THE_END = frozenset(
    """
    shutdown.target umount.target reboot.target poweroff.target halt.target kexec.target final.target
    """.split()
)
STARTERS = frozenset(
    """
    multi-user.target default.target graphical.target basic.target sysinit.target network.target
    network-online.target local-fs.target remote-fs.target nss-lookup.target time-sync.target
    """.split()
)
UNIT_PLACES = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")
STRENGTHS = ("Requires", "Requisite", "BindsTo", "PartOf", "Wants", "After", "Before")
LATE = "before a target of the boot that is over when amonsupd is started"
STRANGER = "{} is not among what is imported"

Edge = tuple[int, str, str, Context, Entry]
"""(strength, who, whom, context of the entry, entry): who comes after whom."""


def installed(ctx: Context, has_timer: bool) -> None:
    """Whether it starts by itself: as it is enabled on the machine, else as [Install] proposes."""
    unit, draft = ctx.unit, ctx.draft
    wanted = [entry for key in ("WantedBy", "RequiredBy", "UpheldBy") for entry in unit.all(key, "Install")]
    for entry in wanted:
        late = set(entry.value.split()) <= STARTERS
        if late or unit.wanted_by:
            draft.carried(entry.place, entry.text)
        else:
            draft.approximated(entry.place, entry.text, "started with amonsupd, not by that unit")
    for key in ("Alias", "Also", "DefaultInstance"):
        for entry in unit.all(key, "Install"):
            draft.needless(entry.place, entry.text, "amonsup knows no aliases and no enabling together")
    is_at_home = unit.file.rpartition("/")[0] in UNIT_PLACES  # only then it could be enabled there
    knows_enabling = is_at_home and any(each.endswith(".wants") for each in ctx.machine.names("/etc/systemd/system"))
    if has_timer or unit.wanted_by or (wanted and not knows_enabling):
        return
    draft.keys["autostart"] = False
    what = "[Install]" if wanted else "no [Install]"
    how = (
        "it is not enabled there: autostart is off" if wanted else "nothing but other units starts it: autostart is off"
    )
    draft.carried(Place(unit.file), what, how)


def relations(contexts: dict[str, Context]) -> None:
    """depends_on among what is imported, strongest first, as long as there is no circle."""
    edges: list[Edge] = []
    for name, ctx in contexts.items():
        for strength, key in enumerate(STRENGTHS):
            for entry in ctx.unit.all(key, "Unit"):
                others = ctx.fill(entry).split()
                for other in others:
                    edge = _relation(ctx, entry, key, other, contexts)
                    if edge == "edge":
                        pair = (other, name) if key == "Before" else (name, other)
                        edges.append((strength, *pair, ctx, entry))
    above: dict[str, set[str]] = {name: set() for name in contexts}
    for strength, who, whom, ctx, entry in sorted(edges, key=lambda edge: edge[:3]):
        _connect(strength, who, whom, ctx, entry, contexts, above)


def _relation(ctx: Context, entry: Entry, key: str, other: str, contexts: dict[str, Context]) -> str:
    what = f"{key}={other}"
    if other in contexts and contexts[other] is not ctx:
        return "edge"
    if other in ctx.draft.aliases or (other in contexts and contexts[other] is ctx):
        ctx.draft.needless(entry.place, what, "itself")
    elif other in AT_THE_END or (key == "Before" and other in ("multi-user.target", "graphical.target")):
        ctx.draft.needless(entry.place, what, "the end of the machine ends amonsupd, which stops its services in order")
    elif key == "Before":
        how = LATE if other.endswith((".target", ".mount", ".device")) else STRANGER.format(other)
        ctx.draft.left_out(entry.place, what, how)
    elif other in UP_BEFORE or other.startswith("systemd-") or other.endswith((".slice", ".mount")):
        ctx.draft.needless(entry.place, what, "up before amonsupd is started")
    elif other.endswith(".target"):
        ctx.draft.left_out(entry.place, what, "amonsup has no targets; @TAG selects groups of services")
    elif key in ("Requires", "BindsTo", "Requisite") and other.endswith(".socket"):
        ctx.draft.refuse(
            f"needs {other}: amonsup does not listen for services yet; is there a way to start it without?", entry.place
        )
    else:
        ctx.draft.left_out(entry.place, what, STRANGER.format(other))
    return ""


def _connect(
    strength: int,
    who: str,
    whom: str,
    ctx: Context,
    entry: Entry,
    contexts: dict[str, Context],
    above: dict[str, set[str]],
) -> None:
    """One dependency, if the two are not connected already the other way round."""
    what = f"{entry.key}={whom if contexts[who] is ctx else who}"
    follower, leader = contexts[who].draft, contexts[whom].draft
    needs = follower.keys.setdefault("depends_on", {})
    if leader.name in needs:
        ctx.draft.carried(entry.place, what)
    elif _reaches(whom, who, above):
        ctx.draft.left_out(entry.place, what, "would close a circle of dependencies")
    else:
        above[who].add(whom)
        is_over = leader.keys.get("type") == "oneshot"
        condition = "service_completed_successfully" if is_over else "service_started"
        needs[leader.name] = {"condition": condition, "restart": True} if strength <= 3 else {"condition": condition}
        if strength <= 3:
            ctx.draft.carried(entry.place, what)
        else:
            ctx.draft.approximated(
                entry.place, what, f"{follower.name} waits for {leader.name}, and is stopped before it"
            )
    if not needs:
        del follower.keys["depends_on"]


def _reaches(start: str, goal: str, above: dict[str, set[str]]) -> bool:
    seen, todo = set(), [start]
    while todo:
        each = todo.pop()
        if each == goal:
            return True
        if each not in seen:
            seen.add(each)
            todo.extend(above.get(each, ()))
    return False


# ---- timers ---------------------------------------------------------------------------------------------------------


def timed(timer: Unit, machine: Machine) -> str:
    """The unit that a timer starts."""
    specifiers = Specifiers(timer.name, timer.prefix, timer.instance)
    named = timer.value("Unit", section="Timer")
    return specifiers.fill(named) if named else f"{timer.stem}.service"


def schedule(timer: Unit, draft: Draft) -> None:
    """The timer's times as the schedule of the service it starts."""
    keys = draft.keys
    if keys.get("type", "simple") not in ("oneshot", "simple"):
        entry = timer.entries[0] if timer.entries else None
        draft.left_out(
            entry.place if entry else Place(timer.file),
            timer.name,
            "only a job that ends can be started by the calendar",
        )
        keys["autostart"] = False
        return
    if "type" not in keys:
        keys["type"] = "oneshot"
        keys.pop("min_uptime", None)
        draft.approximated(
            Place(timer.file), timer.name, "a job by the calendar is of type oneshot: it is done when it ends"
        )
    for entry in timer.all("OnCalendar", "Timer"):
        _calendar(entry, draft)
    if "schedule" not in keys:
        _interval(timer, draft)
    for key in ("OnBootSec", "OnStartupSec", "OnActiveSec", "OnUnitActiveSec", "OnUnitInactiveSec",
                "RandomizedDelaySec",
                "FixedRandomDelay", "WakeSystem", "OnClockChange", "OnTimezoneChange"):  # fmt: skip
        for entry in timer.all(key, "Timer"):
            if not any((each.file, each.line) == (entry.place.file, entry.place.line) for each in draft.remarks):
                draft.left_out(entry.place, entry.text, "only the calendar starts a job")
    for key in ("AccuracySec", "Unit", "RemainAfterElapse"):
        for entry in timer.all(key, "Timer"):
            draft.needless(entry.place, entry.text)
    persistent = timer.last("Persistent", "Timer")
    if persistent is not None:
        if timer.is_yes("Persistent", "Timer") and "schedule" in keys:
            keys["catch_up"] = True
        draft.carried(persistent.place, persistent.text)
    if "schedule" not in keys:
        keys["autostart"] = False


def _calendar(entry: Entry, draft: Draft) -> None:
    if "schedule" in draft.keys:
        return draft.left_out(entry.place, entry.text, "a service has one schedule")
    try:
        found = calendar.cron(entry.value)
    except ValueError as wrong:
        return draft.left_out(entry.place, entry.text, str(wrong))
    draft.keys["schedule"] = found.schedule
    if found.zone:
        draft.keys["time_zone"] = found.zone
    if found.note:
        return draft.approximated(entry.place, entry.text, found.note)
    return draft.carried(entry.place, entry.text)


def _interval(timer: Unit, draft: Draft) -> None:
    for key in ("OnUnitActiveSec", "OnUnitInactiveSec"):
        entry = timer.last(key, "Timer")
        if entry is None:
            continue
        try:
            found = calendar.every(seconds(entry.value) or 0.0)
        except SyntaxFaultError:
            found = ""
        if found:
            draft.keys["schedule"] = found
            return draft.approximated(
                entry.place, entry.text, "so often, but by the clock, not counted from the last run"
            )
    return None


# ---- sockets --------------------------------------------------------------------------------------------------------


def listens(socket: Unit, draft: Draft) -> None:
    """A service that has a socket unit and an [Install] of its own opens its sockets itself if nobody hands it any."""
    for entry in socket.entries:
        if entry.section == "Socket" and entry.key.startswith("Listen"):
            draft.left_out(
                entry.place, entry.text, "amonsup does not listen for services yet: the service must open it itself"
            )


def name_of(unit: Unit) -> str:
    """What a unit is called here: ce@one.service is ce-one."""
    from amonsup.importing.draft import fit_name

    return unit.stem if is_name(unit.stem) else fit_name(unit.stem.replace("@", "-"))
