"""Attacks by people with accounts, through a real server: none gets in, none ends the agent, all are on record."""

from __future__ import annotations

import json
import uuid

import pytest
from support.person import COMMANDS, body, condition, note
from support.site import until

from amonsup.config.roles import Role
from amonsup.control.core.chatline import VERBS
from amonsup.verbs import load

AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
SERVICES = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
  private: {command: "sleep 1000", min_uptime: 0s, remote: none}
  noisy:
    min_uptime: 0s
    command: "sh -c 'printf \\"one\\\\001two\\\\033[31m\\\\000]]><a>\\\\377\\\\n\\"; exec sleep 1000'"
"""


@pytest.fixture
def site(open_site):
    site = open_site(SERVICES)
    site.running("ce", "private", "noisy", "control")
    return site


def online(person):
    person.subscribe(SITE)
    person.presence(AGENT)
    return person


def let_in(owner, room, *names):
    for name in names:  # Prosody takes one at a time
        item = f"<item affiliation='member' jid='{name}@localhost'/>"
        query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
        assert condition(owner.ask(room, "set", query)) == ""


def on_record(site, audit, name):
    """What the audit log says that was refused to somebody."""
    entries = [json.loads(line) for line in audit(site).splitlines()]
    return "\n".join(
        each["text"] for each in entries if each["kind"] == "refused" and each["by"] == f"{name}@localhost"
    )


DEEP = "<a>" * 500 + "</a>" * 500
WIDE = "<a " + " ".join(f"a{number}='1'" for number in range(150)) + "/>"


@pytest.mark.parametrize("strange", [DEEP, WIDE], ids=["deep", "wide"])
def test_a_strange_stanza_ends_no_session(site, people, audit, strange):
    """An honest server lets it pass, whoever sends it: it must not cost the site its session."""
    stranger, admin = people("stranger"), online(people("admin"))
    mark = admin.mark
    stranger.send(f"<message to='{AGENT}' type='chat'>{strange}</message>")
    stranger.ask(AGENT, "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")  # so the other has arrived
    admin.say(AGENT, "show ce")
    admin.message("ce: running", after=mark)
    until(lambda: "too deep or too wide" in on_record(site, audit, "stranger"), "it is on record")
    assert not [xml for xml in admin.received[mark:] if xml.get("type") == "unavailable"]
    assert "connection lost" not in site.stderr()
    assert "the server sent" not in site.stderr()


@pytest.mark.one_server
def test_every_verb_by_every_door_is_refused_to_who_may_not(site, people, audit):
    viewer, stranger = online(people("viewer")), people("stranger")
    before = site.running("ce", "private", "noisy", "control")
    site.passed()
    tried = [verb for name in VERBS if (verb := load(name)).role > Role.VIEWER]
    assert len(tried) > 6
    for verb in tried:
        words = {"hold": "ce 1h", "mute": "ce 1h", "apply": "", "events": ""}.get(verb.name, "ce")
        mark = viewer.mark
        viewer.say(AGENT, f"{verb.name} {words}")
        assert body(viewer.message("", sender=AGENT, after=mark)).startswith("forbidden"), verb.name
        assert condition(viewer.command(AGENT, verb.name)) == "forbidden", verb.name
        stranger.say(AGENT, f"{verb.name} {words}")
        assert condition(stranger.command(AGENT, verb.name)) == "service-unavailable", verb.name
        items = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
        assert condition(stranger.ask(AGENT, "get", items)) == "service-unavailable"
    assert site.running("ce", "private", "noisy", "control") == before
    assert not [event for event in site.events(site.seen) if event["kind"] == "command"]
    assert not [xml for xml in stranger.received if xml.tag.endswith("}message")]
    log = audit(site)
    assert '"kind":"refused","by":"viewer@localhost"' in log
    assert '"kind":"refused","by":"stranger@localhost"' in log
    assert '"kind":"command"' not in log


def test_a_service_that_nobody_afar_may_touch_is_left_alone(site, people):
    admin = online(people("admin"))
    before = site.running("ce", "private")
    admin.say(AGENT, "restart private")
    admin.message("is not allowed from afar")
    mark = admin.mark
    admin.say(AGENT, "restart all")
    admin.message("private: refused", after=mark)
    after = site.running("ce", "private")
    assert after["private"] == before["private"]
    assert after["ce"] != before["ce"]


def test_what_a_service_prints_does_not_end_the_session(site, people):
    admin = online(people("admin"))
    mark = admin.mark
    admin.say(AGENT, "logs noisy 5")
    printed = body(admin.message("one", after=mark))
    assert "two" in printed
    assert not set(printed) & {"\x00", "\x01", "\x1b"}
    form = admin.command(AGENT, "logs").find(f"{{{COMMANDS}}}command").get("sessionid")
    assert "two" in note(admin.command(AGENT, "logs", {"services": ["noisy"]}, form))
    asked = admin.mark
    admin.say(AGENT, "show noisy")
    admin.message("noisy", after=asked)
    assert not [xml for xml in admin.received[mark:] if xml.get("type") == "unavailable"]


def test_what_control_turns_away_by_itself_is_on_record(open_site, people, audit):
    """One line a caller at once; what else it was stands in the minute's sum."""
    from test_rooms import make

    admin, operator, stranger = people("admin"), people("operator"), people("stranger")
    jid = f"talk{uuid.uuid4().hex[:8]}@conference.localhost"
    make(admin, jid, {"whois": "anyone", "membersonly": "1", "persistentroom": "1"})
    let_in(admin, jid, "gsi", "operator")
    site = open_site(SERVICES, xmpp=f"  rooms: {{{jid}: {{}}}}\n")
    admin.presence(f"{jid}/gsi")
    online(admin), online(operator)
    before = site.running("ce", "private", "noisy", "control")
    stranger.subscribe(SITE)
    until(lambda: on_record(site, audit, "stranger") == "asked for our presence, and may not see it", "on record")
    stranger.say(AGENT, "hello, who are you?")
    for namespace in ("http://jabber.org/protocol/disco#info", "jabber:iq:version", "urn:xmpp:time"):
        asked = stranger.ask(AGENT, "get", f"<query xmlns='{namespace}'/>")
        assert condition(asked) == "service-unavailable", namespace
    session = admin.command(AGENT, "restart").find(f"{{{COMMANDS}}}command").get("sessionid")
    assert condition(operator.command(AGENT, "restart", {"services": ["ce"]}, session)) == "bad-request"
    operator.join(jid, "operator")
    operator.presence(f"{jid}/operator")
    operator.say(jid, "@all restart ce", kind="groupchat")
    operator.say(jid, "@all, good morning", kind="groupchat")
    operator.say(f"{jid}/gsi", "restart ce")
    admin.message("@all, good morning")
    until(lambda: '"by":"' + f"{jid}/operator" in audit(site), "the hidden one is on record")
    admin.say(AGENT, "show ce")
    admin.message("ce: running", sender=AGENT)
    assert site.running("ce", "private", "noisy", "control") == before
    assert site.cli("audit", "--verify").returncode == 0
    site.shut_down()
    said = on_record(site, audit, "stranger").splitlines()
    assert said[1:] == ["more in the same minute: words 1, question 3"]
    said = on_record(site, audit, "operator").splitlines()
    assert said == ["went on with a form that is closed, or somebody else's", "more in the same minute: room 1"]
    assert '"kind":"command"' not in audit(site)


