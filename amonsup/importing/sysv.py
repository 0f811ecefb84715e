"""SysV init scripts as a kind of source: LSB header, start-stop-daemon, start_daemon, Red Hat's daemon, init-d-script.

A script is followed on paper with `start`, `stop` and `reload` (shell_trace.py); what it would start becomes the
command.
Variables get the values they have now, those of /etc/default included; every other command on the way is reported.
"""

from __future__ import annotations

import re
import shlex

from amonsup.importing.draft import Draft, Place, RefusedError, fit_name
from amonsup.importing.machine import Machine, UnusableError
from amonsup.importing.shell_starts import is_start
from amonsup.importing.shell_trace import Action, Trace
from amonsup.importing.shell_words import TooMuchError
from amonsup.importing.sysv_service import LATE, Header, describe, pid_file_of, program_of, translate

KIND = "sysv"
TEMPLATES = {"skeleton", "README", "rc", "rcS", "functions", "halt", "single", "killall"}
FACILITIES = frozenset(
    """
    $all $local_fs $remote_fs $network $named $portmap $syslog $time $x-display-manager $mail-transport-agent
    """.split()
)
_HEADER = re.compile(r"#\s*([A-Za-z-]+):\s*(.*)")
_INIT_D_SCRIPT = re.compile(r"^#!.*init-d-script|^\s*(?:set .*;\s*)?.*\.\s+/lib/init/init-d-script", re.MULTILINE)
_CHOICES = re.compile(r"^\s*[\"']?(?:[a-z-]+[\"']?\s*\|\s*[\"']?)*start[\"']?(?:\s*\|\s*[a-z-]+)*\s*\)", re.MULTILINE)


def claims(name: str, text: str) -> bool:
    """A script for a shell that has a header of the LSB, or a `start)`."""
    if name in TEMPLATES or not text.startswith("#!"):
        return False
    first = text.split("\n", 1)[0]
    is_shell = any(each in first for each in ("/sh", "bash", "dash", "init-d-script", "runscript", "openrc", "env sh"))
    return is_shell and (
        "### BEGIN INIT INFO" in text or bool(_CHOICES.search(text)) or bool(_INIT_D_SCRIPT.search(text))
    )


def gather(machine: Machine, paths: list[str]) -> tuple[list[Draft], list[str]]:
    drafts: list[Draft] = []
    provided: dict[str, Draft] = {}
    headers: dict[str, Header] = {}
    problems: list[str] = []
    for path in paths:
        try:
            text = machine.text(path)
        except UnusableError as wrong:
            problems.append(f"{path}: {wrong}")
            continue
        header = headers_of(text, path)
        found = read(machine, path, text, header)
        drafts += found
        for draft in found:
            headers[draft.name] = header
            if not draft.reason:
                for each in (draft.name, *header.get("Provides", ("", Place(path)))[0].split()):
                    provided.setdefault(each, draft)
    for draft in drafts:
        if not draft.reason:
            _order(draft, headers[draft.name], provided)
    return drafts, problems


def headers_of(text: str, path: str) -> Header:
    """The LSB header: keyword -> (value, place)."""
    found: Header = {}
    is_inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("### BEGIN INIT INFO"):
            is_inside = True
        elif line.startswith("### END INIT INFO"):
            break
        elif is_inside and (match := _HEADER.match(line)):
            found[match[1]] = (match[2].strip(), Place(path, number))
    return found


def read(machine: Machine, path: str, text: str, header: Header) -> list[Draft]:
    """The services of one script: one a daemon that it starts."""
    name = path.rpartition("/")[2].removesuffix(".sh")
    draft = Draft(fit_name(name), KIND, path)
    try:
        traces = {each: _traced(machine, path, text, name, each) for each in ("start", "stop", "reload")}
        actions = _daemons(traces["start"])
        if not actions:
            _refuse_without(draft, traces["start"], name, path)
        drafts = [draft]
        for index, action in enumerate(actions):
            if index:
                drafts.append(Draft(fit_name(f"{draft.name}-{program_of(action)}"), KIND, path))
            translate(drafts[-1], traces, action, header, text)
        return drafts
    except RefusedError as refusal:
        again = _by_script(name, path, traces, header, refusal)
        if again is not None:
            return [again]
        draft.reason = (
            str(refusal) if not refusal.place or not refusal.place.line else f"{refusal} (line {refusal.place.line})"
        )
    except TooMuchError as wrong:
        draft.reason = f"{wrong}"
    return [draft]


