"""check --online: each thing that can be wrong with an account, tried at a real server, is named with its remedy."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from support import hostile_server
from support.hostile_server import Hostile
from support.site import until
from support.xmpp_servers import Authority, free_port

SERVICES = 'services:\n  ce: {command: "sleep 1000", min_uptime: 0s}\n'


@pytest.fixture
def check(open_site):
    """Runs it; `change` edits amonsup.yaml first. Returns exit status and {step: (ok, text)}."""

    def run(*changes, xmpp="", password="secret\n", port=0):
        site = open_site(SERVICES, xmpp=xmpp, starts=False, port=port)
        text = site.config_file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        site.config_file.write_text(text)
        site.write("pw", password)
        site.file("pw").chmod(0o600)
        done = site.cli("--json", "check", "--online")
        assert "Traceback" not in done.stderr, done.stderr
        rows = json.loads(done.stdout)["online"]
        return done.returncode, {row["step"]: (row["ok"], row["text"]) for row in rows}

    return run


def test_all_is_well_and_a_running_agent_does_not_notice(open_site, people, check):
    admin = people("admin")
    room = "checked@conference.localhost"
    from test_rooms import make

    make(admin, room, {"whois": "anyone", "membersonly": "1", "persistentroom": "1"})
    query = (
        "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='gsi@localhost'/></query>"
    )
    admin.ask(room, "set", query)
    site = open_site(SERVICES, xmpp=f"  rooms: {{{room}: {{}}}}\n")
    admin.presence(f"{room}/gsi")
    before = site.running("control")
    done = site.cli("check", "--online")
    assert done.returncode == 0, done.stdout
    words = [line.split()[1:3] for line in done.stdout.splitlines() if line.startswith("main")]
    assert words == [[step, "ok"] for step in ("dns", "tcp", "tls", "login", "clock", "room")], done.stdout
    assert site.running("control") == before
    assert not [each for each in site.ask("status")["warnings"] if "xmpp" in each]
    admin.presence(f"{room}/gsi-check", kind="unavailable")
    left = [xml for xml in admin.received if xml.get("from") == f"{room}/gsi" and xml.get("type") == "unavailable"]
    assert not left


@pytest.mark.one_server
def test_a_wrong_password(check, cast):
    status, rows = check(password="wrong\n")
    assert status == 1
    assert rows["tls"][0] is True
    ok, text = rows["login"]
    assert ok is False
    assert "refused: not-authorized; is there an account gsi@localhost, and is /" in cast.played(text)
    assert "room" not in rows


@pytest.mark.one_server
def test_a_wrong_host_and_a_closed_port(check):
    status, rows = check(("host: 127.0.0.1", "host: nowhere.invalid"))
    assert (status, rows["dns"][0]) == (1, False)
    assert rows["dns"][1].startswith("nowhere.invalid: ")
    assert rows["dns"][1].endswith("is host: right?")
    status, rows = check(port=free_port())
    assert (status, rows["tcp"][0]) == (1, False)
    assert "Connection refused; is a server there" in rows["tcp"][1]


@pytest.mark.one_server
def test_an_authority_that_is_not_believed(check, authority, tmp_path_factory):
    other = Authority(tmp_path_factory.mktemp("other"))
    status, rows = check((str(authority.certificate), str(other.certificate)))
    assert (status, rows["tls"][0]) == (1, False)
    assert "ca_file: names the authority to believe" in rows["tls"][1]
    assert "login" not in rows


@pytest.mark.one_server
def test_a_certificate_that_has_expired_or_is_another_ones(check, authority):
    for certificate, words in (
        (authority.issue("old", "localhost", days=-1), "expired; renew it on the server; or is this machine's clock"),
        (authority.issue("elsewhere", "example.org"), "it must name the domain of the account"),
    ):
        villain = Hostile(hostile_server.encrypts, certificate)
        try:
            status, rows = check(port=villain.port)
        finally:
            villain.close()
        assert (status, rows["tls"][0]) == (1, False)
        assert words in rows["tls"][1]
        assert "login" not in rows


def test_a_room_that_is_not_there_is_not_made_and_one_that_is_not_right_is_told(check, people):
    admin = people("admin")
    from test_rooms import make

    make(admin, "wrong@conference.localhost", {"persistentroom": "1"})
    status, rows = check(xmpp="  rooms: {nobody@conference.localhost: {}}\n")
    assert (status, rows["room"][0]) == (1, False)
    assert "there is no such room; amonsup room create nobody@conference.localhost makes one" in rows["room"][1]
    items = admin.ask("conference.localhost", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>")
    assert "nobody@conference.localhost" not in {item.get("jid") for item in items.iter()}
    status, rows = check(xmpp="  rooms: {wrong@conference.localhost: {}}\n")
    assert (status, rows["room"][0]) == (1, False)
    assert "not members-only" in rows["room"][1]


@pytest.mark.one_server
@pytest.mark.skipif(os.geteuid() != 0, reason="needs somebody else")
def test_who_may_not_read_the_password_tries_all_but_the_login(open_site, server):
    from support.site import unprivileged

    site = open_site(SERVICES, starts=False)
    who = unprivileged()
    if who.can_run():
        pytest.skip(who.can_run())
    site.path.chmod(0o755)
    command = [who.python, "-m", "amonsup.cli.main", "-c", str(site.config_file), "--json", "check", "--online"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=who.environ(), cwd="/", check=False, **who.switch()
    )
    rows = {row["step"]: row for row in json.loads(done.stdout)["online"]}
    assert rows["tls"]["ok"] is True
    assert rows["login"]["ok"] is None
    assert "Permission denied" in rows["login"]["text"]
    assert done.returncode == 0


@pytest.mark.one_server
def test_settings_that_cannot_be_are_told_by_check_and_by_a_running_agent(open_site, authority, check):
    wrong = (("host: 127.0.0.1", "host: a..b"), "a..b cannot be the name of a host", "dns")
    junk = ((str(authority.certificate), "amonsup.yaml"), "amonsup.yaml holds no certificate (PEM)", "tls")
    for change, says, step in (wrong, junk):
        status, rows = check(change)
        assert (status, rows[step][0]) == (1, False)
        assert says in rows[step][1]
        site = open_site(SERVICES, starts=False)
        site.config_file.write_text(site.config_file.read_text().replace(*change))
        site.start()
        until(lambda site=site, says=says: [each for each in site.ask("status")["warnings"] if says in each], says)
        assert site.answers()["control"]["restarts"] == 0


@pytest.mark.one_server
def test_an_agent_that_does_not_believe_its_server_says_so(open_site, authority, tmp_path_factory):
    """The same trouble as the agent itself has it: in status, and not tried again at once."""
    other = Authority(tmp_path_factory.mktemp("other"))
    site = open_site(SERVICES, starts=False)
    text = site.config_file.read_text()
    site.config_file.write_text(text.replace(str(authority.certificate), str(other.certificate)))
    site.start()
    until(lambda: [each for each in site.ask("status")["warnings"] if "certificate" in each], "a word about it")
    warning = next(each for each in site.ask("status")["warnings"] if "certificate" in each)
    assert int(warning.partition("next attempt in ")[2].split()[0]) >= 300


@pytest.mark.one_server
def test_what_is_corrected_is_used_without_a_restart(open_site, authority, tmp_path_factory):
    """An authority that is not the server's, then a wrong password: an apply each, no more."""
    site = open_site(SERVICES, starts=False)
    trust = site.file("trust.pem")
    trust.write_bytes(Authority(tmp_path_factory.mktemp("other")).certificate.read_bytes())
    text = site.config_file.read_text()
    site.config_file.write_text(text.replace(str(authority.certificate), str(trust)))
    site.write("pw", "wrong\n")
    site.file("pw").chmod(0o600)
    site.start()
    control = site.running("control")

    def told(words):
        until(lambda: any("session main: " in each and words in each for each in site.ask("status")["warnings"]), words)

    told("certificate")
    trust.write_bytes(authority.certificate.read_bytes())
    assert site.cli("apply").returncode == 0
    told("login refused")
    site.write("pw", "secret\n")
    site.file("pw").chmod(0o600)
    assert site.cli("apply").returncode == 0
    until(lambda: not site.ask("status")["warnings"], "it is online")
    assert site.running("control") == control
