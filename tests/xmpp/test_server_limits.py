"""Servers with the limits that Debian gives them: what is more than they let through comes later, not never."""

from __future__ import annotations

import os
import time

import pytest
from support.person import Person, body
from support.site import until
from support.xmpp_servers import gone, started

from amonsup.control.core.outbox import MOST_UNACKED

IS_SOAK = bool(os.environ.get("AMONSUP_SOAK"))
AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
SERVICES = """services:
  ce:
    command: sh -c 'yes "a line of a hundred characters or thereabouts, as services have them in their logs" |
      head -n 2000; exec sleep 1000'
    min_uptime: 0s
  weak: {command: "sleep 1000", restart: "no", min_uptime: 0s}
"""
WHO = ("admin", "operator", "viewer", "stranger")
ALERTS = "    - {jid: admin@localhost, role: admin, alerts: true}\n" + "".join(
    f"    - {{jid: {who}@localhost, role: operator}}\n" for who in WHO[1:]
)
LIMITS = {"prosody": ('rate = "10kb/s"', 10_000), "ejabberd": ("normal: {rate: 3000, burst_size: 20000}", 3_000)}
ASKERS = {"prosody": 4, "ejabberd": 3}
ASKED = 6
"""Answers of 3500 characters to each. Of all that, 40 000 are soon with the server, or on their way; what is left takes
four seconds and more, and an alert half a one to be made."""

LEFT = 4
"""Answers that still come when an alert does: more than a server hands on in one piece."""


def test_an_alert_passes_a_flood_of_answers_at_the_default_rate(server, open_site, people):
    """mod_limits with 10 kB/s, shaper normal with 3000 B/s."""
    setting, rate = LIMITS[server.name]
    assert setting in server.config.read_text()
    site = open_site(SERVICES, access=ALERTS)
    site.running("ce", "weak")
    until(lambda: len(site.cli("logs", "ce", "-n", "100").stdout.splitlines()) == 100, "it has said something")
    askers = [people(who) for who in WHO[: ASKERS[server.name]]]
    for each in askers:
        each.subscribe(SITE)
        each.presence(AGENT)
    begun, marks = time.monotonic(), {each: each.mark for each in askers}

    def answers():
        found = [body(xml) for each, mark in marks.items() for xml in each.received[mark:]]
        return [text for text in found if "thereabouts" in text]

    for each in marks:
        for _ in range(ASKED):
            each.say(AGENT, "logs ce 40")
    until(answers, "the flood has begun")
    site.kill("weak")
    askers[0].message("weak exited: killed by SIGKILL")
    assert len(answers()) <= len(askers) * ASKED - LEFT, "it was not the last in the queue"
    until(lambda: len(answers()) == len(askers) * ASKED, "an answer to each")
    size = sum(map(len, answers()))
    assert size / (time.monotonic() - begun) < 2.5 * rate, "the limit was felt"
    assert not [xml for each in marks for xml in each.received if xml.get("type") == "error"]
    assert "session main: connection lost" not in site.stderr()


MANY = 8
ASKS = [f"viewer-{number}@localhost" for number in range(90, 90 + MANY)]  # nobody else's: there are 100 of each


@pytest.mark.timeout(180)
def test_more_subscriptions_than_ejabberd_lets_pass_in_a_minute(server, open_site, authority, cast):
    """mod_pres_counter lets five pass to our session, answers of ours on their way back counted too.

    Requests beyond are kept, and given to the next session. Of answers only the word to who asked is lost: they have
    our presence, and get the word a minute later.
    """
    is_counted = server.name == "ejabberd"
    assert not is_counted or "mod_pres_counter: {count: 5, interval: 60}" in server.config.read_text()
    site = open_site(SERVICES, access="    - {domain: localhost, role: viewer}\n")
    site.running("ce", "weak")
    agent = cast.real(SITE)
    persons = [Person(jid, server.port, str(authority.certificate)) for jid in ASKS]

    def let_in():
        return [each for each in persons if [xml for xml in each.received if xml.get("from") == agent + "/amonsup"]]

    def told(these):
        return [each for each in these if [xml for xml in each.received if xml.get("type") == "subscribed"]]

    try:
        persons[0].subscribe(agent)
        until(let_in, "the first, so the site is online")
        for each in persons[1:]:
            each.subscribe(agent)
        until(lambda: len(let_in()) >= (3 if is_counted else MANY), "some, or all")
        if is_counted:
            assert len(let_in()) < MANY
            if IS_SOAK:
                first = let_in()
                assert len(first) > len(told(first)), "some have not heard it"
                until(lambda: told(first) == first, "now they have", 100.0)
            site.kill("control")
            until(lambda: len(let_in()) == MANY, "a new session knows of all")
    finally:
        for each in persons:
            each.close()


@pytest.mark.one_server
def test_a_server_that_acknowledges_nothing_will_do(authority, open_site, cast, server):
    """Without XEP-0198, and with more stanzas than may be unacknowledged elsewhere, all goes on."""
    bare = started("prosody", authority, ("gsi", "admin"), rate="10mb/s", lacks="smacks")
    admin = None
    try:
        site = open_site(SERVICES, port=bare.port, access=ALERTS)
        control = site.running("ce", "weak", "control")["control"]
        admin = Person("admin@localhost", bare.port, str(authority.certificate), cast=cast)
        admin.subscribe(SITE)
        admin.presence(AGENT)
        mark = admin.mark
        for _ in range(MOST_UNACKED + 5):
            admin.ask(AGENT, "get", "<ping xmlns='urn:xmpp:ping'/>")
        site.kill("weak")
        admin.message("weak exited: killed by SIGKILL", after=mark)
        admin.say(AGENT, "restart ce")
        admin.message("done: restart ce", after=mark)
        assert not [xml for xml in admin.received[mark:] if xml.get("type") == "unavailable"]
        assert site.running("control")["control"] == control
        assert "stream error" not in site.stderr()
    finally:
        if admin is not None:
            admin.close()
        gone(bare)
