"""Directives about a service's life: type, commands, restarts, deadlines, end (systemd.service(5), systemd.kill(5))."""

from __future__ import annotations

import re
import signal

from amonsup.config import units
from amonsup.importing.draft import FOREVER
from amonsup.importing.unit_context import SHELL, Context, Handler
from amonsup.importing.unit_files import Entry
from amonsup.importing.unit_words import CommandLine, SyntaxFaultError, Word, duration, known, seconds

TYPES = {"simple", "exec", "idle", "notify", "notify-reload", "forking", "oneshot", "dbus"}
AS_ROOT = frozenset("+!")
KILLS = ("/bin/kill", "/usr/bin/kill", "kill")
CLEAN_SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"]
EXIT_NAMES = {
    "SUCCESS": 0, "FAILURE": 1, "INVALIDARGUMENT": 2, "NOTIMPLEMENTED": 3, "NOPERMISSION": 4, "NOTINSTALLED": 5,
    "NOTCONFIGURED": 6, "NOTRUNNING": 7, "USAGE": 64, "DATAERR": 65, "NOINPUT": 66, "NOUSER": 67, "NOHOST": 68,
    "UNAVAILABLE": 69, "SOFTWARE": 70, "OSERR": 71, "OSFILE": 72, "CANTCREAT": 73, "IOERR": 74, "TEMPFAIL": 75,
    "PROTOCOL": 76, "NOPERM": 77, "CONFIG": 78,
}  # fmt: skip
UNTOLD = {"SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS", "TRIGGER_UNIT"}
UNMATCHED = ("RestartForceExitStatus", "TimeoutAbortSec", "RuntimeMaxSec", "TimeoutStartFailureMode")
RESTARTS = {
    "no": ("no", ""),
    "always": ("always", ""),
    "on-failure": ("on-failure", ""),
    "on-success": ("always", "restarted after a failure too"),
    "on-abnormal": ("on-failure", "restarted after an exit code that is no success too"),
    "on-abort": ("on-failure", "restarted after every failure, not only after a signal"),
    "on-watchdog": ("on-failure", "restarted after every failure, not only after a missed watchdog"),
}


def type_of(unit_type: str, has_bus_name: bool) -> str:
    """What counts where Type= does not stand."""
    return unit_type or ("dbus" if has_bus_name else "simple")


def kind(ctx: Context, entries: list[Entry]) -> None:
    entry, keys = entries[-1], ctx.draft.keys
    if entry.value not in TYPES:
        ctx.draft.refuse(f"{entry.text}: there is no such type", entry.place)
    if entry.value in ("simple", "exec", "idle"):
        note = "starts at once, not after all other jobs" if entry.value == "idle" else ""
        return ctx.draft.carried(entry.place, entry.text, note)
    if entry.value == "dbus":
        return ctx.draft.approximated(
            entry.place, entry.text, "counts as up after min_uptime, not when it has its bus name"
        )
    keys["type"] = "notify" if entry.value == "notify-reload" else entry.value
    if entry.value == "forking" and not ctx.unit.value("PIDFile"):
        how = "the daemon is the oldest process that the command leaves behind, as there"
        return ctx.draft.carried(entry.place, entry.text, how)
    if entry.value == "notify-reload":
        keys["reload"] = ctx.unit.value("ReloadSignal", "SIGHUP")
        return ctx.draft.approximated(entry.place, entry.text, "a reload is over when the signal is sent")
    return ctx.draft.carried(entry.place, entry.text)


def start(ctx: Context, entries: list[Entry]) -> None:
    lines = [line for entry in entries for line in ctx.lines(entry)]
    entry = entries[0]
    if len(lines) > 1 and ctx.draft.keys.get("type") != "oneshot":
        ctx.draft.refuse("several ExecStart= in a service that is not oneshot: systemd refuses that too", entry.place)
    prefixes = "".join(line.prefixes for line in lines)
    is_long = ctx.draft.keys.get("type") != "oneshot"
    if is_long and lines[0].prefixes and "-" in lines[0].prefixes:
        lines = [CommandLine(lines[0].prefixes.replace("-", ""), lines[0].words)]
        ctx.draft.approximated(entry.place, entry.text, "a failure of the program counts as one, in spite of the -")
    if "@" in prefixes:
        lines = [CommandLine(line.prefixes, _without_second(line)) for line in lines]
        ctx.draft.approximated(
            entry.place, entry.text, "the program gets its own path as argv[0], not the word behind the @"
        )
    if AS_ROOT & set(prefixes) and not ctx.is_root:
        for key in ("user", "group", "supplementary_groups"):
            ctx.draft.keys.pop(key, None)
        ctx.is_root = True
        ctx.draft.approximated(entry.place, entry.text, "started as root, as + and ! ask: User= does not count")
    for each in entries:
        ctx.draft.carried(each.place, each.text)
    ctx.draft.keys["command"] = ctx.together(lines)


