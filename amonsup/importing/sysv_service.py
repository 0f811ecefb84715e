"""One daemon of an init script as a conf.d service: how it is started, stopped, reloaded, and what else is done.

The command is what the script would start, with the values that its variables have now. Directories that it makes are
made by a oneshot beside the service, as root; every other command on the way is named in the report.
"""

from __future__ import annotations

import re
import shlex

from amonsup.importing import start_stop_daemon
from amonsup.importing.draft import Draft, Place
from amonsup.importing.shell_starts import is_start
from amonsup.importing.shell_trace import Action, Trace
from amonsup.importing.unit_life import signal_name

Header = dict[str, tuple[str, Place]]
"""The LSB header: keyword -> (value, place)."""
DIRECTORY_TOOLS = {"mkdir", "install", "chown", "chmod", "chgrp"}
LATE = 30
"""What stops within no stated time is waited for so many seconds before SIGKILL."""


def program_of(action: Action) -> str:
    begun = start_stop_daemon.started(action.words)
    return begun.command[0].rpartition("/")[2] if begun is not None and begun.command[0] else ""


def translate(draft: Draft, traces: dict[str, Trace], action: Action, header: Header, text: str) -> None:
    trace, place = traces["start"], action.place
    if action.unknown:
        draft.refuse(f"{' '.join(action.raw.split())}: {action.unknown} is only known when it runs", place)
    begun = start_stop_daemon.started(action.words)
    if begun is None:
        draft.refuse(f"{' '.join(action.raw.split())}: names no program", place)
    assert begun is not None
    if begun.chroot:
        draft.refuse(f"is started in another root directory ({begun.chroot})", place)
    describe(draft, header)
    draft.carried(place, action.raw)
    draft.keys["command"] = begun.command
    _account(draft, begun, place)
    _life(draft, traces, begun, action)
    _inherited(draft, trace, action)
    for each in begun.left_out:
        draft.left_out(place, action.raw, each)
    if not action.is_certain:
        draft.approximated(place, action.raw, "stands under a condition that only a running system can tell")
    for name, line in action.doubtful:
        draft.approximated(
            place,
            f"${name}",
            f"set under a condition (line {line}) that only a running system can tell; taken: {trace.value(name)!r}",
        )
    for file, where in trace.sourced.items():
        draft.approximated(
            where, file, "its values as they are now; a change of the file needs a new import, or an edit of conf.d"
        )
    _end(draft, traces, place)
    _others(draft, trace, action)
    ends = [each for each, count in trace.ends if count <= trace.actions.index(action)]
    if ends:
        draft.keys["autostart"] = False
        draft.approximated(ends[0], "exit", "as its settings are now the script starts nothing: autostart is off")


def describe(draft: Draft, header: Header) -> None:
    for keyword, (value, place) in header.items():
        if keyword in ("Short-Description",):
            draft.keys["description"] = value
            draft.carried(place, f"{keyword}: {value}")
        elif keyword == "Default-Start":
            if not set(value.split()) & set("2345"):
                draft.keys["autostart"] = False
            draft.carried(place, f"{keyword}: {value}")
        elif keyword in (
            "Description",
            "Provides",
            "Default-Stop",
            "Required-Stop",
            "Should-Stop",
            "X-Stop-After",
            "X-Interactive",
        ):
            draft.needless(
                place, f"{keyword}: {value}", "amonsup stops in the opposite order" if "Stop" in keyword else ""
            )
    if draft.keys.get("description") == "":
        del draft.keys["description"]


def _account(draft: Draft, begun: start_stop_daemon.Started, place: Place) -> None:
    if begun.user and begun.user not in ("root", "0"):
        draft.keys["user"] = begun.user
    if begun.group and not (begun.group in ("root", "0") and "user" not in draft.keys):
        draft.keys["group"] = begun.group
    if begun.working_dir:
        draft.keys["working_dir"] = begun.working_dir
    if re.fullmatch("[0-7]{1,4}", begun.umask):
        draft.keys["umask"] = begun.umask
    if re.fullmatch("[+-]?[0-9]{1,2}", begun.nice) and -20 <= int(begun.nice) <= 19:
        draft.keys["nice"] = int(begun.nice)
    if begun.iosched:
        kind, _, level = begun.iosched.partition(":")
        kind = {"real-time": "realtime"}.get(kind, kind)
        if kind in ("idle", "best-effort", "realtime") and re.fullmatch("[0-7]?", level):
            draft.keys["ionice"] = kind if kind == "idle" or not level else f"{kind}:{level}"
        else:
            draft.left_out(place, f"--iosched {begun.iosched}", "no such class of input and output")


def _life(draft: Draft, traces: dict[str, Trace], begun: start_stop_daemon.Started, action: Action) -> None:
    """Who goes into the background by itself is found by its pid file; whom the script puts there stays here."""
    keys, place = draft.keys, action.place
    keys["restart"] = "no"
    if begun.notifies:
        keys["type"] = "notify"
    elif not begun.is_background and not action.is_background:
        pid_file = begun.pid_file or pid_file_named(traces)
        keys["type"] = "forking"
        if pid_file:
            keys["pid_file"] = pid_file
        if not pid_file:
            how = "no pid file is named: the daemon is the oldest process that the command leaves behind"
            draft.approximated(place, action.raw, how)
        elif not begun.pid_file:
            draft.approximated(place, action.raw, f"taken to write {pid_file}, which the script names elsewhere")
    elif begun.is_background and begun.pid_file and not begun.makes_pid_file:
        how = "taken to stay in the foreground; if it forks by itself, say `type: forking` and `pid_file`"
        draft.approximated(place, action.raw, how)
    draft.carried(place, "init script", "is not restarted when it ends; `restart: always` would do that")


