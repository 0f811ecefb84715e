"""`xmpp:` in amonsup.yaml: what it must say, and what is said about mistakes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from amonsup.config import remote_access
from amonsup.config.load import load
from amonsup.config.roles import Role
from amonsup.config.specs import Loaded
from amonsup.config.xmpp_specs import Affiliation, RemoteRule, Signature, XmppSpec

GOOD = """
xmpp:
  sessions:
    main: {jid: GSI@vo.example.org, password_file: pw, host: [a, b], port: 5222, ca_file: null, proxy: null}
    other: {jid: gsi@other.example.org, password_file: pw, proxy: "http://proxy.example.org:3128/"}
  rooms: {fleet@conference.vo.example.org: {nick: gsi, alerts: true}}
  sites: {se: se@other.example.org}
  require_signature: none
  access:
    - {jid: admin@vo.example.org, role: admin, alerts: true}
    - {room: fleet@conference.vo.example.org, affiliation: admin, role: operator}
  modules: [{use: alerts, name: night, session: other}]
"""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "pw").write_text("secret\n")
    (tmp_path / "pw").chmod(0o600)

    def read(text: str) -> XmppSpec | list[str]:
        file = tmp_path / "amonsup.yaml"
        file.write_text("site: gsi\nrun_dir: run\n" + text.lstrip("\n"))
        outcome = load(str(file), environ={"PORT": "15223"}, euid=os.geteuid())
        if isinstance(outcome, Loaded):
            assert outcome.site.xmpp is not None
            return outcome.site.xmpp
        return [each.render().replace(str(tmp_path), "") for each in outcome]

    return read


def test_all_of_it_is_understood(read: Any) -> None:
    found = read(GOOD)
    assert [(each.name, each.jid, each.hosts, each.ports) for each in found.sessions] == [
        ("main", "gsi@vo.example.org", ("a", "b"), (5222,)),
        ("other", "gsi@other.example.org", (), ()),
    ]
    assert found.sessions[1].proxy == "proxy.example.org:3128"
    assert found.rooms[0].session == "main"
    assert found.require_signature is Signature.NONE
    assert found.access[1].affiliation is Affiliation.ADMIN
    assert found.modules[0].session == "other"


def test_a_port_may_come_out_of_the_environment(read: Any) -> None:
    for given, port in (("${PORT:-15222}", 15223), ("${NONE:-15222}", 15222)):
        assert read(GOOD.replace("port: 5222", f'port: "{given}"')).sessions[0].ports == (port,)


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("GSI@vo.example.org", "gsi", "'gsi' is not an address; allowed: NAME@DOMAIN"),
        ("password_file: pw, host", "host", "'password_file' is missing"),
        ("port: 5222", "port: 99999", "is out of range"),
        ("nick: gsi", "session: mian", "there is no session 'mian'"),
        ("require_signature: none", "remote: operator", "must be stated, because an entry of access grants operator"),
        ("require_signature: none", "require_signature: admin", "not yet: requests cannot be signed in this version"),
        ("role: admin, alerts", "role: chief, alerts", "'chief' is unknown"),
        ("jid: admin@vo.example.org, role", "domain: x.org, jid: a@x.org, role", "stands beside"),
        ("use: alerts", "use: alarms", "'alarms' is unknown"),
        ('"http://proxy.example.org:3128/"', "proxy", "'proxy' is not a proxy"),
        ("  sessions:", "  session:", "unknown key"),
    ],
)
def test_a_mistake_is_named(read: Any, wrong: str, right: str, says: str) -> None:
    assert wrong in GOOD
    errors = read(GOOD.replace(wrong, right, 1))
    assert isinstance(errors, list)
    assert any(says in each and "/amonsup.yaml:" in each for each in errors), errors


@pytest.mark.parametrize(
    ("mode", "says"), [(0o640, "can be read by others"), (None, "No such file or directory; remedy: a file with")]
)
def test_a_password_that_is_no_secret_is_refused(read: Any, tmp_path: Path, mode: int | None, says: str) -> None:
    if mode is None:
        (tmp_path / "pw").unlink()
    else:
        (tmp_path / "pw").chmod(mode)
    errors = read(GOOD)
    assert any(says in each and ":5:52: xmpp.sessions.main.password_file" in each for each in errors), errors


@pytest.mark.parametrize(("ca_file", "says"), [("ca.pem", "': No such file or directory"), (".", "' is not a file")])
def test_an_authority_that_cannot_be_is_told_with_what_to_do(read: Any, ca_file: str, says: str) -> None:
    (error,) = read(GOOD.replace("ca_file: null", f"ca_file: {ca_file}"))
    assert "amonsup.yaml:5:91: xmpp.sessions.main.ca_file: " in error
    assert says in error
    assert "without ca_file the system's authorities are believed" in error


def test_who_only_looks_need_not_say_whether_requests_are_signed(read: Any) -> None:
    text = GOOD.replace("  require_signature: none\n", "").replace("role: admin", "role: viewer")
    assert read(text.replace("role: operator", "role: reader")).require_signature is Signature.UNSTATED


RULES = XmppSpec(
    access=(
        RemoteRule(role=Role.ADMIN, jid="admin@x.org"),
        RemoteRule(role=Role.VIEWER, domain="x.org"),
        RemoteRule(role=Role.OPERATOR, room="fleet@rooms.x.org", affiliation=Affiliation.ADMIN),
    )
)


@pytest.mark.parametrize(
    ("jid", "room", "affiliation", "role"),
    [
        ("admin@x.org", "", "", Role.ADMIN),
        ("Admin@X.org/phone", "", "", Role.ADMIN),
        ("bob@x.org", "", "", Role.VIEWER),
        ("bob@evil.x.org", "", "", Role.NONE),
        ("x.org", "", "", Role.NONE),
        ("admin@x.org@evil.org", "", "", Role.NONE),
        ("bob@y.org", "fleet@rooms.x.org", "admin", Role.OPERATOR),
        ("bob@y.org", "fleet@rooms.x.org", "owner", Role.OPERATOR),
        ("bob@y.org", "fleet@rooms.x.org", "member", Role.NONE),
        ("bob@y.org", "fleet@rooms.x.org", "emperor", Role.NONE),
        ("bob@y.org", "other@rooms.x.org", "owner", Role.NONE),
        ("bob@y.org", "", "owner", Role.NONE),
    ],
)
def test_a_role_comes_from_the_rules_alone(jid: str, room: str, affiliation: str, role: Role) -> None:
    assert remote_access.role_of(jid, RULES, room, affiliation) is role
    assert remote_access.role_of(jid, None, room, affiliation) is Role.NONE
