"""The vocabulary of a service: every key of `services.NAME`, once.

To add a key, add a line here and a field to the spec; the parser, the JSON Schema and the errors follow
from it. Records of several keys (back-off, health checks, logging) have tables of their own above the
service's.
"""

from __future__ import annotations

import re
from typing import Any

from amonsup.config import capabilities, not_yet, units, watch_rules
from amonsup.config.environment import EnvFiles, Environment
from amonsup.config.errors import path_part, shown
from amonsup.config.fields import (
    Command,
    FilePath,
    Reader,
    RefusedError,
    Scope,
    Value,
    boolean,
    choice,
    duration,
    filled_text,
    integer,
    name,
    number,
    one_of,
    pattern,
    scalar_text,
    signal_number,
    size,
    text,
    umask,
)
from amonsup.config.keys import Key, ListOf, MapOf, OrWord, Record, Table, Values, as_mapping, table
from amonsup.config.schedule_keys import Schedule, TimeZone
from amonsup.config.specs import (
    Backoff,
    Condition,
    Dependency,
    Healthcheck,
    Logging,
    RestartPolicy,
    Role,
    ServiceType,
    StartLimit,
    Update,
    WatchRule,
)
from amonsup.config.strict_yaml import Mapping, Node, Scalar, Sequence, kind

ROLES = {role.name.lower(): role for role in Role}
MILLISECOND = 0.001
ADDRESS = r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"
CHECKED_HOST = r"(?:(?:[A-Za-z0-9_.-]|\{(?:name|instance)\})+|\[[0-9A-Fa-f:.]+\])"
CHECKED_PORT = r"(?:[0-9]|\{instance\}){1,5}"
CHECKED_URL = rf"https?://{CHECKED_HOST}(?::{CHECKED_PORT})?(?:[/?#][!-~]*)?"
UNLIMITED = "unlimited"
ULIMITS = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
]
MAX_OWN_FILES, MAX_OWN_PATH = 20, 1000
MAX_WATCHES = 32
MAX_PATTERNS = 20_000
"""Rules of one service, and characters of their patterns together (as ASCII): one message of ours holds them."""


class DependsOn(Reader, frozen=True):
    """`depends_on`: a list of names, or a mapping of names to what is waited for."""

    def read(self, node: Node, path: str, scope: Scope) -> tuple[Dependency, ...]:
        if type(node) is Sequence:
            return self._listed(node, path, scope)
        found = []
        for other, (place, below) in as_mapping(node, path, scope).entries.items():
            where = f"{path}.{path_part(other)}"
            try:
                values = _DEPENDENCY.read(below, where, scope)
                found.append(Dependency(name().read(place, where, scope), **values))
            except RefusedError:
                continue
        return tuple(found)

    def _listed(self, node: Sequence, path: str, scope: Scope) -> tuple[Dependency, ...]:
        found: dict[str, Dependency] = {}
        for position, item in enumerate(node.items):
            where = f"{path}[{position}]"
            try:
                other = name().read(item, where, scope)
            except RefusedError:
                continue
            if other in found:
                scope.report(item, where, f"{other} stands twice")
            found[other] = Dependency(other)
        return tuple(found.values())

    def form(self) -> dict[str, Any]:
        listed = {"type": ["array", "null"], "items": name().form()}
        below = {"anyOf": [{"type": "null"}, _DEPENDENCY.form()]}
        mapping = {
            "type": "object",
            "propertyNames": {"pattern": f"^{units.NAME}$"},
            "additionalProperties": below,
        }
        return {"anyOf": [listed, mapping]}


class Reload(Reader, frozen=True):
    """`reload`: a signal, or a command. One word that looks like a signal is one."""

    def read(self, node: Node, path: str, scope: Scope) -> int | tuple[str, ...]:
        if type(node) is Scalar and _looks_like_signal(node.text):
            return signal_number().read(node, path, scope)  # type: ignore[no-any-return]
        return Command().read(node, path, scope)

    def form(self) -> dict[str, Any]:
        return {"anyOf": [signal_number().form(), Command().form()]}


