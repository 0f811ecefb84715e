"""People see the site and steer it: presence, chat, forms; strangers see and get nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support.person import COMMANDS, body, condition, note
from support.site import until

AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
TWO = """services:
  ce: {command: "sleep 1000", description: computing element, min_uptime: 0s}
  db: {command: "sleep 1000", min_uptime: 0s}
"""


@pytest.fixture
def site(open_site):
    site = open_site(TWO)
    site.running("ce", "db", "control")
    return site


def online(person):
    """Until the site's presence is there."""
    person.subscribe(SITE)
    return person.presence(AGENT)


SOON = """services:
  db: {command: "sleep 1000", min_uptime: 0s}
  weak: {command: "sleep 1000", restart: "no", min_uptime: 0s}
  last: {command: "sleep 1000", min_uptime: 0s, start_limit: {count: 1, within: 5m}}
"""


@pytest.mark.one_server
def test_presence_follows_the_tree(open_site, people):
    """What changes soon after the last change waits for the rest of the five seconds."""
    site = open_site(SOON)
    viewer = people("viewer")
    viewer.subscribe(SITE)
    viewer.presence(AGENT, show="", status="3/3 up")
    mark = viewer.mark
    site.kill("weak")
    viewer.presence(AGENT, after=mark, status="2/2 up")


def test_what_turns_fatal_is_shown_at_once(open_site, people):
    site = open_site(SOON)
    viewer = people("viewer")
    viewer.subscribe(SITE)
    viewer.presence(AGENT, show="", status="3/3 up")
    mark = viewer.mark
    site.kill("last")
    viewer.presence(AGENT, after=mark, show="dnd", status="fatal: last")
    digest = viewer.presence(AGENT, after=mark).find("{urn:amonsup:1}digest")
    assert digest is not None
    assert {"revision", "worst", "hash", "counts"} <= set(digest.attrib)


def test_chat_answers_and_a_command_twice(site, people):
    admin = people("admin")
    online(admin)
    admin.say(AGENT, "status")
    assert "ce: running" in body(admin.message("db: running"))
    before = site.running("ce")
    admin.say(AGENT, "restart ce")
    admin.message("accepted: restart ce")
    admin.message("done: restart ce")
    assert site.running("ce") != before
    admin.say(AGENT, "restrat ce")
    admin.message("did you mean 'restart'")
    mark = admin.mark
    admin.say(SITE, "status")  # as one does who has just added it: its session takes that, by its priority
    admin.message("db: running", sender=AGENT, after=mark)


def test_a_form_asks_and_its_answer_is_one_note(site, people):
    operator = people("operator")
    online(operator)
    assert "ce: running" in note(operator.command(AGENT, "status"))
    before = site.running("ce")
    form = operator.command(AGENT, "restart").find(f"{{{COMMANDS}}}command")
    assert form is not None
    assert form.get("status") == "executing"
    done = operator.command(AGENT, "restart", {"services": ["ce"]}, form.get("sessionid"))
    assert note(done) == "done: restart ce"
    assert site.running("ce") != before


def test_a_form_is_not_for_somebody_else_to_send(site, people):
    admin, operator = people("admin"), people("operator")
    online(admin)
    online(operator)
    before = site.running("ce")
    session = admin.command(AGENT, "restart").find(f"{{{COMMANDS}}}command").get("sessionid")
    assert condition(operator.command(AGENT, "restart", {"services": ["ce"]}, session)) == "bad-request"
    assert site.running("ce") == before
    assert note(admin.command(AGENT, "restart", {"services": ["ce"]}, session)) == "done: restart ce"


