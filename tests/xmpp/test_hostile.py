"""What is wrong or means no good, at one site: each session says its own line, all others and the services go on."""

from __future__ import annotations

import pytest
from support import hostile_server as hostile
from support.hostile_server import Hostile
from support.site import until

pytestmark = pytest.mark.one_server
AGENT = "gsi@localhost/amonsup"
SELDOM = "next attempt in 3"  # three hundred and some seconds

CASES = {  # part, certificate, what status says of it
    "strips-tls": (hostile.strips_tls, "good", "the server offers no encryption; it must have STARTTLS"),
    "plain-only": (hostile.offers_plain_only, "good", "offers no login that is safe (SCRAM)"),
    "redirects": (hostile.redirects, "good", "the server sends us to another host"),
    "bombs": (hostile.bombs, "good", "the server sent a document type"),
    "digs": (hostile.digs, "good", "the server sent more than 40 levels"),
    "never-ends": (hostile.never_ends, "good", "the server sent a stanza of more than"),
    "throws-out": (hostile.throws_out, "good", "connection lost"),
    "raves": (hostile.raves, "good", "the server sent not XML"),
    "expired": (hostile.encrypts, "expired", "certificate has expired; renew it on the server"),
    "other-name": (
        hostile.encrypts,
        "other",
        "not valid for 'other-name.test'.; it must name the domain of the account",
    ),
    "self-made": (hostile.encrypts, "foreign", "unable to get local issuer certificate; ca_file: names"),
}
ALSO = {
    "wrong-password": (
        "password_file: wrong, host: 127.0.0.1, port: {port}, ca_file: {ca}",
        "login refused: not-authorized; is there an account gsi",
    ),
    "unknown-host": (
        "password_file: pw, host: nobody.invalid",
        "Name or service not known; amonsup check --online tells",
    ),
    "nobody-there": (
        "password_file: pw, host: 127.0.0.1, port: 1",
        "127.0.0.1:1: Connection refused; amonsup check --online tells",
    ),
}


@pytest.fixture(scope="module")
def villains(authority, tmp_path_factory):
    from support.xmpp_servers import Authority

    other = Authority(tmp_path_factory.mktemp("foreign"))
    certificates = {
        "good": authority.issue("good", *(f"{name}.test" for name in CASES)),
        "other": authority.issue("other", "example.org"),
        "expired": authority.issue("expired", "expired.test", days=-1),
        "foreign": other.issue("foreign", "self-made.test"),
    }
    found = {name: Hostile(part, certificates[which]) for name, (part, which, _) in CASES.items()}
    yield found
    for each in found.values():
        each.close()


@pytest.fixture
def site(open_site, villains, server, authority):
    ca = str(authority.certificate)
    sessions = "".join(
        f"    {name}: {{jid: x@{name}.test, password_file: pw, host: 127.0.0.1, port: {each.port}, ca_file: {ca}}}\n"
        for name, each in villains.items()
    )
    for name, (words, _) in ALSO.items():
        sessions += f"    {name}: {{jid: gsi@localhost, {words.format(port=server.port, ca=ca)}}}\n"
    site = open_site("services:\n  ce: {command: sleep 1000}\n", sessions=sessions, starts=False)
    site.write("wrong", "guessed\n")
    site.file("wrong").chmod(0o600)
    return site.start()


def test_each_trouble_is_a_line_and_on_record_and_nothing_else_suffers(site, villains, people, audit):
    admin = people("admin")
    wanted = {name: text for name, (_, _, text) in CASES.items()} | {name: text for name, (_, text) in ALSO.items()}
    service = site.running("ce")

    def missing():
        lines = site.ask("status")["warnings"]
        return [
            f"{name}: {text}"
            for name, text in wanted.items()
            if not any(f"session {name}: " in line and text in line for line in lines)
        ]

    try:
        until(lambda: not missing())
    except AssertionError:
        raise AssertionError(missing(), site.ask("status")["warnings"]) from None
    lines = site.ask("status")["warnings"]
    for name in ("strips-tls", "plain-only", "bombs", "digs", "never-ends", "expired", "other-name", "wrong-password"):
        assert any(f"session {name}: " in line and SELDOM in line for line in lines), (name, lines)
        assert name not in villains or villains[name].connections == 1, "a second attempt would be rude"
    assert not any("session main" in line for line in lines)
    for name in sorted(CASES.keys() - {"throws-out"}):  # who throws us out is no attacker
        until(lambda name=name: f'"kind":"refused","by":"{name}.test"' in audit(site), f"{name} is on record")
    assert '"by":"throws-out.test"' not in audit(site)
    admin.say(AGENT, "status")
    admin.message("ce: running")  # the honest session goes on
    site.kill("supervisor")
    until(lambda: not missing(), "a successor of the supervisor knows it too")
    assert site.running("ce") == service
    assert all(each.connections < 20 for each in villains.values())
    assert "Traceback" not in site.stderr()