def _by_script(name: str, path: str, traces: dict[str, Trace], header: Header, refusal: RefusedError) -> Draft | None:
    """The script does the starting itself, if it is known where the daemon's pid will be."""
    pid_file = pid_file_of(traces)
    if not pid_file and not any(is_start(action.words) for action in traces["start"].actions):
        return None
    draft = Draft(fit_name(name), KIND, path)
    describe(draft, header)
    draft.keys |= {
        "type": "forking",
        "command": [path, "start"],
        "pre_stop": [path, "stop"],
        "restart": "no",
        "stop_grace_period": f"{LATE}s",
        "environment": {"SYSTEMCTL_SKIP_REDIRECT": "1"},
    }
    if pid_file:
        draft.keys["pid_file"] = pid_file
    found = f"found by {pid_file}" if pid_file else "the oldest process that it leaves behind"
    how = f"the script itself starts and stops the daemon, which is {found}: {refusal}"
    draft.approximated(refusal.place or Place(path), "start", how)
    return draft


def _traced(machine: Machine, path: str, text: str, name: str, argument: str) -> Trace:
    trace = Trace(machine, path, name, argument)
    trace.run(text)
    if _INIT_D_SCRIPT.search(text) or "INIT_D_SCRIPT_SOURCED" in text:
        _as_init_d_script(trace, machine, path, argument)
    return trace


def _as_init_d_script(trace: Trace, machine: Machine, path: str, argument: str) -> None:
    """What init-d-script(5) does with the variables and functions of the script."""
    values = trace.values
    daemon = trace.value("DAEMON")
    name = trace.value("NAME") or daemon.rpartition("/")[2]
    values["NAME"] = name
    if values.get("PIDFILE", "") == "none":
        values["PIDFILE"] = ""
    elif values.get("PIDFILE", "") == "":
        values["PIDFILE"] = f"/var/run/{name}.pid"
    trace.run(f". /etc/default/{shlex.quote(name)}")
    trace.call(f"do_{argument}_prepare")
    if (
        trace.call(f"do_{argument}_override")
        or trace.call(f"do_{argument}_cmd_override")
        or (argument == "reload" and trace.call("do_reload"))
    ):
        return
    daemon = "" if trace.value("DAEMON") == "none" else trace.value("DAEMON")
    if argument == "start" and daemon:
        pid_file = values["PIDFILE"]
        option = f"--pidfile {shlex.quote(pid_file)}" if pid_file else "--pidfile $PIDFILE" if pid_file is None else ""
        trace.run(f"start-stop-daemon --start {option} --exec {shlex.quote(daemon)} $START_ARGS -- $DAEMON_ARGS")
    elif argument == "stop" and daemon:
        trace.run("start-stop-daemon --stop --retry=TERM/30/KILL/5 $STOP_ARGS")
    elif argument == "reload" and trace.value("RELOAD_SIGNAL"):
        trace.run("start-stop-daemon --stop --signal $RELOAD_SIGNAL")


def _daemons(trace: Trace) -> list[Action]:
    """The commands that start a daemon, one a program: certain ones first."""
    found: dict[str, Action] = {}
    starts = [action for action in trace.actions if is_start(action.words)]
    for action in [*(each for each in starts if each.is_certain and not each.unknown), *starts]:
        found.setdefault(program_of(action), action)
    known = {program: action for program, action in found.items() if program}
    return sorted(known.values() or found.values(), key=trace.actions.index)


def _refuse_without(draft: Draft, trace: Trace, name: str, path: str) -> None:
    if not trace.actions:
        draft.refuse("starts nothing that can be seen without running it: write its command into conf.d by hand")
    others = [action for action in trace.actions if action.words and action.words[0]]
    what = ", ".join(dict.fromkeys(action.words[0].rpartition("/")[2] for action in others[:8]))
    draft.refuse(
        f"starts no daemon in a way that is known (start-stop-daemon, start_daemon, daemon); it runs: {what}; "
        "if it only sets something up, a service of type oneshot can do that",
        others[0].place if others else None,
    )


def _order(draft: Draft, header: Header, provided: dict[str, Draft]) -> None:
    for keyword in ("Required-Start", "Should-Start", "X-Start-Before"):
        if keyword not in header:
            continue
        value, place = header[keyword]
        for name in value.split():
            what = f"{keyword}: {name}"
            other = provided.get(name)
            if name in FACILITIES:
                draft.needless(place, what, "up before amonsupd is started")
            elif keyword == "X-Start-Before" or other is None or other is draft:
                draft.left_out(
                    place,
                    what,
                    f"{name} is not among what is imported" if other is None else "only what must be up before counts",
                )
            elif _needs(other, draft, provided):
                draft.left_out(place, what, "would close a circle of dependencies")
            else:
                draft.keys.setdefault("depends_on", {})[other.name] = {"condition": "service_started"}
                if keyword == "Required-Start":
                    draft.carried(place, what)
                else:
                    draft.approximated(place, what, f"waits for {other.name}, and is stopped before it")


def _needs(draft: Draft, goal: Draft, provided: dict[str, Draft]) -> bool:
    """Whether a draft depends on another, in any number of steps."""
    by_name = {each.name: each for each in provided.values()}
    todo, seen = [draft.name], set()
    while todo:
        name = todo.pop()
        if name == goal.name:
            return True
        if name in by_name and name not in seen:
            seen.add(name)
            todo.extend(by_name[name].keys.get("depends_on", {}))
    return False
