"""supervisord.conf as a kind of source: [program:x], [group:x], [include], %(expressions)s (supervisord's own manual).

The file is read by rules of its own, not by configparser, because places are needed and no text may make it fail.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable

import msgspec

from amonsup.config import units
from amonsup.importing.draft import Draft, Filled, Place, RefusedError, fit_name
from amonsup.importing.machine import Machine, UnusableError
from amonsup.importing.unit_life import signal_name

KIND = "supervisord"
MAX_INCLUDES = 200
_SECTION = re.compile(r"\[([^\]]+)\]")
_OPTION = re.compile(r"([^:=\s][^:=]*?)\s*[:=]\s*(.*)")
_EXPRESSION = re.compile(r"%\(([A-Za-z_][A-Za-z0-9_]*)\)(0?[0-9]*[sd])|%%")
_PAIR = re.compile(
    r"""\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^,]*?))\s*(?:,|$)"""
)
_SIZE = re.compile(r"([0-9]{1,12})\s*(KB|MB|GB)?", re.IGNORECASE)
YES = {"true", "yes", "on", "1", "t", "y"}


class Option(msgspec.Struct, frozen=True):
    value: str
    place: Place


class Section(msgspec.Struct):
    name: str
    place: Place
    options: dict[str, Option] = msgspec.field(default_factory=dict)

    def value(self, key: str, default: str = "") -> str:
        return self.options[key].value if key in self.options else default


def claims(name: str, text: str) -> bool:
    return bool(re.search(r"^\[(?:program:[^\]]+|supervisord|group:[^\]]+)\]", text, re.MULTILINE))


def parse(text: str, file: str) -> tuple[list[Section], list[tuple[str, Place]]]:
    """Sections, and lines that are nothing. Never raises."""
    sections: list[Section] = []
    oddities: list[tuple[str, Place]] = []
    last = ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = re.split(r"(?:^|\s);", raw.rstrip(), maxsplit=1)[0].rstrip()
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := _SECTION.fullmatch(line.strip()):
            sections.append(Section(match[1].strip(), Place(file, number)))
            last = ""
        elif raw[:1].isspace() and last and sections:
            option = sections[-1].options[last]
            sections[-1].options[last] = Option(f"{option.value}\n{line.strip()}", option.place)
        elif (match := _OPTION.fullmatch(line)) and sections:
            last = match[1].strip().lower()
            sections[-1].options[last] = Option(match[2].strip(), Place(file, number))
        else:
            oddities.append((line, Place(file, number)))
    return sections, oddities


def gather(machine: Machine, paths: list[str]) -> tuple[list[Draft], list[str]]:
    problems: list[str] = []
    sections: list[Section] = []
    seen: set[str] = set()
    for path in paths:
        _read(machine, path, sections, seen, problems, 0)
    groups = {
        program.strip(): section.name.partition(":")[2]
        for section in sections
        if section.name.startswith("group:")
        for program in section.value("programs").split(",")
    }
    drafts = []
    for section in sections:
        kind, _, name = section.name.partition(":")
        if kind in ("program", "eventlistener", "fcgi-program"):
            drafts.append(_program(kind, name.strip(), section, groups))
    return drafts, problems


def _read(
    machine: Machine, path: str, sections: list[Section], seen: set[str], problems: list[str], depth: int
) -> None:
    real = os.path.realpath(machine.on_disk(path))
    if real in seen or len(seen) > MAX_INCLUDES or depth > 5:
        return
    seen.add(real)
    try:
        found, oddities = parse(machine.text(path), path)
    except UnusableError as wrong:
        problems.append(f"{path}: {wrong}")
        return
    problems += [f"{path}:{place.line}: neither a [section] nor KEY=value" for _, place in oddities[:20]]
    sections += found
    here = path.rpartition("/")[0]
    for section in found:
        if section.name == "include":
            for pattern in section.value("files").replace("%(here)s", here).split():
                full = pattern if pattern.startswith("/") else f"{here}/{pattern}"
                directory, _, name = full.rpartition("/")
                matches = [
                    f"{directory}/{each}" for each in machine.names(directory) if fnmatch.fnmatchcase(each, name)
                ]
                for each in matches:
                    _read(machine, each, sections, seen, problems, depth + 1)


class _Filler:
    """%(expressions)s of one program."""

    def __init__(self, draft: Draft, name: str, group: str, here: str, *, is_scaled: bool) -> None:
        self.draft, self.is_scaled = draft, is_scaled
        self.known = {
            "program_name": name,
            "group_name": group or name,
            "here": here,
            "host_node_name": os.uname().nodename,
        }

    def fill(self, option: Option, key: str) -> str:
        """With `$` doubled where it would start a variable; ENV_X becomes the daemon's own variable X."""

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if match[0] == "%%":
                return "%"
            if name.startswith("ENV_"):
                self.draft.approximated(
                    option.place, f"{key}={option.value}", f"${{{name[4:]}}} is amonsupd's own, read at an apply"
                )
                return f"\0{name[4:]}\1"
            if name == "process_num":
                if self.is_scaled:
                    self.draft.approximated(
                        option.place, f"{key}={option.value}", "instances count from 1, without zeros in front"
                    )
                return "{instance}" if self.is_scaled else "0"
            if name in self.known:
                return self.known[name]
            raise RefusedError(f"{key}: %({name})s is not known", option.place)

        return _EXPRESSION.sub(one, option.value)