def _without_second(line: CommandLine) -> tuple[Word, ...]:
    return (line.words[0], *line.words[2:]) if "@" in line.prefixes else line.words


def before_start(ctx: Context, entries: list[Entry]) -> None:
    _hook(ctx, entries, "pre_start")


def after_start(ctx: Context, entries: list[Entry]) -> None:
    _hook(ctx, entries, "post_start")


def after_stop(ctx: Context, entries: list[Entry]) -> None:
    if ctx.draft.keys.get("type") == "oneshot" and ctx.unit.is_yes("RemainAfterExit"):
        for entry in entries:
            ctx.draft.left_out(entry.place, entry.text, "it would run when the oneshot is done, not when it is stopped")
    else:
        _hook(ctx, [*ctx.unit.all("ExecStop"), *entries] if _is_short(ctx) else entries, "post_stop")


def _is_short(ctx: Context) -> bool:
    """A oneshot whose ExecStop runs as soon as it is done."""
    return ctx.draft.keys.get("type") == "oneshot" and bool(ctx.unit.all("ExecStop"))


def stop(ctx: Context, entries: list[Entry]) -> None:
    """A kill of the main process is a stop_signal; everything else runs before it."""
    lines = [line for entry in entries for line in ctx.lines(entry)]
    signal_name = _kill(ctx, lines[0]) if len(lines) == 1 else ""
    if signal_name:
        ctx.draft.keys["stop_signal"] = signal_name
        return ctx.draft.carried(entries[0].place, entries[0].text, "as stop_signal")
    if ctx.draft.keys.get("type") != "oneshot":
        return _hook(ctx, entries, "pre_stop")
    if not ctx.unit.is_yes("RemainAfterExit"):
        return _hook(ctx, entries, "post_stop")
    for entry in entries:
        ctx.draft.left_out(entry.place, entry.text, "what a oneshot has done is not undone when it is stopped")
    return None


def reload(ctx: Context, entries: list[Entry]) -> None:
    lines = [line for entry in entries for line in ctx.lines(entry)]
    signal_name = _kill(ctx, lines[-1])
    if signal_name and len(lines) == 1:
        ctx.draft.keys["reload"] = signal_name
        return ctx.draft.carried(entries[0].place, entries[0].text)
    if signal_name and _as_preflight(ctx, lines[:-1]):
        ctx.draft.keys["reload"] = signal_name
        ctx.draft.keys["preflight"] = ctx.together(lines[:-1])
        how = "what runs before the signal is a preflight: it is run before a commanded restart as well"
        return ctx.draft.approximated(entries[0].place, entries[0].text, how)
    _hook(ctx, entries, "reload")
    words = ctx.draft.keys.get("reload")
    if isinstance(words, list) and len(words) == 1 and "/" not in words[0]:
        ctx.draft.keys["reload"] = [SHELL, "-c", words[0]]  # one word alone would be read as a signal
    return None


def _as_preflight(ctx: Context, lines: list[CommandLine]) -> bool:
    return all(
        "MAINPID" not in line.variables and not (AS_ROOT & set(line.prefixes) and not ctx.is_root) for line in lines
    )


def _hook(ctx: Context, entries: list[Entry], key: str) -> None:
    """The commands of one kind as one hook. What needs root although the service has not, root does once before."""
    taken: list[CommandLine] = []
    may_be_root = ctx.is_root
    for entry in entries:
        for line in ctx.lines(entry):
            needs_root = not may_be_root and (AS_ROOT & set(line.prefixes) or ctx.unit.is_yes("PermissionsStartOnly"))
            untold = sorted(line.variables & UNTOLD)
            if untold:
                ctx.draft.approximated(
                    entry.place, entry.text, f"${untold[0]} is not told; AMONSUP_EXIT says how it ended"
                )
            if needs_root and key == "pre_start":
                ctx.prepares.append(ctx.shell(line))
                ctx.draft.approximated(
                    entry.place, entry.text, "done by root once, before the first start, by a service of its own"
                )
            elif needs_root:
                ctx.draft.left_out(entry.place, entry.text, "asks for root in a service that runs as somebody else")
            else:
                taken.append(line)
                ctx.draft.carried(entry.place, entry.text)
    if taken:
        ctx.draft.keys[key] = ctx.together(taken)


