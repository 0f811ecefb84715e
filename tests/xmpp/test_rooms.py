"""Rooms and alerts: joined, looked at, told what goes wrong, one message an incident."""

from __future__ import annotations

import os
import signal
import uuid

import pytest
from support.person import MUC, body, condition
from support.site import until

AGENT = "gsi@localhost/amonsup"
OWNER = "http://jabber.org/protocol/muc#owner"
CRASHING = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
  weak: {command: "sh -c 'echo last words; exec sleep 1000'", restart: "no", min_uptime: 0s}
"""
FATAL = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
  last: {command: "sleep 1000", min_uptime: 0s, start_limit: {count: 1, within: 5m}}
"""


@pytest.fixture
def room(people):
    """A room as a site needs it, owned by admin, with the site as a member."""
    admin = people("admin")
    jid = f"room{uuid.uuid4().hex[:8]}@conference.localhost"
    make(admin, jid, {"whois": "anyone", "membersonly": "1", "persistentroom": "1"})
    member = "<item affiliation='member' jid='gsi@localhost'/>"
    query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{member}</query>"
    assert condition(admin.ask(jid, "set", query)) == ""
    return admin, jid


def make(person, jid, settings):
    person.join(jid, "boss")
    person.presence(f"{jid}/boss")
    fields = "".join(
        f"<field var='muc#roomconfig_{var}'><value>{value}</value></field>" for var, value in settings.items()
    )
    kind = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    form = f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x></query>"
    assert condition(person.ask(jid, "set", form)) == ""


def test_an_incident_is_one_message_that_is_corrected(open_site, room):
    admin, jid = room
    site = open_site(CRASHING, xmpp=f"  rooms: {{{jid}: {{alerts: true}}}}\n")
    admin.presence(f"{jid}/gsi")
    site.kill("weak")
    alert = admin.message("gsi: weak exited: killed by SIGKILL", sender=f"{jid}/gsi")
    assert "| last words" in body(alert)
    site.do("start", services=["weak"])
    site.do("stop", services=["weak"])
    resolved = admin.message("weak stopped, after killed by SIGKILL", sender=f"{jid}/gsi")
    replace = resolved.find("{urn:xmpp:message-correct:0}replace")
    assert replace is not None
    assert replace.get("id") == alert.get("id")


@pytest.mark.one_server
def test_an_alert_has_the_last_words_of_who_died(open_site, room):
    """Not the first ones of the next life, which comes at once."""
    admin, jid = room
    services = "services:\n  ce: {command: \"sh -c 'echo life $$$$; exec sleep 1000'\", min_uptime: 0s}\n"
    site = open_site(services, xmpp=f"  rooms: {{{jid}: {{alerts: true}}}}\n")
    admin.presence(f"{jid}/gsi")
    pid = site.pid("ce")
    until(lambda: f"life {pid}" in site.cli("logs", "ce").stdout, "it has said something")
    os.kill(pid, signal.SIGKILL)
    assert body(admin.message("gsi: ce running: killed by SIGKILL")).splitlines()[1:] == [f"| life {pid}"]
    until(lambda: f"life {site.pid('ce')}" in site.cli("show", "ce").stdout, "the other has")
    shown = site.ask("show", service="ce")
    assert (shown["exit_lines"], shown["last_lines"]) == ([f"life {pid}"], [f"life {site.pid('ce')}"])


def test_moderators_get_presence_directly_and_questions_are_answered_to_whoever_asks(open_site, room, people):
    admin, jid = room
    open_site(CRASHING, xmpp=f"  rooms: {{{jid}: {{}}}}\n")
    admin.presence(f"{jid}/gsi")
    admin.presence(AGENT, status="2/2 up")
    admin.say(jid, "@tier2 status", kind="groupchat")
    assert body(admin.message("gsi: ce: running", sender=AGENT))
    mark = admin.mark
    admin.say(jid, "@tier2 restart ce", kind="groupchat")
    admin.say(jid, "@elsewhere status", kind="groupchat")
    admin.say(jid, "@all status", kind="groupchat")
    admin.message("gsi: ce: running", sender=AGENT, after=mark)
    answers = [xml for xml in admin.received[mark:] if xml.get("from", "").startswith(AGENT)]
    assert len([xml for xml in answers if xml.tag.endswith("}message")]) == 1


def shown(person, mark):
    """How often the site's presence arrived, by its <show/>."""
    found = [xml for xml in person.received[mark:] if xml.find("{urn:amonsup:1}digest") is not None]
    return [xml.findtext("{jabber:client}show") for xml in found if xml.get("from") == AGENT]