Handler = Callable[[Draft, str, Option, _Filler, Section], None]


def _program(kind: str, name: str, section: Section, groups: dict[str, str]) -> Draft:
    draft = Draft(fit_name(name), KIND, section.place.file)
    try:
        if kind != "program":
            draft.refuse(f"[{section.name}]: only supervisord speaks the protocol of such programs", section.place)
        _service(draft, name, section, groups.get(name, ""))
    except RefusedError as refusal:
        draft.reason = f"{refusal} (line {refusal.place.line})" if refusal.place else str(refusal)
    return draft


def _service(draft: Draft, name: str, section: Section, group: str) -> None:
    count = section.value("numprocs", "1")
    is_scaled = count.isdecimal() and len(count) < 5 and int(count) > 1
    filler = _Filler(draft, name, group, section.place.file.rpartition("/")[0], is_scaled=is_scaled)
    if "command" not in section.options:
        draft.refuse(f"[{section.name}] has no command", section.place)
    if group:
        draft.keys["tags"] = [fit_name(group)]
        draft.carried(section.place, f"group {group}", f"@{fit_name(group)} selects it")
    if is_scaled:
        draft.keys["scale"] = int(count)
    for key, option in section.options.items():
        handler = _HANDLERS.get(key)
        if handler is not None:
            handler(draft, key, option, filler, section)
        else:
            draft.left_out(option.place, f"{key}={option.value}", _REASONS.get(key, "amonsup has nothing like it"))
    _restarts(draft, section)
    _outputs(draft, section)
    draft.keys.setdefault("min_uptime", f"{_number(section.value('startsecs'), 1)}s")
    if draft.keys["min_uptime"] == "1s":
        del draft.keys["min_uptime"]


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 8 else default


