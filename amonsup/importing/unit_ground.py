"""Directives about what a service stands on: account, environment, directories, conditions (systemd.exec(5)).

Accounts nobody makes for a service here; its directories are made by a oneshot beside it, as root.
"""

from __future__ import annotations

import re
import shlex

from amonsup.config import units
from amonsup.importing.draft import Filled, brief
from amonsup.importing.machine import UnusableError
from amonsup.importing.unit_context import Context, Handler
from amonsup.importing.unit_files import Entry
from amonsup.importing.unit_words import SyntaxFaultError, split

DIRECTORIES = {
    "RuntimeDirectory": ("/run", "RUNTIME_DIRECTORY"),
    "StateDirectory": ("/var/lib", "STATE_DIRECTORY"),
    "CacheDirectory": ("/var/cache", "CACHE_DIRECTORY"),
    "LogsDirectory": ("/var/log", "LOGS_DIRECTORY"),
    "ConfigurationDirectory": ("/etc", "CONFIGURATION_DIRECTORY"),
}
_VARIABLE = re.compile(units.VARIABLE)
_PLAIN_LINE = re.compile(
    rf"""\s*(?:[#;].*)?|\s*{units.VARIABLE}=(?:'[^'\\]*'|"(?:[^"\\$`]|\$(?![{{$]))*"|(?:[^\s'"\\$#;]|\$(?![{{$])|\s(?!\s*[#]))*)\s*"""
)
"""A line that an environment file of systemd and our env_file read alike."""


