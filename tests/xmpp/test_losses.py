"""Servers that die, connections that lose things: no command lost or done twice, no alert lost, nobody left behind."""

from __future__ import annotations

import os
import re
import signal

import pytest
from support.cable import Cable
from support.person import body
from support.site import until
from support.xmpp_servers import gone, started

AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
KILLS = 20 if os.environ.get("AMONSUP_SOAK") else 3
ALERTS = "    - {jid: admin@localhost, role: admin, alerts: true}\n"
SERVICES = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
  weak: {command: "sleep 1000", restart: "no", min_uptime: 0s}
"""


@pytest.fixture(scope="module")
def server(request, authority):
    """One that may be hurt."""
    made = started(request.param, authority, ("gsi", "admin"))
    yield made
    gone(made)


@pytest.fixture
def cable(server):
    made = Cable(server.port)
    yield made
    made.close()


def done(site, verb):
    """Requests of this verb from afar that were carried out."""
    audit = (site.state_dir / "audit.jsonl").read_text()
    return len(re.findall(rf'"kind":"command","by":"admin[^"]*@localhost"[^\n]*"verb":"{verb}"', audit))


def lives(site, service):
    return site.transcript(service).count(f"{service} started")


def bodies(person, text, after=0):
    """`after`: a mark."""
    return [body(xml) for xml in person.received[after:] if xml.tag.endswith("}message") and text in body(xml)]


@pytest.mark.timeout(900 if os.environ.get("AMONSUP_SOAK") else 120)
def test_a_server_that_dies_loses_nothing_of_ours(open_site, people, server):
    """Without resumption: a started server knows nobody. What it had taken from us may come twice, never not at all."""
    site = open_site(SERVICES, access=ALERTS)
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    before = site.running("ce")
    rounds = KILLS if server.name == "prosody" else 1
    for done_before in range(0, 2 * rounds, 2):
        site.running("weak")
        admin.say(AGENT, "status")
        admin.say(AGENT, "restart ce")
        admin.message("accepted: restart ce")
        # The word may be one of the round before, told again: what counts is the record.
        until(lambda before=done_before: done(site, "restart") == before + 1, "it is on record")
        server.kill()
        site.kill("weak")  # nobody can be told just now
        site.state("weak", "exited")
        server.start()
        admin.lost()
        admin = people("admin")
        admin.presence(AGENT)
        admin.message("gsi: weak exited")
        site.do("start", services=["weak"])
        until(lambda before=done_before: done(site, "restart") == before + 1, "the first is done")
        site.running("ce")
        admin.say(AGENT, "restart ce")
        until(lambda before=done_before: done(site, "restart") == before + 2, "the second is done")
        site.running("ce")
    assert done(site, "restart") == 2 * rounds, "each once"
    assert lives(site, "ce") == 1 + 2 * rounds
    assert site.running("ce") != before
    others = {xml.get("from") for xml in admin.received if xml.get("from", "").startswith(SITE)}
    assert others <= {AGENT, SITE}, "no second session"


def test_what_a_cable_swallows_comes_after_all(cable, open_site, people):
    """With resumption: what was sent in both directions while nothing arrived arrives once."""
    site = open_site(SERVICES, access=ALERTS, port=cable.port)
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    first = lives(site, "ce")
    mark = admin.mark
    cable.lose()
    admin.say(AGENT, "restart ce")  # into the void
    until(lambda: cable.lost["down"], "it is lost on its way")
    site.kill("weak")
    site.state("weak", "exited")
    until(lambda: cable.lost["up"] >= 2, "so are the presence and the alert")
    assert lives(site, "ce") == first
    cable.cut()
    cable.mend()
    admin.message("gsi: weak exited: killed by SIGKILL", after=mark)
    admin.message("done: restart ce", after=mark)
    asked = admin.mark
    admin.say(AGENT, "show ce")
    admin.message("ce: running", after=asked)
    assert len(bodies(admin, "weak exited", mark)) == 1
    assert len(bodies(admin, "done: restart ce", mark)) == 1
    assert lives(site, "ce") == first + 1
    gone_for_others = [xml for xml in admin.received[mark:] if xml.get("type") == "unavailable"]
    assert not gone_for_others, "it was resumed: nobody saw us leave"


def test_what_happens_while_control_is_dead_is_told_afterwards(open_site, people):
    """Also what is well again by then: nobody else has told it."""
    site = open_site(SERVICES, access=ALERTS)
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    before = site.running("ce", "control")
    site.cli("mute", "weak", "1h")
    mark = admin.mark
    os.kill(before["control"], signal.SIGSTOP)  # for it to see nothing of what comes next
    site.kill("weak")
    site.kill("ce")
    until(lambda: site.pid("ce") not in (0, None, before["ce"]), "it is back")
    os.kill(before["control"], signal.SIGKILL)
    admin.message("gsi: ce running: killed by SIGKILL", after=mark)
    assert site.running("control") != before["control"]
    assert len(bodies(admin, "ce running", mark)) == 1
    assert not bodies(admin, "weak", mark), "nobody wants to hear of it"


def test_a_held_cable_delays_and_loses_nothing(cable, open_site, people):
    site = open_site(SERVICES, access=ALERTS, port=cable.port)
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    cable.hold()
    for _ in range(10):
        admin.say(AGENT, "restart ce")
    site.kill("weak")
    site.state("weak", "exited")
    cable.mend()
    admin.message("weak exited")
    until(lambda: len(bodies(admin, "done: restart ce")) + len(bodies(admin, "busy")) == 10, "an answer to each")
    assert done(site, "restart") == len(bodies(admin, "done: restart ce"))