def test_what_somebody_may_not_do_is_not_listed_and_not_done(site, people, audit):
    viewer = people("viewer")
    online(viewer)
    items = viewer.ask(AGENT, "get", f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>")
    nodes = {item.get("node") for item in items.iter("{http://jabber.org/protocol/disco#items}item")}
    assert "status" in nodes
    assert not nodes & {"restart", "stop", "apply", "logs"}
    before = site.running("ce", "db")
    assert condition(viewer.command(AGENT, "restart")) == "forbidden"
    viewer.say(AGENT, "restart ce")
    viewer.message("forbidden: restart needs the role operator")
    assert site.running("ce", "db") == before
    assert '"kind":"refused","by":"viewer@localhost"' in audit(site)


def test_a_stranger_is_answered_by_silence_and_is_on_record(site, people, audit):
    stranger, admin = people("stranger"), people("admin")
    online(admin)
    before = site.running("ce")
    stranger.subscribe(SITE)
    stranger.say(AGENT, "status")
    stranger.say(SITE, "restart ce")
    assert condition(stranger.command(AGENT, "status")) == "service-unavailable"
    query = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    assert condition(stranger.ask(AGENT, "get", query)) == "service-unavailable"
    admin.say(AGENT, "status")
    admin.message("ce: running")  # whatever the stranger said before is behind us
    mine = [xml for xml in stranger.received if xml.get("from", "").startswith(SITE)]
    assert not [xml for xml in mine if xml.tag.endswith("}message")]
    assert {xml.get("type") for xml in mine if xml.tag.endswith("}presence")} <= {"unsubscribed", "unavailable"}
    assert site.running("ce") == before
    assert '"by":"stranger@localhost"' in audit(site)


@pytest.mark.one_server
def test_an_old_command_is_not_carried_out(site, people, audit):
    admin = people("admin")
    online(admin)
    before = site.running("ce")
    delay = "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>"
    admin.say(AGENT, "restart ce", inside=delay)
    assert "old; it is not carried out" in body(admin.message("restart is"))
    admin.say(AGENT, "status", inside=delay)
    admin.message("ce: running")  # looking is harmless at any age
    assert site.running("ce") == before
    assert "s old; it is not carried out" in audit(site)


@pytest.mark.one_server
@pytest.mark.parametrize("kind", ["error", "headline"])
def test_what_is_not_said_to_us_is_not_answered(site, people, kind):
    admin = people("admin")
    online(admin)
    admin.say(AGENT, "status", kind=kind)
    admin.say(AGENT, "show ce")
    admin.message("ce: running")
    answers = [xml for xml in admin.received if xml.tag.endswith("}message") and "db: running" in body(xml)]
    assert not answers


def test_the_supervisor_and_control_may_die(site, people):
    """A question in the gap is answered by the successor; a new control is the same account, services never notice."""
    admin = people("admin")
    online(admin)
    before = site.running("ce", "db")
    os.kill(site.running("supervisor")["supervisor"], signal.SIGKILL)
    admin.say(AGENT, "status")
    admin.message("ce: running")
    mark = admin.mark
    site.kill("control")
    admin.presence(AGENT, after=mark, kind="unavailable")
    admin.presence(AGENT, after=mark, status="2/2 up")
    admin.say(AGENT, "tree")
    admin.message("db", after=mark)
    assert site.running("ce", "db") == before


@pytest.mark.one_server
def test_control_is_nobody_on_the_public_socket(site):
    row = site.answers()["control"]
    assert row["state"] == "running"
    assert "password" not in (site.path / "stderr").read_text()
    command_line = Path(f"/proc/{row['pid']}/cmdline").read_bytes()
    assert b"secret" not in command_line


DISCO = "http://jabber.org/protocol/disco"
CAPS = "http://jabber.org/protocol/caps"


def test_the_site_can_be_looked_into(site, people):
    """An item a service, with its state; features that never change, under the hash that presence carries."""
    viewer = people("viewer")
    shown = online(viewer)

    def query(namespace, node="", tag="query"):
        attribute = f" node='{node}'" if node else ""
        answer = viewer.ask(AGENT, "get", f"<{tag} xmlns='{namespace}'{attribute}/>")
        assert condition(answer) == "", (namespace, node)
        return answer[0] if len(answer) else answer

    def items():
        return {item.get("node"): item.get("name") for item in query(f"{DISCO}#items")}

    assert items() == {"service/ce": "ce: running", "service/db": "db: running"}
    assert query(f"{DISCO}#info", "service/ce")[0].get("name") == "ce: running"
    caps = shown.find(f"{{{CAPS}}}c")
    node = f"{caps.get('node')}#{caps.get('ver')}"
    features = [each.get("var") for each in query(f"{DISCO}#info", node) if each.tag.endswith("}feature")]
    assert COMMANDS in features
    assert features == sorted(features)
    site.do("stop", services=["db"])
    until(lambda: items()["service/db"] == "db: stopped", "it is seen to be stopped")
    again = [each.get("var") for each in query(f"{DISCO}#info", node) if each.tag.endswith("}feature")]
    assert again == features
    assert query("jabber:iq:version").findtext("{jabber:iq:version}name") == "amonsup"
    assert int(query("jabber:iq:last").get("seconds")) < 3600
    assert query("urn:xmpp:time", tag="time").findtext("{urn:xmpp:time}utc", "").endswith("Z")
    query("urn:xmpp:ping", tag="ping")
    unknown = f"<query xmlns='{DISCO}#info' node='service/nobody'/>"
    assert condition(viewer.ask(AGENT, "get", unknown)) == "item-not-found"


BOTH = """  modules:
    - {use: alerts, name: here, session: main}
    - {use: alerts, name: there, session: second}
"""


@pytest.mark.one_server
def test_two_sessions_with_a_module_each(open_site, people, server, authority):
    """Each account shows the same state, answers for itself, and has alerts of its own."""
    second = (
        f"    second: {{jid: stranger@localhost, password_file: pw, host: 127.0.0.1, port: {server.port},"
        f" ca_file: {authority.certificate}}}\n"
    )
    access = "    - {jid: admin@localhost, role: admin, alerts: true}\n"
    site = open_site(SOON, sessions=second, access=access, xmpp=BOTH)
    admin = people("admin")
    accounts = (SITE, "stranger@localhost")
    for each in accounts:
        admin.subscribe(each)
        admin.presence(f"{each}/amonsup", status="3/3 up")
    mark = admin.mark
    site.kill("last")
    for each in accounts:
        admin.presence(f"{each}/amonsup", after=mark, show="dnd", status="fatal: last")
        admin.message("gsi: last fatal", sender=each, after=mark)
        admin.say(f"{each}/amonsup", "show db")
        admin.message("db: running", sender=each, after=mark)
    assert len([xml for xml in admin.received[mark:] if "last fatal" in body(xml)]) == 2