def test_a_moderator_who_subscribes_sees_each_presence_once(open_site, room, people):
    """By the server then, and directly again when he does not any more; others do not notice who comes and goes."""
    admin, jid = room
    viewer = people("viewer")
    site = open_site(FATAL, xmpp=f"  rooms: {{{jid}: {{}}}}\n")
    for each in (viewer, admin):
        each.subscribe("gsi@localhost")
        each.presence(AGENT, status="2/2 up")
    admin.presence(f"{jid}/gsi", status="2/2 up")
    mark, others = admin.mark, viewer.mark
    site.kill("last")
    admin.presence(AGENT, after=mark, show="dnd")
    admin.say(AGENT, "status")
    admin.message("ce: running", after=mark)  # by now the other one would be there
    assert shown(admin, mark).count("dnd") == 1
    admin.send(f"<presence to='{jid}/boss' type='unavailable'/>")
    admin.presence(f"{jid}/boss", kind="unavailable")
    mark = admin.mark
    admin.join(jid, "boss")
    admin.presence(f"{jid}/boss", after=mark)
    admin.send("<presence to='gsi@localhost' type='unsubscribe'/>")
    admin.presence(AGENT, after=mark, show="dnd")
    viewer.say(AGENT, "status")
    viewer.message("ce: running", after=others)
    assert shown(viewer, others) == ["dnd"]


def test_a_room_that_is_not_right_gets_alerts_and_grants_nothing(open_site, people, audit):
    admin, operator = people("admin"), people("operator")
    jid = f"open{uuid.uuid4().hex[:8]}@conference.localhost"
    make(admin, jid, {"persistentroom": "1"})
    access = f"    - {{room: {jid}, affiliation: owner, role: admin}}\n"
    site = open_site(CRASHING, xmpp=f"  rooms: {{{jid}: {{alerts: true}}}}\n", access=access)
    admin.presence(f"{jid}/gsi")
    site.kill("weak")
    admin.message("weak exited", sender=f"{jid}/gsi")
    warnings = site.ask("status")["warnings"]
    assert any("not non-anonymous" in each for each in warnings), warnings
    admin.say(AGENT, "status")
    admin.say(jid, "@all status", kind="groupchat")
    operator.say(AGENT, "status")
    site.kill("ce")
    admin.message("ce", sender=f"{jid}/gsi")
    until(lambda: f'"by":"{jid}/boss"' in audit(site), "who asked there is on record, as far as known")
    assert not [body(xml) for xml in admin.received if xml.get("from", "") == AGENT and xml.tag.endswith("}message")]
    assert not [xml for xml in admin.received if xml.find("{jabber:client}status") is not None], "nor how the site is"


@pytest.fixture
def member(open_site, room):
    """A site in its room, where it looks every second."""
    admin, jid = room
    site = open_site(CRASHING, xmpp=f"  rooms: {{{jid}: {{alerts: true}}}}\n", patches="eager_rooms")
    admin.presence(f"{jid}/gsi", status="2/2 up")
    return site


def is_back(site, admin, jid, mark):
    """In the room, as it is to be: how the site is is seen there, alerts arrive, nothing is wrong."""
    admin.presence(f"{jid}/gsi", after=mark, status="2/2 up")
    until(lambda: not site.warnings(), "nothing is wrong")
    site.kill("weak")
    admin.message("gsi: weak exited: killed by SIGKILL", sender=f"{jid}/gsi", after=mark)


def test_who_is_thrown_out_says_so_and_comes_back(member, room):
    admin, jid = room
    mark = admin.mark
    kick = "<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='gsi' role='none'/></query>"
    assert condition(admin.ask(jid, "set", kick)) == ""
    admin.presence(f"{jid}/gsi", after=mark, kind="unavailable")
    is_back(member, admin, jid, admin.mark)
    assert f"{jid}: thrown out of the room" in member.stderr()


def test_a_service_of_rooms_that_ends_and_begins_anew_has_us_again(member, room, server):
    admin, jid = room
    server.end_rooms()
    until(lambda: jid in member.warnings(), "a word about the room")
    server.begin_rooms()
    mark = admin.mark
    admin.join(jid, "boss")
    admin.presence(f"{jid}/boss", after=mark)
    is_back(member, admin, jid, mark)


@pytest.mark.one_server("ejabberd")
def test_a_room_that_forgot_us_without_a_word_has_us_again(member, room, server):
    """A ping to ourselves through the room tells (XEP-0410). Prosody keeps on disk who is in a room."""
    admin, jid = room
    server.forget_rooms()
    mark = admin.mark
    admin.join(jid, "boss")
    admin.presence(f"{jid}/boss", after=mark)
    is_back(member, admin, jid, mark)


def test_a_room_that_is_not_there_is_not_made(open_site, people):
    admin = people("admin")
    jid = f"none{uuid.uuid4().hex[:8]}@conference.localhost"
    site = open_site(CRASHING, xmpp=f"  rooms: {{{jid}: {{alerts: true}}}}\n")
    site.running("control")

    def told():
        return [each for each in site.ask("status")["warnings"] if "amonsup room create" in each]

    until(told, "a word about the room")
    items = admin.ask("conference.localhost", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>")
    assert jid not in {item.get("jid") for item in items.iter()}


__all__ = ["MUC"]
