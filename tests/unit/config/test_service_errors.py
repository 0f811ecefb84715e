# ruff: noqa: E501 (a row of a table is one line: the mistake and its exact words)
"""Every kind of mistake in a conf.d file: its exact place and words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Errors = Callable[..., list[str]]

DURATIONS = "a duration such as 250ms, 10s, 5m, 1h30m, 2d"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("backof: {}", "a.yaml:4:5: services.s.backof: unknown key; did you mean 'backoff'?"),
        ("zzz: 1", "a.yaml:4:5: services.s.zzz: unknown key"),
        ("backoff: {maxx: 1s}", "a.yaml:4:15: services.s.backoff.maxx: unknown key; did you mean 'max'?"),
        ("restart: alway", "a.yaml:4:14: services.s.restart: 'alway' is unknown; did you mean 'always'?; allowed: always, on-failure, unless-stopped, no"),
        ("autostart: maybe", "a.yaml:4:16: services.s.autostart: 'maybe' is neither true nor false; allowed: true, false, yes, no, on, off"),
        ("autostart:", "a.yaml:4:15: services.s.autostart: an empty value is neither true nor false; allowed: true, false, yes, no, on, off"),
        ("start_timeout: 5", f"a.yaml:4:20: services.s.start_timeout: '5' has no unit; allowed: {DURATIONS}, at least 1ms"),
        ("start_timeout: 0", f"a.yaml:4:20: services.s.start_timeout: '0' is too short; allowed: {DURATIONS}, at least 1ms"),
        ("min_uptime: [1s]", f"a.yaml:4:17: services.s.min_uptime: expected one value, found a list; allowed: {DURATIONS}"),
        ("backoff: 3s", "a.yaml:4:14: services.s.backoff: expected a mapping (key: value), found '3s'"),
        ("backoff: {jitter: 3}", "a.yaml:4:23: services.s.backoff.jitter: '3' is out of range; allowed: 0 … 1"),
        ("backoff: {max: 1s, step: 2s}", "a.yaml:4:15: services.s.backoff: 'max' (1s) is less than 'step' (2s)"),
        ("backoff: {initial: 10m}", "a.yaml:4:15: services.s.backoff: 'max' (300s) is less than 'initial' (600s)"),
        ("start_limit: 3", "a.yaml:4:18: services.s.start_limit: expected a mapping, found '3'; allowed: none, count, within"),
        ("start_limit: {count: 3}", "a.yaml:4:18: services.s.start_limit: 'within' is missing"),
        ("start_limit: {count: 0, within: 1s}", "a.yaml:4:26: services.s.start_limit.count: '0' is out of range; allowed: 1 … 1000000"),
        ("success_exit: [256]", "a.yaml:4:20: services.s.success_exit[0]: '256' is out of range; allowed: exit codes 0 … 255 and names of signals"),
        ("success_exit: {a: b}", "a.yaml:4:19: services.s.success_exit: expected a list, found a mapping"),
        ("stop_signal: SIGTERN", "a.yaml:4:18: services.s.stop_signal: 'SIGTERN' is not a signal; allowed: a signal such as SIGTERM, TERM or 15"),
        ("umask: 0999", "a.yaml:4:12: services.s.umask: '0999' is not an octal mask; allowed: an octal mask such as \"0027\""),
        ("tags: [a.b]", "a.yaml:4:12: services.s.tags[0]: 'a.b' is not a name; allowed: letters, digits, - and _, at most 63, the first a letter or digit"),
        ("working_dir: ~/x", "a.yaml:4:18: services.s.working_dir: ~ is not expanded here; allowed: ${HOME}/…, or a path relative to this file"),
        ("working_dir: ${NOPE}", "a.yaml:4:18: services.s.working_dir: the variable NOPE is not set in the daemon's environment; allowed: ${VARIABLE}, ${VARIABLE:-default}, $$ for a dollar sign"),
        ("environment: {'B C': x}", "a.yaml:4:19: services.s.environment: 'B C' is no name for a variable; allowed: letters, digits, _, . and -, the first a letter or _"),
        ("environment: [A]", "a.yaml:4:19: services.s.environment[0]: 'A' has no '='; allowed: NAME=value"),
        ("environment: [A=1, A=2]", "a.yaml:4:24: services.s.environment[1]: the variable A stands twice"),
        ('environment: {A: "\\0"}', "a.yaml:4:22: services.s.environment.A: a NUL character may not stand here"),
        ("environment: {A: [x]}", "a.yaml:4:22: services.s.environment.A: expected one value, found a list"),
        ("depends_on: [x, x]", "a.yaml:4:21: services.s.depends_on[1]: x stands twice"),
        ("depends_on: {t: {condition: service_up}}", "a.yaml:4:33: services.s.depends_on.t.condition: 'service_up' is unknown; did you mean 'service_started'?; allowed: service_started, service_healthy, service_completed_successfully"),
        ("depends_on: t", "a.yaml:4:17: services.s.depends_on: expected a mapping (key: value), found 't'"),
        ("watchdog: 3s", "a.yaml:4:15: services.s.watchdog: needs 'type: notify': only such services send WATCHDOG=1"),
        ("user: root", "a.yaml:4:11: services.s.user: only root can run a service as somebody else"),
        ("supplementary_groups: [adm]", "a.yaml:4:27: services.s.supplementary_groups: only root can run a service as somebody else"),
        ("depends_on: [tt]", "a.yaml:4:18: services.s.depends_on: there is no service 'tt'; did you mean 't'?"),
        ("depends_on: {t: {condition: service_completed_successfully}}", "a.yaml:4:18: services.s.depends_on: service_completed_successfully never comes: t is not of type oneshot"),
        ("depends_on: {o: {condition: service_healthy}}", "a.yaml:4:18: services.s.depends_on: service_healthy never comes: o is of type oneshot; allowed: service_completed_successfully"),
        ("depends_on: [s]", "a.yaml:4:18: services.s.depends_on: a cycle: s -> s"),
        ("pre_start: ''", "a.yaml:4:16: services.s.pre_start: names no program"),
        ("post_stop: {a: b}", "a.yaml:4:16: services.s.post_stop: expected one value, found a mapping; allowed: text, or a list of words"),
        ("preflight: []", "a.yaml:4:16: services.s.preflight: names no program"),
        ("reload: SIGHPU", "a.yaml:4:13: services.s.reload: 'SIGHPU' is not a signal; allowed: a signal such as SIGTERM, TERM or 15"),
        ("pid_file: /run/x", "a.yaml:4:15: services.s.pid_file: needs 'type: forking'"),
        ("healthcheck: {interval: 1s}", "a.yaml:4:18: services.s.healthcheck: says nothing to check; allowed: one of test, http, tcp"),
        ("healthcheck: {tcp: 'a:1', http: 'http://a'}", "a.yaml:4:19: services.s.healthcheck.tcp: stands beside 'http'; allowed: one of test, http, tcp"),
        ("healthcheck: {tcp: nowhere}", "a.yaml:4:24: services.s.healthcheck.tcp: 'nowhere' is not an address; allowed: HOST:PORT"),
        ("healthcheck: {tcp: 'a:70000'}", "a.yaml:4:19: services.s.healthcheck.tcp: there is no port 70000; allowed: 1 … 65535"),
        ("healthcheck: {http: 'http://a:0/x:1'}", "a.yaml:4:19: services.s.healthcheck.http: there is no port 0; allowed: 1 … 65535"),
        ("healthcheck: {http: 'ftp://a'}", "a.yaml:4:25: services.s.healthcheck.http: 'ftp://a' is not a URL; allowed: http://HOST[:PORT]/PATH or https://…, in ASCII, without user and password"),
        ("healthcheck: {http: 'http://me:pw@a/'}", "a.yaml:4:25: services.s.healthcheck.http: 'http://me:pw@a/' is not a URL; allowed: http://HOST[:PORT]/PATH or https://…, in ASCII, without user and password"),
        ("healthcheck: {test: ls}", "a.yaml:4:25: services.s.healthcheck.test: expected a list, found 'ls'; allowed: [\"CMD\", program, argument …] or [\"CMD-SHELL\", text]"),
        ("healthcheck: {test: [CMD, ls], interval: 0s}", f"a.yaml:4:46: services.s.healthcheck.interval: '0s' is too short; allowed: {DURATIONS}, at least 1ms"),
        ("healthcheck: {test: [CMD, ls], retries: 0}", "a.yaml:4:45: services.s.healthcheck.retries: '0' is out of range; allowed: 1 … 1000"),
        ("healthcheck: {test: [CMD, ls], on_failure: stop}", "a.yaml:4:48: services.s.healthcheck.on_failure: 'stop' is unknown; allowed: restart, none"),
        ("command: x", "a.yaml:4:5: services.s.command: this key stands twice, first at line 3, column 5"),
    ],
)  # fmt: skip
def test_a_line(errors: Errors, line: str, wrong: str) -> None:
    others = "  t: {command: /bin/true}\n  o: {command: /bin/true, type: oneshot}\n"
    found = errors(f"services:\n  s:\n    command: /bin/true\n    {line}\n{others}")
    assert wrong in found
    allowed_beside = ("is not set", "there is no service 'x'", "is not a name")
    assert [each for each in found if each != wrong and not any(word in each for word in allowed_beside)] == []


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("", "a.yaml:3:13: services.s.command: names no program"),
        ("[]", "a.yaml:3:14: services.s.command: names no program"),
        ("['', a]", "a.yaml:3:14: services.s.command: names no program"),
        ("ls 'a", "a.yaml:3:14: services.s.command: a quote is not closed, or a backslash ends the text"),
        ('["a", "b\\0"]', "a.yaml:3:14: services.s.command: a NUL character may not stand in a command"),
        ("[a, [b]]", "a.yaml:3:18: services.s.command[1]: expected one value, found a list; allowed: a word"),
        ("{a: b}", "a.yaml:3:14: services.s.command: expected one value, found a mapping; allowed: text, or a list of words"),
        ("a ${X}", "a.yaml:3:14: services.s.command: the variable X is not set in the daemon's environment; allowed: ${VARIABLE}, ${VARIABLE:-default}, $$ for a dollar sign"),
    ],
)  # fmt: skip
def test_a_command(errors: Errors, command: str, wrong: str) -> None:
    assert errors(f"services:\n  s:\n    command: {command}\n") == [wrong]


NAME = "letters, digits, - and _, at most 63, the first a letter or digit"
RESERVED = "any name but all, control, guardian, logger, prober, supervisor"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("service: {}", "a.yaml:1:1: service: unknown key; did you mean 'services'?"),
        ("zz: {}", "a.yaml:1:1: zz: unknown key; allowed: services, defaults"),
        ("services: [a]", "a.yaml:1:11: services: expected a mapping (key: value), found a list"),
        ("services:\n  a: hello", "a.yaml:2:6: services.a: expected a mapping (key: value), found 'hello'"),
        ("services:\n  a:", "a.yaml:2:3: services.a: 'command' is missing"),
        ("services:\n  all: {command: /bin/true}", f"a.yaml:2:3: services.all: this name is reserved; allowed: {RESERVED}"),
        ("services:\n  a.b: {command: /bin/true}", f"a.yaml:2:3: services.a.b: this is not a name for a service; allowed: {NAME}"),
        ("services: {}\ndefaults: {restart: maybe}", "a.yaml:2:21: defaults.restart: 'maybe' is unknown; allowed: always, on-failure, unless-stopped, no"),
    ],
)  # fmt: skip
def test_a_file(errors: Errors, content: str, wrong: str) -> None:
    assert errors(content) == [wrong]


def test_a_mistake_in_defaults_is_said_once(errors: Errors) -> None:
    services = "".join(f"  s{n}: {{command: /bin/true}}\n" for n in range(5))
    found = errors(f"defaults: {{autostart: perhaps}}\nservices:\n{services}")
    assert found == [
        "a.yaml:1:23: defaults.autostart: 'perhaps' is neither true nor false; allowed: true, false, yes, no, on, off"
    ]


def test_defaults_cannot_multiply_without_bound(errors: Errors) -> None:
    services = "".join(f"  s{n}: {{}}\n" for n in range(3000))
    environment = ", ".join(f"A{n}: x" for n in range(1000))
    found = errors(f"defaults: {{environment: {{{environment}}}}}\nservices:\n{services}")
    assert found == ["a.yaml:1:1: defaults: more than 250000 values once merged under every service"]


def test_cycles_are_named(errors: Errors) -> None:
    found = errors(
        "services:\n"
        "  a: {command: /bin/true, depends_on: [b]}\n"
        "  b: {command: /bin/true, depends_on: [c]}\n"
        "  c: {command: /bin/true, depends_on: {a: }}\n"
    )
    assert found == ["a.yaml:4:40: services.c.depends_on: a cycle: a -> b -> c -> a"]


def test_names_are_unique_over_files(errors: Errors, base: Path) -> None:
    found = errors("services:\n  s: {command: /bin/true}\n", "services:\n  s: {command: /bin/true}\n")
    assert found == ["b.yaml:2:3: services.s: there is a service of this name already, at a.yaml:2:3"]


def test_instances_may_not_take_a_name(errors: Errors) -> None:
    found = errors("services:\n  s: {command: /bin/true, scale: 2}\n  s-2: {command: /bin/true}\n")
    assert "a.yaml:2:34: services.s.scale: the instance s-2 has the name of another service" in found


def test_socket_paths_must_fit(errors: Errors, base: Path) -> None:
    (base / "amonsup.yaml").write_text(f"run_dir: /{'r' * 70}\n")
    found = errors(f"services:\n  {'s' * 40}: {{command: /bin/true}}\n")
    assert len(found) == 1
    assert found[0].startswith(f"a.yaml:2:3: services.{'s' * 40}: the name is 17 bytes too long: '/rrr")


def test_all_errors_of_all_files_come_sorted(errors: Errors) -> None:
    found = errors("services:\n  s: {comand: x}\n", "services:\n  t: {}\n", "\tx")
    assert [each.split(": ")[0] for each in found] == ["a.yaml:2:3", "a.yaml:2:7", "b.yaml:2:3", "c.yaml:1:1"]


def test_an_unreadable_file_hides_no_services(errors: Errors) -> None:
    found = errors("services:\n  s: {command: /bin/true, depends_on: [other]}\n", "\tx")
    assert len(found) == 1


def test_a_flood_is_cut(errors: Errors) -> None:
    body = "".join(f"    k{n}: x\n" for n in range(7000))
    found = errors(f"services:\n  s:\n    command: /bin/true\n{body}")
    assert len(found) == 201
    assert found[0].startswith("a.yaml:4:5: services.s.k0: unknown key")
    assert found[-1] == "and 6800 more errors"


ROOT = "  s:\n    command: /bin/true\n"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("user: no-such-user", "a.yaml:4:11: services.s.user: there is no user 'no-such-user'"),
        ("group: no-such-group", "a.yaml:4:12: services.s.group: there is no group 'no-such-group'"),
        ("supplementary_groups: [root, nope]", "a.yaml:4:34: services.s.supplementary_groups: there is no group 'nope'"),
    ],
)  # fmt: skip
@pytest.mark.skipif(os.geteuid() != 0, reason="the files must belong to root")
def test_accounts_as_root(errors: Errors, line: str, wrong: str) -> None:
    assert errors(f"services:\n{ROOT}    {line}\n", euid=0) == [wrong]


ENV_FILE = f"services:\n{ROOT}    env_file: x.env\n"


def test_env_file_missing(errors: Errors, base: Path) -> None:
    found = errors(ENV_FILE)
    assert found == [
        f"a.yaml:4:15: services.s.env_file: {base}/conf.d/x.env does not exist".replace(f"{base}/conf.d/", "")
    ]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"A=1\nB\n", "x.env:2:1: services.s.env_file: expected NAME=value, found 'B'"),
        (b"1A=1\n", "x.env:1:1: services.s.env_file: '1A' is no name for a variable"),
        (b"A='x\n", "x.env:1:1: services.s.env_file: the quote is not closed, or something follows it"),
        (b'A="x"y\n', "x.env:1:1: services.s.env_file: the quote is not closed, or something follows it"),
        (b"A=\xff\n", "x.env:1:1: services.s.env_file: not UTF-8 text"),
        (b"A=\0\n", "x.env:1:1: services.s.env_file: a NUL character may not stand here"),
        (b"A=${NOPE}\n", "x.env:1:1: services.s.env_file: the variable NOPE is not set in the daemon's environment"),
        (b"#" * ((1 << 20) + 1), "x.env: services.s.env_file: larger than 1 MiB"),
    ],
)  # fmt: skip
def test_env_file_lines(errors: Errors, base: Path, content: bytes, wrong: str) -> None:
    (base / "conf.d" / "x.env").write_bytes(content)
    assert errors(ENV_FILE) == [wrong]
