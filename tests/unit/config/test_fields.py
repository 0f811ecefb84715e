"""Every key of a service: what it is read as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amonsup.config.instances import instance
from amonsup.config.specs import (
    Backoff,
    Condition,
    Dependency,
    Healthcheck,
    Logging,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
    StartLimit,
)

Service = Callable[..., ServiceSpec]


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("description: no", "description", "no"),
        ("restart: no", "restart", RestartPolicy.NO),
        ("restart: 'on-failure'", "restart", RestartPolicy.ON_FAILURE),
        ("umask: 0027", "umask", 0o27),
        ('umask: "0027"', "umask", 0o27),
        ("autostart: off", "autostart", False),
        ("type: oneshot", "type", ServiceType.ONESHOT),
        ("start_timeout: 1h30m", "start_timeout_s", 5400.0),
        ("stop_grace_period: 0", "stop_grace_period_s", 0.0),
        ("min_uptime: 250ms", "min_uptime_s", 0.25),
        ("stop_signal: QUIT", "stop_signal", 3),
        ("success_exit: [0, 3, SIGHUP, TERM]", "success_codes", (0, 3)),
        ("success_exit: [0, 3, SIGHUP, TERM]", "success_signals", (1, 15)),
        ("success_exit: 7", "success_codes", (7,)),
        ("success_exit: 7", "success_signals", ()),
        ("start_limit: none", "start_limit", None),
        ("start_limit: {count: 10, within: 5m}", "start_limit", StartLimit(10, 300.0)),
        ("backoff: {max: 10s, factor: 1.5}", "backoff", Backoff(max_s=10.0, factor=1.5)),
        ("tags: [grid, 2024]", "tags", ("grid", "2024")),
        ("logging: {capture: no}", "logging", Logging(capture=False)),
        ("no_new_privileges: yes", "no_new_privileges", True),
        ("environment: {A: no, B: 0755, C: , D: '~', E: 1:30}", "environment",
         (("A", "no"), ("B", "0755"), ("C", ""), ("D", "~"), ("E", "1:30"))),
        ("environment: [B=x=y, A=]", "environment", (("A", ""), ("B", "x=y"))),
        ("environment: ", "environment", ()),
        ("depends_on: []", "depends_on", ()),
        ("x-anything: {at: [all]}", "description", ""),
    ],
)  # fmt: skip
def test_values(service: Service, line: str, field: str, value: object) -> None:
    assert getattr(service(line), field) == value


def test_what_is_not_said_is_the_default(service: Service) -> None:
    assert service() == ServiceSpec(name="s", command=("/bin/true",))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/bin/a --b 'c d'", ("/bin/a", "--b", "c d")),
        ("[/bin/a, 'c d', 0755, no, '']", ("/bin/a", "c d", "0755", "no", "")),
        ("/bin/a ${V} ${W:-w}", ("/bin/a", "two words", "w")),
        ("/bin/a $$ $x", ("/bin/a", "$", "$x")),
        ('[/bin/a, "${V}"]', ("/bin/a", "two words")),
    ],
)
def test_commands(site: Callable[..., object], command: str, words: tuple[str, ...]) -> None:
    outcome = site(f"services:\n  s:\n    command: {command}\n", environ={"HOME": "/", "V": "two words"})
    assert outcome.fleet.services[0].command == words  # type: ignore[attr-defined]


def test_paths_are_relative_to_their_file(service: Service, base: Path) -> None:
    assert service("working_dir: ../work").working_dir == f"{base}/work"
    assert service("working_dir: ${W}/x", environ={"HOME": "/", "W": "/srv"}).working_dir == "/srv/x"


def test_an_address_is_one_once_variables_are_filled_in(service: Service) -> None:
    environ = {"HOME": "/", "PORT": "8084", "URL": "https://h/x"}
    for line, found in (
        ("tcp: '127.0.0.1:${PORT}'", Healthcheck(tcp="127.0.0.1:8084")),
        ("http: 'http://h:${NONE:-80}/$$'", Healthcheck(http="http://h:80/$")),
        ("http: '${URL}'", Healthcheck(http="https://h/x")),
    ):
        assert service(f"healthcheck: {{{line}}}", environ=environ).healthcheck == found


def test_addresses_of_instances_differ(site: Callable[..., object]) -> None:
    outcome = site(
        "services:\n"
        "  a: {command: /bin/true, scale: 2, healthcheck: {tcp: 'h-{instance}:808{instance}'}}\n"
        "  b: {command: /bin/true, scale: 2, healthcheck: {http: 'http://{name}:8080/{instance}'}}\n"
    )
    a, b = outcome.fleet.services  # type: ignore[attr-defined]
    assert instance(a, 2).healthcheck == Healthcheck(tcp="h-2:8082")
    assert instance(b, 1).healthcheck == Healthcheck(http="http://b-1:8080/1")


def test_depends_on(site: Callable[..., object]) -> None:
    outcome = site(
        "services:\n"
        "  a: {command: /bin/true, depends_on: [b, c]}\n"
        "  b: {command: /bin/true, depends_on: {c: , d: {condition: "
        "service_completed_successfully, restart: yes}}}\n"
        "  c: {command: /bin/true}\n"
        "  d: {command: /bin/true, type: oneshot}\n"
    )
    a, b, *_ = outcome.fleet.services  # type: ignore[attr-defined]
    assert a.depends_on == (Dependency("b"), Dependency("c"))
    assert b.depends_on == (Dependency("c"), Dependency("d", Condition.COMPLETED, True))


def test_env_file(service: Service, base: Path) -> None:
    (base / "conf.d" / "one.env").write_text(
        '# comment\n\nexport A=1\nB=\'${HOME} $$\' # literal\nC="x\\ty\\""\nD = ${HOME} # home\nE=\nF=a#b\n'
    )
    (base / "two.env").write_text("\ufeffA=2\r\nG=g\r\n")
    spec = service("env_file: [one.env, ../two.env]", "environment: {G: mine}")
    assert dict(spec.environment) == {
        "A": "2",
        "B": "${HOME} $$",
        "C": 'x\ty"',
        "D": "/home/u",
        "E": "",
        "F": "a#b",
        "G": "mine",
    }


def test_defaults_are_merged_key_by_key(site: Callable[..., object]) -> None:
    outcome = site(
        "defaults:\n"
        "  restart: on-failure\n"
        "  environment: {A: 1, B: 1}\n"
        "  tags: [x, y]\n"
        "  backoff: {max: 10s, step: 2s}\n"
        "services:\n"
        "  s: {command: /bin/true, environment: {B: 2}, tags: [z], backoff: {step: 3s}}\n"
        "  t: {command: /bin/true, restart: no}\n",
        "services: {u: {command: /bin/true}}\n",
    )
    s, t, u = outcome.fleet.services  # type: ignore[attr-defined]
    assert s.environment == (("A", "1"), ("B", "2"))
    assert s.tags == ("z",)
    assert s.backoff == Backoff(max_s=10.0, step_s=3.0)
    assert s.restart is RestartPolicy.ON_FAILURE
    assert t.restart is RestartPolicy.NO
    assert u == ServiceSpec(name="u", command=("/bin/true",))