def test_a_nick_is_not_an_address(open_site, people, audit):
    """A member of a right room who calls himself as the admin does is still a nobody."""
    from test_rooms import make

    admin, stranger = people("admin"), people("stranger")
    jid = f"nick{uuid.uuid4().hex[:8]}@conference.localhost"
    make(admin, jid, {"whois": "anyone", "membersonly": "1", "persistentroom": "1"})
    let_in(admin, jid, "gsi", "stranger")
    access = f"    - {{room: {jid}, affiliation: owner, role: admin}}\n"
    site = open_site(SERVICES, xmpp=f"  rooms: {{{jid}: {{}}}}\n", access=access)
    admin.presence(f"{jid}/gsi")
    stranger.join(jid, "admin@localhost")
    stranger.presence(f"{jid}/gsi")
    before = site.running("ce")
    stranger.say(jid, "@all status", kind="groupchat")
    stranger.say(f"{jid}/gsi", "restart ce")
    stranger.say(AGENT, "restart ce")
    admin.say(jid, "@all status", kind="groupchat")
    admin.message("ce: running", sender=AGENT)  # an owner is answered; what the stranger said is behind us
    assert not [xml for xml in stranger.received if xml.tag.endswith("}message") and "running" in body(xml)]
    assert "has none" in on_record(site, audit, "stranger")
    until(lambda: f'"by":"{jid}/admin@localhost"' in audit(site), "what was whispered through the room is on record")
    assert site.running("ce") == before


def test_somebody_else_with_our_account_is_told_of_and_not_fought(site, people):
    online(people("admin"))
    thief = people("gsi", resource="amonsup")
    assert thief.jid == AGENT
    line = until(lambda: [each for each in site.ask("status")["warnings"] if "in use elsewhere" in each])
    assert "next attempt in 3" in line[0]
    checked = site.cli("check", "--online")
    assert checked.returncode == 1
    assert "FAILED  says: the account is in use elsewhere; each site needs an account of its own" in checked.stdout