class HealthTest(Reader, frozen=True):
    """`healthcheck.test`, as Compose has it: ["CMD", word, …] or ["CMD-SHELL", text]."""

    def read(self, node: Node, path: str, scope: Scope) -> tuple[str, ...]:
        allowed = '["CMD", program, argument …] or ["CMD-SHELL", text]'
        if type(node) is not Sequence:
            scope.refuse(node, path, f"expected a list, found {kind(node)}", allowed)
        words = Command().read(node, path, scope)
        if words[0] not in ("CMD", "CMD-SHELL"):
            scope.refuse(node, path, f"begins with {shown(words[0])}", allowed)
        if len(words) < 2 or not words[1] or (words[0] == "CMD-SHELL" and len(words) != 2):
            scope.refuse(node, path, f"{words[0]} with {len(words) - 1} words after it", allowed)
        return words

    def form(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 2, "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}]}


class ExitStatus(Reader, frozen=True):
    """An exit code, or a signal as a negative number."""

    def read(self, node: Node, path: str, scope: Scope) -> int:
        allowed = "exit codes 0 … 255 and names of signals"
        given = scalar_text(node, path, scope, allowed)
        try:
            if not given.isdigit():
                return -units.parse_signal(given)
            code = units.parse_integer(given)
        except ValueError as wrong:
            scope.refuse(node, path, str(wrong), allowed)
        if code > 255:
            scope.refuse(node, path, f"{shown(given)} is out of range", allowed)
        return code

    def form(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, {"type": "string"}]}


class Ulimit(Reader, frozen=True):
    """One limit: a number for both, or {soft: …, hard: …}; -1 or `unlimited` for none."""

    def read(self, node: Node, path: str, scope: Scope) -> tuple[int, int]:
        if type(node) is Mapping:
            values = _SOFT_HARD.read(node, path, scope)
            return values["soft"], values["hard"]
        both = _LIMIT.read(node, path, scope)
        return both, both

    def form(self) -> dict[str, Any]:
        return {"anyOf": [_LIMIT.form(), _SOFT_HARD.form()]}


class Ulimits(Reader, frozen=True):
    """`ulimits` as (name, soft, hard)."""

    def read(self, node: Node, path: str, scope: Scope) -> tuple[tuple[str, int, int], ...]:
        pairs = _ULIMITS.read(node, path, scope)
        return tuple((which, soft, hard) for which, (soft, hard) in pairs)

    def form(self) -> dict[str, Any]:
        return _ULIMITS.form()


class Watch(Reader, frozen=True):
    """One entry of `logging.watch`: the name of a built-in set, or a rule."""

    def read(self, node: Node, path: str, scope: Scope) -> WatchRule:
        if type(node) is Scalar:
            return WatchRule(builtin=one_of(*watch_rules.SETS).read(node, path, scope))
        return _WATCH_RULE.read(node, path, scope)  # type: ignore[no-any-return]

    def form(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(watch_rules.SETS)}, _WATCH_RULE.form()]}


class OwnFiles(Reader, frozen=True):
    """`logging.files`: paths, with wildcards or without."""

    def read(self, node: Node, path: str, scope: Scope) -> tuple[str, ...]:
        files: tuple[str, ...] = _OWN_FILES.read(node, path, scope)
        if len(files) > MAX_OWN_FILES:
            scope.report(node, path, f"{len(files)} paths", f"at most {MAX_OWN_FILES}")
        if any(len(each.encode("utf-8", "surrogateescape")) > MAX_OWN_PATH for each in files):
            scope.report(node, path, "a path is too long", f"at most {MAX_OWN_PATH} bytes")
        return files

    def form(self) -> dict[str, Any]:
        return {**_OWN_FILES.form(), "maxItems": MAX_OWN_FILES}


class Watches(Reader, frozen=True):
    """`logging.watch`: rules, each once; which one has matched is told by what it looks for."""

    def read(self, node: Node, path: str, scope: Scope) -> tuple[WatchRule, ...]:
        rules: tuple[WatchRule, ...] = _WATCHES.read(node, path, scope)
        if len(rules) > MAX_WATCHES:
            scope.report(node, path, f"{len(rules)} rules", f"at most {MAX_WATCHES}")
        if sum(len(ascii(rule.match)) for rule in rules) > MAX_PATTERNS:
            scope.report(node, path, "the patterns are too long", f"{MAX_PATTERNS} characters together")
        names = [rule.name for rule in rules]
        for name_ in {name_ for name_ in names if names.count(name_) > 1}:
            scope.report(node, path, f"{shown(name_)} stands twice")
        return rules

    def form(self) -> dict[str, Any]:
        return {**_WATCHES.form(), "maxItems": MAX_WATCHES}