def user(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    name = ctx.fill(entry)
    ctx.draft.carried(entry.place, entry.text)
    if name not in ("root", "0"):
        ctx.draft.keys["user"] = name
        ctx.is_root = False


def group(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    name = ctx.fill(entry)
    if not (ctx.is_root and name in ("root", "0")):
        ctx.draft.keys["group"] = name
    ctx.draft.carried(entry.place, entry.text)


def groups(ctx: Context, entries: list[Entry]) -> None:
    found = [name for entry in entries for name in ctx.fill(entry).split()]
    ctx.draft.keys["supplementary_groups"] = list(dict.fromkeys(found))
    for entry in entries:
        ctx.draft.carried(entry.place, entry.text)


def dynamic_user(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    if not ctx.unit.is_yes("DynamicUser"):
        return ctx.draft.carried(entry.place, entry.text)
    ctx.draft.refuse(
        "DynamicUser=yes: amonsup makes no accounts; create one, and say User= and DynamicUser=no in a drop-in",
        entry.place,
    )
    return None


def umask(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    if not re.fullmatch("[0-7]{1,4}", entry.value):
        return ctx.draft.left_out(entry.place, entry.text, "not an octal mask")
    ctx.draft.keys["umask"] = entry.value
    return ctx.draft.carried(entry.place, entry.text)


def working_directory(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    path = ctx.fill(entry)
    if path.lstrip("-") == "~":
        return ctx.draft.left_out(
            entry.place, entry.text, "the account's home directory: write its path as working_dir"
        )
    if path.startswith("-"):
        path = path[1:]
        ctx.draft.approximated(entry.place, entry.text, "the directory must be there, in spite of the -")
    else:
        ctx.draft.carried(entry.place, entry.text)
    ctx.draft.keys["working_dir"] = path
    return None


# ---- environment ----------------------------------------------------------------------------------------------------


def environment(ctx: Context) -> None:
    """Environment= and EnvironmentFile=. A file wins over Environment= there, and loses here: that is set right."""
    said: dict[str, str] = {}
    for entry in ctx.unit.all("Environment"):
        try:
            words = split(ctx.fill(entry))
        except SyntaxFaultError as fault:
            ctx.draft.left_out(entry.place, entry.text, str(fault))
            continue
        odd = [word for word in words if not _VARIABLE.fullmatch(word.partition("=")[0]) or "=" not in word]
        said.update((word.partition("=")[0], word.partition("=")[2]) for word in words if word not in odd)
        if odd:
            ctx.draft.left_out(entry.place, entry.text, f"{brief(odd[0])} is no NAME=value")
        else:
            ctx.draft.carried(entry.place, entry.text)
    ctx.variables.update(said)
    files: list[str] = []
    for entry in ctx.unit.all("EnvironmentFile"):
        _environment_file(ctx, entry, said, files)
    if files:
        ctx.draft.keys["env_file"] = files
        ctx.has_env_files = True
    if said:
        ctx.draft.keys["environment"] = said


def _environment_file(ctx: Context, entry: Entry, said: dict[str, str], files: list[str]) -> None:
    path = ctx.fill(entry)
    is_optional, path = path.startswith("-"), path.removeprefix("-")
    if any(each in path for each in "*?["):
        return ctx.draft.left_out(entry.place, entry.text, "a pattern of names: name the files in env_file")
    try:
        text = ctx.machine.text(path)
    except UnusableError as wrong:
        if is_optional:
            return ctx.draft.left_out(entry.place, entry.text, f"{wrong}; once it is there, name it in env_file")
        files.append(path)
        return ctx.draft.approximated(entry.place, entry.text, f"{wrong} now; it must be there at the next apply")
    found = variables_of(text)
    if all(_PLAIN_LINE.fullmatch(line) for line in text.splitlines()):
        files.append(path)
        for name in found:
            if said.pop(name, None) is not None:
                ctx.draft.approximated(
                    entry.place, entry.text, f"{name} of Environment= left out: the file has it now, and wins"
                )
        return ctx.draft.approximated(entry.place, entry.text, "read at an apply, not at each start")
    said.update(found)
    ctx.variables.update(found)
    return ctx.draft.approximated(
        entry.place, entry.text, "its values as they are now: env_file would read the file differently"
    )


def variables_of(text: str) -> dict[str, str]:
    """NAME=value of an environment file as systemd reads it."""
    found: dict[str, str] = {}
    for line in text.replace("\\\n", "").splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or line.lstrip()[:1] in "#;" or not _VARIABLE.fullmatch(name.strip()):
            continue
        value = value.strip()
        try:
            words = shlex.split(value, posix=True) if value[:1] in "'\"" and value else [value]
        except ValueError:
            words = [value]
        found[name.strip()] = words[0] if words else ""
    return found


def pass_environment(ctx: Context, entries: list[Entry]) -> None:
    for entry in entries:
        for name in entry.value.split():
            if _VARIABLE.fullmatch(name) and "." not in name and "-" not in name:
                ctx.draft.keys.setdefault("environment", {})[name] = Filled(f"\0{name}\1")
        ctx.draft.approximated(entry.place, entry.text, "out of the environment of amonsupd; empty where it has none")


# ---- directories that systemd makes ---------------------------------------------------------------------------------


def directories(ctx: Context, entries: list[Entry]) -> None:
    """Made by root before the first start, by a service of its own, because a service's user could not."""
    base, variable = DIRECTORIES[entries[0].key]
    mode = ctx.unit.value(f"{entries[0].key}Mode", "0755")
    mode = mode if re.fullmatch("[0-7]{3,4}", mode) else "0755"
    owner = ctx.draft.keys.get("user", "root")
    found = []
    for entry in entries:
        for name in ctx.fill(entry).split():
            path = f"{base}/{name.partition(':')[0]}"
            found.append(path)
            ctx.prepares.append(shlex.join(["install", "-d", "-m", mode, path]))
            if not ctx.is_root and base != "/etc":
                ctx.prepares.append(shlex.join(["chown", f"{owner}:{ctx.draft.keys.get('group', '')}", path]))
        ctx.draft.approximated(
            entry.place, entry.text, "made before the first start, by a service of its own; not removed at the stop"
        )
    ctx.draft.keys.setdefault("environment", {})[variable] = ":".join(found)


def directory_mode(ctx: Context, entries: list[Entry]) -> None:
    ctx.draft.carried(entries[-1].place, entries[-1].text)


def directory_preserve(ctx: Context, entries: list[Entry]) -> None:
    ctx.draft.carried(entries[-1].place, entries[-1].text, "directories are never removed")


# ---- output ---------------------------------------------------------------------------------------------------------


def output(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    kind = entry.value.partition(":")[0].partition("+")[0]
    if kind in ("journal", "inherit", "kmsg", "syslog") and not entry.value.endswith("+console"):
        return ctx.draft.carried(entry.place, entry.text, "goes to the service's log")
    if kind == "null":
        both = {ctx.unit.value(key) for key in ("StandardOutput", "StandardError")}
        if both in ({"null"}, {"null", "inherit"}, {"null", ""}) and ctx.unit.value("StandardOutput") == "null":
            ctx.draft.keys["logging"] = {"capture": False}
            return ctx.draft.carried(entry.place, entry.text)
        return ctx.draft.approximated(entry.place, entry.text, "goes to the service's log like the other stream")
    return ctx.draft.approximated(entry.place, entry.text, "goes to the service's log instead")


def input_from(ctx: Context, entries: list[Entry]) -> None:
    entry = entries[-1]
    if entry.value == "null":
        return ctx.draft.carried(entry.place, entry.text)
    if entry.value.startswith("tty"):
        ctx.draft.refuse("needs a terminal of its own as its input: that is for getty and systemd", entry.place)
    if entry.value == "socket":
        ctx.draft.refuse(
            "is handed connections by a socket unit: amonsup does not listen for services yet", entry.place
        )
    return ctx.draft.left_out(entry.place, entry.text, "a service's input is /dev/null")


# ---- conditions -----------------------------------------------------------------------------------------------------


def condition(ctx: Context, entries: list[Entry]) -> None:
    """Looked at once, now: amonsup starts what it is told to start."""
    for entry in entries:
        question = entry.key.removeprefix("Condition").removeprefix("Assert")
        value = ctx.fill(entry).lstrip("|")
        is_negated, path = value.startswith("!"), value.removeprefix("!")
        holds = _looked_up(ctx, question, path)
        if holds is None:
            ctx.draft.left_out(entry.place, entry.text, "conditions are not looked at before a start")
        elif holds is not is_negated:
            ctx.draft.approximated(entry.place, entry.text, "holds now; it is not looked at before each start")
        else:
            ctx.draft.keys["autostart"] = False
            ctx.draft.approximated(entry.place, entry.text, "does not hold now: autostart is off")


def _looked_up(ctx: Context, question: str, path: str) -> bool | None:
    """None: that cannot be seen in the files of the machine."""
    machine = ctx.machine
    if not path.startswith("/") or path.startswith(("/sys/", "/proc/", "/dev/")):
        return None
    if question in ("PathExists", "FileIsExecutable"):
        return machine.exists(path)
    if question == "PathIsDirectory":
        return machine.is_directory(path)
    if question == "DirectoryNotEmpty":
        return bool(machine.names(path))
    if question == "FileNotEmpty":
        return bool(machine.text_or_none(path))
    return None


HANDLERS: dict[str, Handler] = {
    "User": user,
    "Group": group,
    "SupplementaryGroups": groups,
    "DynamicUser": dynamic_user,
    "UMask": umask,
    "WorkingDirectory": working_directory,
    "PassEnvironment": pass_environment,
    **dict.fromkeys(DIRECTORIES, directories),
    **{f"{key}Mode": directory_mode for key in DIRECTORIES},
    "RuntimeDirectoryPreserve": directory_preserve,
    "StandardOutput": output,
    "StandardError": output,
    "StandardInput": input_from,
}
ORDER = ("User", "Group", "SupplementaryGroups", *DIRECTORIES)
"""Read first: others depend on what they say."""