def _command(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
    text = filler.fill(option, key)
    try:
        words = units.split_words(text)
    except ValueError as wrong:
        raise RefusedError(f"command: {wrong}", option.place) from None
    if not words:
        raise RefusedError("command: names no program", option.place)
    draft.keys["command"] = [Filled(word) if "\0" in word else word for word in words]
    draft.carried(option.place, f"{key}={option.value}")


def _text(target: str) -> Handler:
    def handle(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
        value = filler.fill(option, key)
        if value:
            draft.keys[target] = Filled(value) if "\0" in value else value
        draft.carried(option.place, f"{key}={option.value}")

    return handle


def _flag(target: str) -> Handler:
    def handle(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
        if option.value.lower() not in YES:
            draft.keys[target] = False
        draft.carried(option.place, f"{key}={option.value}")

    return handle


def _span(target: str) -> Handler:
    def handle(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
        if option.value.isdecimal() and len(option.value) < 8:
            draft.keys[target] = f"{int(option.value)}s"
            draft.carried(option.place, f"{key}={option.value}")
        else:
            draft.left_out(option.place, f"{key}={option.value}", "not a number of seconds")

    return handle


def _mask(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
    if re.fullmatch("[0-7]{1,4}", option.value):
        draft.keys["umask"] = option.value
        return draft.carried(option.place, f"{key}={option.value}")
    return draft.left_out(option.place, f"{key}={option.value}", "not an octal mask")


def _signal(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
    found = signal_name(option.value)
    if not found:
        return draft.left_out(option.place, f"{key}={option.value}", "there is no such signal")
    draft.keys["stop_signal"] = found
    return draft.carried(option.place, f"{key}={option.value}")


def _environment(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
    text = filler.fill(option, key).replace("\n", "")
    variables: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if not match or match.end() == position:
            return draft.left_out(option.place, f"{key}={option.value}", 'not KEY="value", KEY="value"')
        value = next((each for each in (match[2], match[3], match[4]) if each is not None), "")
        variables[match[1]] = Filled(value) if "\0" in value else value
        position = match.end()
    if variables:
        draft.keys["environment"] = variables
    return draft.carried(option.place, f"{key}={option.value}")


def _silent(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
    """Read together with others, which say what became of it."""


def _restarts(draft: Draft, section: Section) -> None:
    """autorestart, startretries, startsecs, exitcodes: after so many failed starts in a row supervisord gives up."""
    policy = section.value("autorestart", "unexpected").lower()
    codes = [
        each.strip()
        for each in section.value("exitcodes", "0").split(",")
        if each.strip().isdecimal() and len(each.strip()) < 4
    ]
    draft.keys["restart"] = "on-failure" if policy == "unexpected" else "always" if policy in YES else "no"
    if policy == "unexpected":
        draft.keys["success_exit"] = codes or ["0"]
    retries = _number(section.value("startretries"), 3)
    if draft.keys["restart"] != "no":
        draft.keys["backoff"] = {"initial": "0s", "step": "1s", "factor": 2}
        draft.keys["start_limit"] = {"count": retries + 1, "within": "1m"}
        how = f"pauses grow 1 s, 2 s, 4 s; given up after {retries + 1} starts within a minute, failed ones or not"
        draft.approximated(
            section.options["startretries"].place if "startretries" in section.options else section.place,
            f"startretries={retries}",
            how,
        )
    for key in ("autorestart", "exitcodes"):
        if key in section.options:
            draft.carried(section.options[key].place, f"{key}={section.options[key].value}")


def _outputs(draft: Draft, section: Section) -> None:
    logging: dict[str, object] = {}
    is_merged = section.value("redirect_stderr", "false").lower() in YES
    files = {key: section.value(f"{key}_logfile", "AUTO") for key in ("stdout", "stderr")}
    if files["stdout"].upper() in ("NONE", "/DEV/NULL") and (
        is_merged or files["stderr"].upper() in ("NONE", "/DEV/NULL")
    ):
        logging["capture"] = False
    elif not is_merged:
        logging["stderr"] = "separate"
    if "capture" not in logging:
        logging["max_size"] = _size(section.value("stdout_logfile_maxbytes", "50MB")) or "50MiB"
        backups = _number(section.value("stdout_logfile_backups"), 10)
        logging["max_files"] = max(1, backups + 1)
        logging["compress"] = False
    draft.keys["logging"] = logging
    for key, option in section.options.items():
        if not key.startswith(("stdout_", "stderr_", "redirect_")):
            continue
        what = f"{key}={option.value}"
        if key.endswith("_logfile"):
            if option.value.upper() in ("AUTO", "NONE", "/DEV/NULL") or (is_merged and key.startswith("stderr")):
                draft.carried(option.place, what)
            else:
                draft.approximated(option.place, what, "goes to the service's log in log_dir instead")
        elif key in ("redirect_stderr", "stdout_logfile_maxbytes", "stdout_logfile_backups"):
            draft.carried(option.place, what)
        elif key in ("stderr_logfile_maxbytes", "stderr_logfile_backups"):
            draft.approximated(option.place, what, "the limits of stdout hold for both")
        elif key.endswith(("_capture_maxbytes", "_events_enabled", "_syslog")):
            draft.left_out(option.place, what, "amonsup has nothing like it")


def _size(text: str) -> str:
    match = _SIZE.fullmatch(text.strip())
    if not match or int(match[1]) == 0:
        return "1TiB" if match else ""
    return f"{match[1]}{(match[2] or 'B').upper().replace('KB', 'KiB').replace('MB', 'MiB').replace('GB', 'GiB')}"


def _groups(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
    how = "a stop sends the signal to the main process, then ends every other process of the service"
    if option.value.lower() in YES:
        return draft.approximated(option.place, f"{key}={option.value}", how)
    return draft.carried(option.place, f"{key}={option.value}", how)


def _priority(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
    draft.left_out(
        option.place, f"{key}={option.value}", "the order of starts comes from depends_on alone: say who needs whom"
    )


def _process_name(draft: Draft, key: str, option: Option, filler: _Filler, section: Section) -> None:
    usual = {
        "%(program_name)s",
        "%(program_name)s_%(process_num)d",
        "%(program_name)s_%(process_num)02d",
        "%(program_name)s-%(process_num)d",
    }
    if option.value in usual:
        return draft.carried(option.place, f"{key}={option.value}", "instances are NAME-1, NAME-2 …")
    return draft.approximated(option.place, f"{key}={option.value}", "instances are NAME-1, NAME-2 …")


_REASONS = {"serverurl": "there is no XML-RPC server", "numprocs_start": "instances count from 1"}
_HANDLERS: dict[str, Handler] = {
    "command": _command,
    "user": _text("user"),
    "directory": _text("working_dir"),
    "umask": _mask,
    "environment": _environment,
    "autostart": _flag("autostart"),
    "startsecs": _span("min_uptime"),
    "stopwaitsecs": _span("stop_grace_period"),
    "stopsignal": _signal,
    "stopasgroup": _groups,
    "killasgroup": _groups,
    "priority": _priority,
    "process_name": _process_name,
    **dict.fromkeys(
        ("autorestart", "exitcodes", "startretries", "numprocs", "redirect_stderr", "stdout_logfile", "stderr_logfile",
         "stdout_logfile_maxbytes", "stdout_logfile_backups", "stderr_logfile_maxbytes", "stderr_logfile_backups",
         "stdout_capture_maxbytes", "stderr_capture_maxbytes", "stdout_events_enabled", "stderr_events_enabled",
         "stdout_syslog", "stderr_syslog"),
        _silent,
    ),
}  # fmt: skip