def _looks_like_signal(given: str) -> bool:
    return given.isalnum() and (given.startswith("SIG") or given.isupper() or given.isdigit())


def _watch_pattern(given: str) -> str:
    if not given:
        raise ValueError("nothing stands here")
    watch_rules.compile_pattern(given)
    return given


def _capability(given: str) -> str:
    word = given.upper().removeprefix("CAP_")
    name = word if word == "ALL" else f"CAP_{word}"
    if name not in _CAPABILITIES:
        raise ValueError(f"{shown(given)} is not a capability")
    return name


_CAPABILITIES = ("ALL", *capabilities.NAMES)


def capability() -> Reader:
    """A capability, with or without CAP_."""
    spelled = [*_CAPABILITIES, *(word.removeprefix("CAP_") for word in capabilities.NAMES)]
    allowed = "ALL, or a capability such as CAP_NET_BIND_SERVICE (capabilities(7))"
    return Value(_capability, {"enum": spelled}, allowed, words=tuple(spelled))


def _processors(given: str) -> str:
    units.parse_processors(given)
    return given


def processors() -> Reader:
    """A list of processors, kept as it is written."""
    form = {"type": ["string", "integer"], "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"}
    return Value(_processors, form, "numbers and ranges such as 0-3,6")


def build_healthcheck(**values: Any) -> Healthcheck:
    """The record; the first word of `test` tells which kind it is."""
    words = values.pop("test", ())
    if words and words[0] == "CMD-SHELL":
        return Healthcheck(shell=words[1], **values)
    return Healthcheck(test=words[1:], **values)


def _check_kinds(values: Values, mapping: Mapping, path: str, scope: Scope) -> None:
    kinds = [key for key in ("test", "http", "tcp") if key in mapping.entries]
    if len(kinds) > 1:
        place = mapping.entries[kinds[1]][0]
        scope.report(place, f"{path}.{kinds[1]}", f"stands beside '{kinds[0]}'", "one of test, http, tcp")
    if not kinds:
        scope.report(mapping, path, "says nothing to check", "one of test, http, tcp")
    for key in ("http", "tcp"):
        port = _port(str(values.get(key, "")))
        if port.isdigit() and not 0 < int(port) < 65536:
            scope.report(mapping.entries[key][0], f"{path}.{key}", f"there is no port {port}", "1 … 65535")


def _port(target: str) -> str:
    """What stands behind the last colon of the authority of a URL, or of an address."""
    authority = re.split("[/?#]", target.partition("://")[2] or target, maxsplit=1)[0]
    return authority.rpartition(":")[2] if ":" in authority.rpartition("]")[2] else ""


def _check_backoff(values: Values, mapping: Mapping, path: str, scope: Scope) -> None:
    step, longest = values.get("step_s", Backoff().step_s), values.get("max_s", Backoff().max_s)
    initial = values.get("initial_s", 0.0)
    if longest < max(step, initial):
        what = "step" if step > longest else "initial"
        place = mapping.entries["max" if "max" in mapping.entries else what][0]
        scope.report(place, path, f"'max' ({longest:g}s) is less than '{what}' ({max(step, initial):g}s)")


def _check_soft_hard(values: Values, mapping: Mapping, path: str, scope: Scope) -> None:
    soft, hard = values.get("soft", 0), values.get("hard", -1)
    if hard != -1 and (soft == -1 or soft > hard):
        scope.report(mapping, path, "the soft limit is above the hard one")


_LIMIT = OrWord(UNLIMITED, -1, integer(-1, 2**53))
_SOFT_HARD = Record(
    table(
        Key("soft", _LIMIT, "What applies.", is_required=True),
        Key("hard", _LIMIT, "What it may be raised to.", is_required=True),
    ),
    dict,
    _check_soft_hard,
)
_ULIMITS = MapOf(one_of(*ULIMITS), Ulimit())

_DEPENDENCY = Record(
    table(
        Key(
            "condition",
            choice({str(each.value): each for each in Condition}),
            "What is waited for.",
            "service_started",
        ),
        Key("restart", boolean(), "Restart this service after the dependency was restarted.", "false"),
    ),
    dict,
)

