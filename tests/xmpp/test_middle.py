"""A server, or who has its key, turns against us after the login: the session ends with a line, the agent does not."""

from __future__ import annotations

import re

import pytest
from support.middle import Middle
from support.person import body
from support.site import resident_kb, until

AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
SERVICES = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
  weak: {command: "sleep 1000", restart: "no", min_uptime: 0s}
"""
ALERTS = "    - {jid: admin@localhost, role: admin, alerts: true}\n"
GROWTH_KB = 16 * 1024
HEAD = b"<message from='admin@localhost/x' to='gsi@localhost/amonsup' type='chat'><body>"
END = b"</body></message>"

ENDS = {  # what ends the session at once, and what status says of it
    "oversized": (HEAD + b"restart ce " * 100_000 + END, "a stanza of more than"),
    "never ends": (HEAD + b"x" * 4_000_000, "a stanza of more than"),
    "endless tag": (b"<message from='" + b"x" * 4_000_000, "a stanza of more than"),
    "bomb": (b"<!DOCTYPE b [<!ENTITY a 'aaaaaaaaaa'>]><message/>", "the server sent "),
    "comment": (b"<!-- " + b"x" * 100 + b" -->", "a comment"),
    "instruction": (b"<?php restart ce ?>", "a processing instruction"),
    "unknown entity": (HEAD + b"&restart;" + END, "not XML"),
    "control character": (HEAD + b"restart\x01ce" + END, "not XML"),
    "not UTF-8": (HEAD + b"\xff\xfe" + END, "not XML"),
    "crossed tags": (b"<message><body></message></body>", "not XML"),
}
LETS_LIVE = {  # what might be a stranger's, through an honest server
    "deep": b"<message from='eve@x.org/1'>" + b"<a>" * 50_000 + b"</a>" * 50_000 + b"</message>",
    "wide": b"<message from='eve@x.org/1'><a " + b" ".join(b"a%d='1'" % n for n in range(20_000)) + b"/></message>",
    "deep question": b"<iq type='get' id='1' from='eve@x.org/1'>" + b"<a>" * 50_000 + b"</a>" * 50_000 + b"</iq>",
}


@pytest.fixture
def middle(server, authority):
    made = Middle(server.port, authority.issue("middle", "localhost"))
    yield made
    made.close()


@pytest.fixture
def site(middle, open_site):
    site = open_site(SERVICES, access=ALERTS, port=middle.port)
    site.running("ce", "weak", "control")
    return site


def online(person):
    person.subscribe(SITE)
    person.presence(AGENT)
    return person


def trouble(site):
    return [line for line in site.ask("status")["warnings"] if "session main: " in line]


@pytest.mark.one_server
def test_what_no_server_may_say_ends_the_session_and_nothing_else(site, middle, people):
    admin = online(people("admin"))
    before = site.running("ce", "weak", "control")
    size = resident_kb(before["control"])
    for name, (said, words) in ENDS.items():
        connections, told = middle.connections, len(site.stderr().splitlines())
        middle.say(said)
        until(lambda words=words: [line for line in trouble(site) if words in line], name)
        assert "next attempt in 3" in trouble(site)[0], "seldom, for the next time it would say it again"

        def lines(told=told):
            return [line for line in site.stderr().splitlines()[told:] if "control: " in line]

        until(lines, "it is in the log")
        assert len(lines()) == 1, (name, lines())
        assert middle.connections == connections
        site.do("apply")  # else it is five minutes away
        until(lambda: not trouble(site), f"{name}: it is up again")
        asked = admin.mark
        admin.say(AGENT, "show ce")
        admin.message("ce: running", after=asked)
    assert site.running("ce", "weak", "control") == before
    assert resident_kb(before["control"]) < size + GROWTH_KB
    assert "Traceback" not in site.stderr()
    assert not re.search("internal error", site.stderr())


def test_what_a_stranger_might_have_sent_is_emptied(site, middle, people, audit):
    """It goes on; the server may end the session, for it has not sent what we count. Then there is a new one."""
    admin = online(people("admin"))
    before = site.running("ce", "control")
    mark = admin.mark
    middle.say(b"".join(LETS_LIVE.values()))
    until(lambda: '"by":"eve@x.org"' in audit(site), "it is on record")
    site.kill("weak")
    admin.message("weak exited: killed by SIGKILL", after=mark)

    def is_answered():
        asked = admin.mark
        admin.say(AGENT, "show ce")
        admin.wait(lambda xml: xml.get("type") == "error" or "ce: running" in body(xml), "an answer", asked)
        return bool([xml for xml in admin.received[asked:] if "ce: running" in body(xml)])

    until(is_answered, "it goes on")
    admin.say(AGENT, "restart ce")
    admin.message("done: restart ce", after=mark)
    assert site.running("control")["control"] == before["control"]
    assert "the server sent" not in site.stderr()
    assert "Traceback" not in site.stderr()