def _kill(ctx: Context, line: CommandLine) -> str:
    """The signal, if a command does nothing but send one to the main process; '' otherwise."""
    words = known(line, {**ctx.variables, "MAINPID": "\0"})
    if len(words) < 2 or words[0] not in KILLS or words[-1] != "\0":
        return ""
    options = words[1:-1]
    if not options:
        return "SIGTERM"
    name = options[-1] if options[0] in ("-s", "--signal") and len(options) == 2 else options[0].lstrip("-")
    name = name.removeprefix("signal=")
    if len(options) > 2 or (len(options) == 2 and options[0] not in ("-s", "--signal")):
        return ""
    return signal_name(name)


def signal_name(text: str) -> str:
    """SIGTERM out of TERM, SIGTERM or 15; '' if it is none."""
    try:
        number = units.parse_signal(text)
    except ValueError:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return text.upper() if not text.isdigit() else str(number)


# ---- restarts -----------------------------------------------------------------------------------------------------


def restart(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    if entry.value not in RESTARTS:
        return ctx.draft.left_out(entry.place, entry.text, "there is no such policy; it is not restarted")
    policy, differs = RESTARTS[entry.value]
    ctx.draft.keys["restart"] = policy
    if differs:
        return ctx.draft.approximated(entry.place, entry.text, differs)
    return ctx.draft.carried(entry.place, entry.text)


def pace(ctx: Context) -> None:
    """The delays and the limit of restarts: systemd's own where the unit says nothing, because that is what held."""
    keys, unit = ctx.draft.keys, ctx.unit
    keys.setdefault("restart", "no")
    if keys["restart"] == "no":
        return
    pause = _span(ctx, "RestartSec", 0.1)
    keys["backoff"] = {"initial": pause, "step": pause, "factor": 1, "max": pause, "jitter": 0}
    window, count = "10s", "5"
    for key in ("StartLimitIntervalSec", "StartLimitInterval"):
        for section in ("Unit", "Service"):
            if unit.last(key, section):
                window = _span(ctx, key, 10.0, section)
    for section in ("Unit", "Service"):
        entry = unit.last("StartLimitBurst", section)
        if entry is not None:
            count = entry.value
            ctx.draft.carried(entry.place, entry.text)
    if window in ("0", "0s", FOREVER) or not re.fullmatch("[0-9]{1,6}", count) or int(count) == 0:
        return
    keys["start_limit"] = {"count": int(count), "within": window}


def _span(ctx: Context, key: str, default_s: float, section: str = "Service") -> str:
    """A time span as a duration, and what became of it."""
    entry = ctx.unit.last(key, section)
    if entry is None:
        return duration(default_s)
    try:
        found = seconds(entry.value)
    except SyntaxFaultError as fault:
        ctx.draft.left_out(entry.place, entry.text, f"{fault}; it is taken for {duration(default_s)}")
        return duration(default_s)
    ctx.draft.carried(entry.place, entry.text)
    return FOREVER if found is None else duration(found)


def deadlines(ctx: Context) -> None:
    """How long a start and a stop may take; systemd's defaults are written out where they are not ours."""
    unit, keys = ctx.unit, ctx.draft.keys
    both = _span(ctx, "TimeoutSec", 90.0) if unit.last("TimeoutSec") else ""
    usual = FOREVER if keys.get("type") == "oneshot" else "90s"
    begin = _span(ctx, "TimeoutStartSec", 90.0) if unit.last("TimeoutStartSec") else both or usual
    end = _span(ctx, "TimeoutStopSec", 90.0) if unit.last("TimeoutStopSec") else both or "90s"
    begin, end = (FOREVER if each in ("0s", "0ms") else each for each in (begin, end))
    if begin not in ("90s", "1m30s"):
        keys["start_timeout"] = begin
    keys["stop_grace_period"] = end
    for key in UNMATCHED:
        entry = unit.last(key)
        if entry is not None:
            ctx.draft.left_out(entry.place, entry.text, "amonsup has nothing like it")


def successes(ctx: Context, entries: list[Entry]) -> None:
    for entry in entries:
        odd = [each for each in entry.value.split() if not _status(each)]
        if odd:
            ctx.draft.left_out(entry.place, entry.text, f"{odd[0]} is neither an exit status nor a signal")
        else:
            ctx.draft.carried(entry.place, entry.text)


def success_exit(ctx: Context) -> None:
    """systemd's clean exits, where they make a difference; what prevents a restart is a success here."""
    said = [each for entry in ctx.unit.all("SuccessExitStatus") for each in entry.value.split()]
    if ctx.draft.keys.get("restart") == "on-failure":
        prevented = [each for entry in ctx.unit.all("RestartPreventExitStatus") for each in entry.value.split()]
        said += prevented
    found = [status for each in said if (status := _status(each))]
    usual = [] if ctx.draft.keys.get("type") == "oneshot" else CLEAN_SIGNALS
    if found or ctx.draft.keys.get("restart") == "on-failure":
        ctx.draft.keys["success_exit"] = list(dict.fromkeys(["0", *usual, *found]))


def prevent(ctx: Context, entries: list[Entry]) -> None:
    is_carried = ctx.unit.value("Restart") in ("on-failure", "on-abnormal", "on-abort", "on-watchdog")
    for entry in entries:
        if is_carried:
            ctx.draft.approximated(entry.place, entry.text, "such an exit counts as a success, so nothing is restarted")
        else:
            ctx.draft.left_out(entry.place, entry.text, "it is restarted after every exit")


def _status(text: str) -> str:
    if text.isascii() and text.isdigit():
        return text if int(text[:4]) <= 255 else ""
    return str(EXIT_NAMES[text]) if text in EXIT_NAMES else signal_name(text)


# ---- the end ------------------------------------------------------------------------------------------------------


def kill_signal(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    found = signal_name(entry.value)
    if not found:
        return ctx.draft.left_out(entry.place, entry.text, "there is no such signal")
    if "stop_signal" in ctx.draft.keys:
        return ctx.draft.needless(entry.place, entry.text, "ExecStop= sends the signal")
    ctx.draft.keys["stop_signal"] = found
    return ctx.draft.carried(entry.place, entry.text)


def kill_mode(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    if entry.value in ("control-group", "mixed"):
        return ctx.draft.carried(entry.place, entry.text)
    return ctx.draft.approximated(
        entry.place,
        entry.text,
        "a stop or restart ends every process of the service, also those it leaves behind on purpose",
    )


def pid_file(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    if ctx.unit.value("Type") != "forking":
        return ctx.draft.needless(entry.place, entry.text, "only a forking service needs it")
    path = ctx.fill(entry)
    path = path if path.startswith("/") else f"/run/{path}"
    ctx.draft.keys["pid_file"] = path
    return ctx.draft.carried(entry.place, entry.text)


def watchdog(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    try:
        span = seconds(entry.value)
    except SyntaxFaultError as fault:
        return ctx.draft.left_out(entry.place, entry.text, str(fault))
    if not span:
        return ctx.draft.needless(entry.place, entry.text, "none is the default")
    if ctx.draft.keys.get("type") != "notify":
        return ctx.draft.left_out(entry.place, entry.text, "only a service of Type=notify can be watched so")
    ctx.draft.keys["watchdog"] = duration(span)
    return ctx.draft.carried(entry.place, entry.text)


def remains(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    is_oneshot = ctx.draft.keys.get("type") == "oneshot"
    if not ctx.unit.is_yes("RemainAfterExit") or is_oneshot:
        return ctx.draft.carried(
            entry.place, entry.text, "state exited counts as up for those who need it" if is_oneshot else ""
        )
    return ctx.draft.approximated(
        entry.place, entry.text, "once its process has ended the service is exited, not running"
    )


def carried_by_others(ctx: Context, entries: list[Entry]) -> None:
    """Read by `pace`, `deadlines`, `success_exit`, which say what became of them."""


HANDLERS: dict[str, Handler] = {
    "Type": kind,
    "PIDFile": pid_file,
    "ExecStart": start,
    "ExecStartPre": before_start,
    "ExecCondition": before_start,
    "ExecStartPost": after_start,
    "ExecStop": stop,
    "ExecStopPost": after_stop,
    "ExecReload": reload,
    "Restart": restart,
    "SuccessExitStatus": successes,
    "RestartPreventExitStatus": prevent,
    "KillSignal": kill_signal,
    "KillMode": kill_mode,
    "WatchdogSec": watchdog,
    "RemainAfterExit": remains,
    **dict.fromkeys(
        ("RestartSec", "StartLimitBurst", "StartLimitInterval", "StartLimitIntervalSec", "TimeoutSec",
         "TimeoutStartSec", "TimeoutStopSec", *UNMATCHED),
        carried_by_others,
    ),
}  # fmt: skip
ORDER = ("Type", "PIDFile", "ExecStart", "Restart")
"""Read first: others depend on what they say."""