BACKOFF = Record(
    table(
        Key("initial", duration(), "Delay before the first restart.", "0s", "initial_s"),
        Key("step", duration(), "Delay before the second restart.", "1s", "step_s"),
        Key("factor", number(1, 1000), "What the delay grows by from then on.", "2"),
        Key("max", duration(), "The longest delay.", "5m", "max_s"),
        Key("jitter", number(0, 1), "The share by which each delay varies at random.", "0.1"),
        Key(
            "reset_after",
            duration(),
            "A life at least this long starts the count again.",
            "1m",
            "reset_after_s",
        ),
    ),
    Backoff,
    _check_backoff,
)

START_LIMIT = Record(
    table(
        Key("count", integer(1, 1_000_000), "How many starts.", is_required=True),
        Key("within", duration(MILLISECOND), "In what time.", field="within_s", is_required=True),
    ),
    StartLimit,
)

HEALTHCHECK = Record(
    table(
        Key("test", HealthTest(), "A command whose success is health."),
        Key(
            "http",
            pattern(
                CHECKED_URL,
                "a URL",
                "http://HOST[:PORT]/PATH or https://…, in ASCII, without user and password",
                expands=True,
            ),
            "A URL that answers 2xx or 3xx.",
        ),
        Key(
            "tcp",
            pattern(f"{CHECKED_HOST}:{CHECKED_PORT}", "an address", "HOST:PORT", expands=True),
            "An address that accepts a connection.",
        ),
        Key("interval", duration(MILLISECOND), "Time between two checks.", "30s", "interval_s"),
        Key("timeout", duration(MILLISECOND), "A check that takes longer has failed.", "5s", "timeout_s"),
        Key("retries", integer(1, 1000), "Failures in a row that make it unhealthy.", "3"),
        Key(
            "start_period",
            duration(),
            "Failures this soon after a start do not count.",
            "20s",
            "start_period_s",
        ),
        Key("on_failure", one_of("restart", "none"), "What happens to an unhealthy service.", "restart"),
    ),
    build_healthcheck,
    _check_kinds,
)

_WATCH_RULE = Record(
    table(
        Key(
            "match",
            Value(_watch_pattern, {"type": "string", "minLength": 1}, "a pattern as RE2 reads it, within one line"),
            "What is looked for (RE2).",
            is_required=True,
        ),
        Key("then", one_of("alert", "restart", "event"), "What a match does.", "alert"),
        Key("every", duration(), "At most this often.", "0", "every_s"),
    ),
    WatchRule,
)

_WATCHES = ListOf(Watch())
_OWN_FILES = ListOf(FilePath())

LOGGING = Record(
    table(
        Key("capture", boolean(), "Whether output is kept; otherwise it goes to /dev/null.", "true"),
        Key("max_size", size(4096), "Size at which a file is rotated.", "50MiB", "max_size_bytes"),
        Key("max_files", integer(1, 10_000), "Files kept.", "10"),
        Key("max_total", size(4096), "Size of all files together.", "", "max_total_bytes"),
        Key(
            "rotate",
            one_of("never", "hourly", "daily", "weekly"),
            "Rotation by time, besides by size.",
            "never",
        ),
        Key("compress", boolean(), "Whether rotated files are compressed.", "true"),
        Key("stderr", one_of("merge", "separate"), "Where stderr goes.", "merge"),
        Key("timestamps", boolean(), "Whether lines are prefixed with the time.", "false"),
        Key(
            "on_full",
            one_of("wait", "drop"),
            "What happens to output while the log cannot be written: the service waits, or it is dropped and counted.",
            "wait",
        ),
        Key("files", OwnFiles(), "Logs that the service writes by itself; *, ? and [ stand for any name."),
        Key("watch", Watches(), "Rules over the lines."),
    ),
    Logging,
    None,
    not_yet.SERVICE,
    "logging.",
)

UPDATE = Record(table(Key("command", Command(), "What carries out an update.")), Update)