def pid_file_of(traces: dict[str, Trace]) -> str:
    """The one that a command names, or the variable that everybody calls so."""
    found = pid_file_named(traces)
    for name in () if found else ("PIDFILE", "PID_FILE", "pidfile", "PID"):
        value = traces["start"].value(name)
        if value.startswith("/"):
            return value
    return found


def pid_file_named(traces: dict[str, Trace]) -> str:
    """The one that a command of the start, the stop or the reload looks at."""
    for argument in ("start", "stop", "reload"):
        for action in traces[argument].actions:
            if not action.words or action.unknown:
                continue
            found = start_stop_daemon.stopped(action.words) or start_stop_daemon.started(action.words)
            if found is not None and found.pid_file.startswith("/"):
                return found.pid_file
    return ""


def _inherited(draft: Draft, trace: Trace, action: Action) -> None:
    variables = {name: trace.value(name) for name in trace.exported if trace.values.get(name)}
    variables.update(action.environment)
    if variables:
        draft.keys["environment"] = variables
    if trace.umask and "umask" not in draft.keys and re.fullmatch("[0-7]{1,4}", trace.umask):
        draft.keys["umask"] = trace.umask
    if trace.directory.startswith("/") and "working_dir" not in draft.keys:
        draft.keys["working_dir"] = trace.directory
    names = {"-n": "nofile", "-u": "nproc", "-l": "memlock", "-c": "core", "-s": "stack", "-v": "as", "-f": "fsize"}
    for option, value in trace.limits.items():
        name = names.get(option.replace("H", "").replace("S", ""), "")
        if name and (value.isdecimal() or value == "unlimited"):
            factor = 1024 if name in ("memlock", "core", "stack", "as") and value.isdecimal() else 1
            draft.keys.setdefault("ulimits", {})[name] = int(value) * factor if value.isdecimal() else value


def _end(draft: Draft, traces: dict[str, Trace], place: Place) -> None:
    """stop_signal and its patience; reload by a signal."""
    stops = [
        (action, found)
        for action in traces["stop"].actions
        if action.words and (found := start_stop_daemon.stopped(action.words))
    ]
    wait_s = next((found.wait_s for _, found in stops if found.wait_s >= 0), -1)
    name = next((found.signal for _, found in stops if found.signal), "")
    if name and name != "SIGTERM":
        draft.keys["stop_signal"] = name
    draft.keys["stop_grace_period"] = f"{wait_s if wait_s > 0 else LATE}s"
    if stops:
        draft.carried(stops[0][0].place, stops[0][0].raw)
    else:
        draft.approximated(
            place, "stop", f"by SIGTERM, and SIGKILL after {LATE} s: the script stops it in a way that is not known"
        )
    if wait_s < 0 and stops:
        draft.approximated(
            stops[0][0].place, stops[0][0].raw, f"waits as long as it takes; here SIGKILL comes after {LATE} s"
        )
    for action in traces["stop"].actions:
        if (
            action.words
            and not any(action is each for each, _ in stops)
            and action.words[0] not in ("start-stop-daemon", "killproc")
        ):
            draft.left_out(
                action.place, action.raw, "on the way to a stop; if it is needed, it belongs into pre_stop or post_stop"
            )
    for action in traces["reload"].actions:
        found = start_stop_daemon.stopped(action.words) if action.words else None
        signal = found.signal if found is not None else _killed(action)
        if signal:
            draft.keys["reload"] = signal
            return draft.carried(action.place, action.raw, "as reload")
    return None


def _killed(action: Action) -> str:
    """kill -HUP …"""
    if len(action.words) >= 2 and action.words[0] in ("kill", "/bin/kill", "pkill", "killall"):
        option = action.words[2] if action.words[1] == "-s" and len(action.words) > 2 else action.words[1].lstrip("-")
        return signal_name(option)
    return ""


def _others(draft: Draft, trace: Trace, started: Action) -> None:
    """Every other command of the start: directories are made by a service of its own, the rest is named."""
    prepares: list[str] = []
    for action in trace.actions:
        if action is started or not action.words or not action.words[0]:
            continue
        program = action.words[0].rpartition("/")[2]
        if is_start(action.words):
            if program_of(action) == program_of(started):
                draft.left_out(action.place, action.raw, "another way to start the same program")
        elif program.endswith("start-stop-daemon"):
            continue
        elif program in DIRECTORY_TOOLS and not action.unknown and _is_about_directories(action.words):
            prepares.append(shlex.join(action.words))
            draft.approximated(action.place, action.raw, "done once before the first start, by a service of its own")
        else:
            draft.left_out(
                action.place, action.raw, "on the way to the start; if it is needed, it belongs into pre_start"
            )
    if prepares:
        name = f"{draft.name[:55]}-prepare"
        draft.companions[name] = {
            "description": f"what root does before {draft.name} starts",
            "type": "oneshot",
            "command": ["/bin/sh", "-c", " && ".join(dict.fromkeys(prepares))],
        }
        draft.keys.setdefault("depends_on", {})[name] = {"condition": "service_completed_successfully"}


def _is_about_directories(words: tuple[str, ...]) -> bool:
    """Only below the places that a boot clears or daemons keep their state in."""
    paths = [word for word in words[1:] if word.startswith("/")]
    is_install = words[0].endswith("install")
    return (
        bool(paths) and all(path.startswith(("/run/", "/var/")) for path in paths) and (not is_install or "-d" in words)
    )
