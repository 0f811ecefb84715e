"""Directives about resources and privileges (systemd.exec(5), systemd.resource-control(5), capabilities(7))."""

from __future__ import annotations

import re

from amonsup.importing.draft import HARDENING
from amonsup.importing.unit_context import Context, Handler
from amonsup.importing.unit_files import Entry
from amonsup.importing.unit_words import SyntaxFaultError, bytes_of, seconds

IN_BYTES = {"fsize", "data", "stack", "core", "rss", "as", "memlock", "msgqueue"}
LIMITS = ("cpu", "fsize", "data", "stack", "core", "rss", "nofile", "as", "nproc", "memlock", "locks", "sigpending",
          "msgqueue", "nice", "rtprio", "rttime")  # fmt: skip
CLASSES = {"0": "", "none": "", "1": "realtime", "2": "best-effort", "3": "idle"}
NO_SHARE = "a share of the machine's memory or processes: write it as a number"


def limit(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    which = entry.key.removeprefix("Limit").lower()
    soft, _, hard = ctx.fill(entry).partition(":")
    try:
        low, high = _amount(which, soft), _amount(which, hard or soft)
    except (SyntaxFaultError, ValueError) as wrong:
        return ctx.draft.left_out(entry.place, entry.text, str(wrong))
    value = low if low == high else {"soft": low, "hard": high}
    ctx.draft.keys.setdefault("ulimits", {})[which] = value
    ctx.draft.carried(entry.place, entry.text)
    return None


def _amount(which: str, text: str) -> int | str:
    if text == "infinity":
        return "unlimited"
    if which in IN_BYTES:
        found = bytes_of(text)
        return "unlimited" if found is None else found
    if which in ("cpu", "rttime") and not text.isdigit():
        span = seconds(text) or 0.0
        return int(span * (1_000_000 if which == "rttime" else 1))
    if which == "nice" and text[:1] in "+-":
        return 20 - int(text)
    return int(text)


def nice(ctx: Context, entries: list[Entry]) -> None:
    _whole_number(ctx, entries[-1], "nice", -20, 19)


def oom_score(ctx: Context, entries: list[Entry]) -> None:
    _whole_number(ctx, entries[-1], "oom_score_adj", -1000, 1000)


def _whole_number(ctx: Context, entry: Entry, key: str, low: int, high: int) -> None:
    if not re.fullmatch(r"[+-]?[0-9]{1,5}", entry.value) or not low <= int(entry.value) <= high:
        return ctx.draft.left_out(entry.place, entry.text, f"not a number from {low} to {high}")
    ctx.draft.keys[key] = int(entry.value)
    ctx.draft.carried(entry.place, entry.text)
    return None


def ionice(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    kind = ctx.unit.value("IOSchedulingClass", "best-effort").lower()
    kind = CLASSES.get(kind, kind)
    level = ctx.unit.value("IOSchedulingPriority")
    if kind not in ("idle", "best-effort", "realtime") or not re.fullmatch("[0-7]?", level):
        return ctx.draft.left_out(entry.place, entry.text, "no such class of input and output")
    ctx.draft.keys["ionice"] = kind if kind == "idle" or not level else f"{kind}:{level}"
    ctx.draft.carried(entry.place, entry.text)
    return None


def processors(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    listed = ",".join(entry.value.replace(",", " ").split())
    if not re.fullmatch(r"[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*", listed):
        return ctx.draft.left_out(entry.place, entry.text, "only numbers and ranges are understood")
    ctx.draft.keys["cpuset"] = listed
    ctx.draft.carried(entry.place, entry.text)
    return None


def memory(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    try:
        found = bytes_of(entry.value)
    except SyntaxFaultError:
        return ctx.draft.left_out(entry.place, entry.text, NO_SHARE)
    if found:
        ctx.draft.keys["mem_limit"] = found
        ctx.draft.carried(entry.place, entry.text)
    else:
        ctx.draft.needless(entry.place, entry.text, "no limit is the default")
    return None


def processor_share(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)%", entry.value)
    if not match or float(match[1]) < 1:
        return ctx.draft.left_out(entry.place, entry.text, "not a share in percent")
    ctx.draft.keys["cpus"] = float(match[1]) / 100
    ctx.draft.carried(entry.place, entry.text)
    return None


def tasks(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    if entry.value == "infinity":
        return ctx.draft.needless(entry.place, entry.text, "no limit is the default")
    if not re.fullmatch(r"[1-9][0-9]{0,6}", entry.value) or int(entry.value) > 2**22:
        return ctx.draft.left_out(entry.place, entry.text, NO_SHARE)
    ctx.draft.keys["pids_limit"] = int(entry.value)
    ctx.draft.carried(entry.place, entry.text)
    return None


def no_new_privileges(ctx: Context, entries: list[Entry]) -> None:
    if ctx.unit.is_yes("NoNewPrivileges"):
        ctx.draft.keys["no_new_privileges"] = True
    ctx.draft.carried(entries[-1].place, entries[-1].text)


def bounding(ctx: Context, entries: list[Entry]) -> None:
    """What stays: everything else is dropped. `~` in front: these are dropped."""
    kept, dropped = _capabilities(entries)
    place = entries[-1].place
    for entry in entries:
        ctx.draft.carried(entry.place, entry.text)
    if kept is None:
        if dropped:
            ctx.draft.keys["cap_drop"] = sorted(dropped)
        return
    ctx.draft.keys["cap_drop"] = ["ALL"]
    if ctx.is_root:
        ctx.draft.keys["cap_add"] = sorted(kept | set(ctx.draft.keys.get("cap_add", ())))
    elif kept - _ambient(ctx):
        ctx.draft.approximated(
            place, "CapabilityBoundingSet", "as a plain user it has only those of AmbientCapabilities"
        )


def ambient(ctx: Context, entries: list[Entry]) -> None:
    found = _ambient(ctx)
    for entry in entries:
        ctx.draft.carried(entry.place, entry.text)
    if found:
        ctx.draft.keys["cap_add"] = sorted(found | set(ctx.draft.keys.get("cap_add", ())))


def _ambient(ctx: Context) -> set[str]:
    kept, _ = _capabilities(ctx.unit.all("AmbientCapabilities"))
    return kept or set()


def _capabilities(entries: list[Entry]) -> tuple[set[str] | None, set[str]]:
    """(what is kept, None: all; what is dropped besides)"""
    kept: set[str] | None = None
    dropped: set[str] = set()
    for entry in entries:
        names = {each.upper() for each in entry.value.lstrip("~").split() if re.fullmatch("(?i)CAP_[A-Z_]+", each)}
        if entry.value.startswith("~"):
            dropped |= names
            kept = kept - names if kept is not None else None
        else:
            kept = (kept or set()) | names
    return kept, dropped


def hardening(ctx: Context, entries: list[Entry]) -> None:
    for entry in entries:
        ctx.draft.left_out(entry.place, entry.text, HARDENING)


HARDENED = [
    "CacheDirectoryMode",
    "DevicePolicy",
    "DeviceAllow",
    "ExecPaths",
    "InaccessibleDirectories",
    "InaccessiblePaths",
    "IPAddressAllow",
    "IPAddressDeny",
    "KeyringMode",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoExecPaths",
    "PrivateDevices",
    "PrivateIPC",
    "PrivateMounts",
    "PrivateNetwork",
    "PrivateTmp",
    "PrivateUsers",
    "ProcSubset",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "ReadOnlyDirectories",
    "ReadOnlyPaths",
    "ReadWriteDirectories",
    "ReadWritePaths",
    "RemoveIPC",
    "RestrictAddressFamilies",
    "RestrictFileSystems",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SecureBits",
    "SystemCallArchitectures",
    "SystemCallErrorNumber",
    "SystemCallFilter",
    "SystemCallLog",
    "TemporaryFileSystem",
    "BindPaths",
    "BindReadOnlyPaths",
    "MountFlags",
    "MountAPIVFS",
    "ProtectSystem",
    "SocketBindAllow",
    "SocketBindDeny",
    "NetworkNamespacePath",
    "SELinuxContext",
    "AppArmorProfile",
    "SmackProcessLabel",
]

HANDLERS: dict[str, Handler] = {
    **{f"Limit{name.upper()}": limit for name in LIMITS},
    **dict.fromkeys(HARDENED, hardening),
    "Nice": nice,
    "OOMScoreAdjust": oom_score,
    "IOSchedulingClass": ionice,
    "IOSchedulingPriority": ionice,
    "CPUAffinity": processors,
    "AllowedCPUs": processors,
    "MemoryMax": memory,
    "MemoryLimit": memory,
    "CPUQuota": processor_share,
    "TasksMax": tasks,
    "NoNewPrivileges": no_new_privileges,
    "CapabilityBoundingSet": bounding,
    "AmbientCapabilities": ambient,
}