SERVICE: Table = table(
    Key("description", text(), "What it is, for people."),
    Key(
        "command",
        Command(),
        "What runs. Text is split as a shell splits words, never run by one.",
        is_required=True,
    ),
    Key("user", filled_text(expands=True), "The account it runs as (root only)."),
    Key("group", filled_text(expands=True), "Its group, if not the account's own (root only)."),
    Key("supplementary_groups", ListOf(filled_text(expands=True)), "Further groups (root only)."),
    Key("working_dir", FilePath(), "Where it runs."),
    Key("environment", Environment(), "Variables, as a mapping or a list of NAME=value."),
    Key("env_file", EnvFiles(), "Files with lines NAME=value."),
    Key("umask", umask(), "Its file mode creation mask, octal."),
    Key(
        "type",
        choice({str(each.value): each for each in ServiceType}),
        "How it says that it is up.",
        "simple",
    ),
    Key("pid_file", FilePath(), "Where a forking service writes its pid."),
    Key("autostart", boolean(), "Whether it starts by itself.", "true"),
    Key("start_timeout", duration(MILLISECOND), "How long a start may take.", "90s", "start_timeout_s"),
    Key(
        "min_uptime",
        duration(),
        "How long a simple service must live to count as started.",
        "1s",
        "min_uptime_s",
    ),
    Key("watchdog", duration(MILLISECOND), "How often WATCHDOG=1 must come at least.", "", "watchdog_s"),
    Key(
        "restart",
        choice({str(each.value): each for each in RestartPolicy}),
        "When it is started again.",
        "always",
    ),
    Key("backoff", BACKOFF, "Delays before restarts."),
    Key("start_limit", OrWord("none", None, START_LIMIT), "When restarting is given up.", "none"),
    Key("success_exit", ListOf(ExitStatus(), also_single=True), "Exits that count as success.", "[0, SIGTERM]"),
    Key("depends_on", DependsOn(), "What must be up before it."),
    Key("healthcheck", HEALTHCHECK, "How its health is checked."),
    Key("stop_signal", signal_number(), "What asks it to stop.", "SIGTERM"),
    Key("stop_grace_period", duration(), "How long it may take to stop.", "10s", "stop_grace_period_s"),
    Key("reload", Reload(), "A signal or a command that makes it read its configuration.", "SIGHUP"),
    Key("preflight", Command(), "What must succeed before a commanded restart."),
    Key("pre_start", Command(), "What runs before a start."),
    Key("post_start", Command(), "What runs after a start."),
    Key("pre_stop", Command(), "What runs before a stop."),
    Key("post_stop", Command(), "What runs after a stop."),
    Key("ulimits", Ulimits(), "Resource limits."),
    Key("mem_limit", size(1), "Memory, by cgroup.", "", "mem_limit_bytes"),
    Key("cpus", number(0.001, 100_000), "Processors, by cgroup."),
    Key("pids_limit", integer(1, 2**22), "Processes, by cgroup."),
    Key("nice", integer(-20, 19), "Scheduling priority."),
    Key(
        "ionice",
        pattern(
            "idle|(?:best-effort|realtime)(?::[0-7])?",
            "a priority",
            "idle, best-effort[:0-7], realtime[:0-7]",
        ),
        "Input/output priority.",
    ),
    Key("oom_score_adj", integer(-1000, 1000), "How readily the kernel kills it when memory runs out."),
    Key(
        "cpuset",
        processors(),
        "Its processors.",
    ),
    Key("no_new_privileges", boolean(), "Whether set-user-id programs lose their power.", "false"),
    Key("cap_drop", ListOf(capability()), "Capabilities taken away."),
    Key("cap_add", ListOf(capability()), "Capabilities given."),
    Key("scale", integer(0, 1000), "How many instances: NAME-1, NAME-2 …"),
    Key("schedule", Schedule(), "When a oneshot runs: cron's five fields, or @daily and the like."),
    Key("time_zone", TimeZone(), "Of schedule; the machine's own if nothing is said."),
    Key("catch_up", boolean(), "Whether one run makes up for those that were missed.", "false"),
    Key(
        "secrets",
        MapOf(name(), FilePath()),
        "Files handed over so that only the service's user can read them.",
    ),
    Key(
        "sockets",
        MapOf(name(), pattern(rf"{ADDRESS}|/[^\0]+", "an address", "HOST:PORT or a path")),
        "Sockets opened for it.",
    ),
    Key("tags", ListOf(name()), "What @TAG selects."),
    Key("logging", LOGGING, "How its output is kept."),
    Key("update", UPDATE, "How it is updated from afar."),
    Key("remote", choice(ROLES), "The most that anybody may do to it from afar.", "operator"),
)
