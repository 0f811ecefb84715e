"""Servers that die, connections that lose things: no command lost or done twice, no alert lost, nobody left behind."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
from support.cable import Cable
from support.namespace import NEEDS
from support.person import body
from support.site import resident_kb, until
from support.xmpp_servers import gone, started

AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
IS_SOAK = bool(os.environ.get("AMONSUP_SOAK"))
KILLS = 20 if IS_SOAK else 3
CUTS = 50 if IS_SOAK else 4
HELD_S = 60.0 if IS_SOAK else 0.0
DROPPED_S = 60.0 if IS_SOAK else 0.0
TOLD = 20 if IS_SOAK else 2
GROWTH_KB = 2048
ALERTS = "    - {jid: admin@localhost, role: admin, alerts: true}\n"
TWO = ALERTS + "    - {jid: other@localhost, role: admin}\n"
SERVICES = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
  weak: {command: "sleep 1000", restart: "no", min_uptime: 0s}
"""

FRAIL = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
  weak: {command: "sleep 1000", restart: "no", min_uptime: 0s, scale: 7}
"""
WEAK = tuple(f"weak-{number}" for number in range(1, 8))
"""More than are told each by itself."""

CAUSES = ("SIGKILL", "SIGUSR1", "SIGHUP")


@pytest.fixture(scope="module")
def server(request, authority):
    """One that may be hurt."""
    made = started(request.param, authority, ("gsi", "admin", "other"))
    yield made
    gone(made)


@pytest.fixture
def cable(server):
    made = Cable(server.port)
    yield made
    made.close()


def done(site, verb):
    """Requests of this verb from afar that were carried out."""
    log = site.state_dir / "audit.jsonl"
    audit = log.read_text() if log.exists() else ""
    return len(re.findall(rf'"kind":"command","by":"(?:admin|other)[^"]*@localhost"[^\n]*"verb":"{verb}"', audit))


def lives(site, service):
    return site.transcript(service).count(f"{service} started")


def tells(service, cause):
    """Whether a message is that alert, by itself or in a digest."""
    alert = re.compile(rf"^(gsi: )?{service} (exited.*: )?killed by {cause}$", re.MULTILINE)
    return lambda xml: alert.search(body(xml)) is not None


def bodies(person, text, after=0):
    """`after`: a mark."""
    return [body(xml) for xml in person.received[after:] if xml.tag.endswith("}message") and text in body(xml)]


@pytest.mark.timeout(900 if IS_SOAK else 120)
def test_a_server_that_dies_loses_nothing_of_ours(cable, open_site, people, server):
    """Without resumption: a started server knows nobody. What it had taken from us may come twice, never not at all."""
    site = open_site(FRAIL, access=TWO, port=cable.port)
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    before = site.running("ce", "control")
    control = before["control"]
    rounds = KILLS if IS_SOAK or server.name == "prosody" else 2
    sizes = []
    for number in range(rounds):
        done_before = 2 * number
        weak = site.running(*WEAK)
        who = ("admin", "other")[number % 2]  # one alone would ask too often
        asking = admin if who == "admin" else people(who)
        asking.say(AGENT, "status")
        asking.say(AGENT, "restart ce")
        asking.message("accepted: restart ce")
        # The word may be one of the round before, told again: what counts is the record.
        until(lambda before=done_before: done(site, "restart") == before + 1, "it is on record")
        server.kill()
        cause = CAUSES[number % len(CAUSES)]  # another one than the round before, whose alerts may be told again
        for pid in weak.values():  # nobody can be told just now
            os.kill(pid, getattr(signal, cause))
        for each in WEAK:
            site.state(each, "exited")
        until(lambda: "session main" in site.warnings(), "the loss is noticed")
        # What reaches ejabberd while they come in waits there for the login after that: so they are in before us.
        cable.hold()
        server.start()
        admin.lost()
        admin = people("admin")
        admin.presence(admin.jid)
        cable.mend()
        site.do("apply")  # else the next attempt is a random, growing time away
        admin.presence(AGENT)
        for each in WEAK:
            admin.wait(tells(each, cause), f"{each}: {cause}")
        site.do("start", services=["weak"])
        until(lambda before=done_before: done(site, "restart") == before + 1, "the first is done")
        site.running("ce")
        asking = admin if who == "admin" else people(who)
        asking.say(AGENT, "restart ce")
        until(lambda before=done_before: done(site, "restart") == before + 2, "the second is done")
        site.running("ce")
        sizes.append(resident_kb(control))
    assert done(site, "restart") == 2 * rounds, "each once"
    assert lives(site, "ce") == 1 + 2 * rounds
    after = site.running("ce", "control")
    assert after["ce"] != before["ce"]
    assert after["control"] == control
    assert sizes[-1] < sizes[rounds // 4] + GROWTH_KB, sizes
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


def replace(site, who):
    """By others that know only what those before them left behind."""
    before = {each: site.pid(each) for each in ("control", "supervisor")}
    if who == "upgrade":
        assert site.cli("upgrade").returncode == 0
    elif who == "the supervisor, then control":
        os.kill(before["supervisor"], signal.SIGKILL)
        until(lambda: site.pid("supervisor") not in (0, None, before["supervisor"]), "another one")
        os.kill(before["control"], signal.SIGKILL)
    else:
        for each in who.split(" and "):
            os.kill(before[each], signal.SIGKILL)
    until(lambda: site.pid("control") not in (0, None, before["control"]), "another one")


@pytest.mark.parametrize("who", ["control", "supervisor and control", "the supervisor, then control", "upgrade"])
def test_what_waits_for_the_server_outlives_us(cable, open_site, people, server, who):
    """The server is dead, then we are: what happened in between, and is well again, is told by who comes after us."""
    site = open_site(SERVICES, access=ALERTS, port=cable.port)
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    before = site.running("ce", "control")
    server.kill()
    until(lambda: "session main" in site.warnings(), "the loss is noticed")
    site.kill("ce")
    until(lambda: site.pid("ce") not in (0, None, before["ce"]), "it is back")
    cable.hold()
    server.start()
    admin.lost()
    admin = people("admin")
    admin.presence(admin.jid)
    replace(site, who)
    cable.mend()
    site.do("apply")  # else the next attempt may be a while away
    admin.message("gsi: ce running: killed by SIGKILL")
    admin.presence(AGENT)
    assert len(bodies(admin, "ce running")) == 1


@pytest.mark.timeout(900 if IS_SOAK else 120)
def test_a_session_that_is_cut_again_and_again_leaves_nothing_behind(cable, open_site, people):
    """Each time resumed: nobody sees it leave, commands go on, and control does not grow."""
    site = open_site(SERVICES, access=ALERTS, port=cable.port)
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    control = site.running("ce", "control")["control"]
    sizes = []
    for number in range(CUTS):
        connections, mark = cable.connections, admin.mark
        cable.cut()

        def is_back(connections=connections):
            site.do("apply")  # else the next attempt is a random, growing time away
            return cable.connections > connections

        until(is_back, "a new connection")
        until(lambda: "session main" not in site.warnings(), "it is up")
        if number % 2 == 0:  # who asks more often is told that it is too often
            admin.say(AGENT, "restart ce")
            admin.message("done: restart ce", after=mark)
        if number in (CUTS // 5, CUTS - 1):
            sizes.append(resident_kb(control))
    assert site.running("control")["control"] == control
    assert done(site, "restart") == CUTS // 2
    assert len(bodies(admin, "done: restart ce")) == CUTS // 2
    assert not [xml for xml in admin.received if xml.get("type") == "unavailable" and xml.get("from") == AGENT]
    assert sizes[1] < sizes[0] + GROWTH_KB, sizes


@pytest.mark.timeout(900 if IS_SOAK else 120)
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
    time.sleep(HELD_S)
    cable.mend()
    admin.message("weak exited")
    until(lambda: len(bodies(admin, "done: restart ce")) + len(bodies(admin, "busy")) == 10, "an answer to each")
    assert done(site, "restart") == len(bodies(admin, "done: restart ce"))


@pytest.fixture
def line(namespace, server):
    """Out of a namespace whose packets can be made to vanish."""
    made = Cable(server.port, namespace.outside)
    yield made
    made.close()


def nothing_arrives(namespace, line, site, admin):
    """Traffic in both directions, into the void, for as long as it takes (a minute in a soak)."""
    namespace.drop()
    sent, up, down = namespace.sent, line.passed["up"], line.passed["down"]
    site.kill("weak")
    site.state("weak", "exited")
    for _ in range(TOLD):
        admin.say(AGENT, "restart ce")
        time.sleep(DROPPED_S / TOLD)
    until(lambda: line.passed["down"] > down, "commands are on the line")
    until(lambda: namespace.sent >= sent + 3, "presence and alert are, again and again")
    assert line.passed["up"] == up, "none of it arrives"


@NEEDS
@pytest.mark.root
@pytest.mark.timeout(900 if IS_SOAK else 120)
@pytest.mark.parametrize("way", ["the same", "resumed", "new"])
def test_packets_that_vanish_take_nothing_with_them(namespace, line, open_site, people, server, way):
    """The line heals; or what was in the middle has forgotten the connection; or the server has died meanwhile."""
    site = open_site(SERVICES, access=ALERTS, host=namespace.outside, port=line.port, wrapper=namespace.wrapper)
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    control = site.running("ce", "control")["control"]
    mark, connections = admin.mark, line.connections
    nothing_arrives(namespace, line, site, admin)
    assert done(site, "restart") == 0
    if way == "resumed":
        line.cut()
    elif way == "new":  # what it was told dies with the server: its sender sees that
        line.cut()
        server.kill()
        server.start()
        admin.lost()
        admin, mark = people("admin"), 0
        for _ in range(TOLD):
            admin.say(AGENT, "restart ce")
    namespace.mend()
    begun = time.monotonic()

    def answered(text):
        return len(bodies(admin, text, mark))

    answers = ("done: restart ce", "busy: ", "old; it is not carried out")
    until(lambda: sum(map(answered, answers)) == TOLD, "all are answered", 2 * DROPPED_S + 30)
    assert done(site, "restart") == answered("done: restart ce")
    assert IS_SOAK or answered("done: restart ce") == TOLD
    assert lives(site, "ce") == 1 + done(site, "restart"), "each once"
    admin.message("weak exited: killed by SIGKILL", after=mark)
    asked = admin.mark
    admin.say(AGENT, "show ce")
    admin.message("ce: running", after=asked)
    assert len(bodies(admin, "weak exited", mark)) == 1
    # ejabberd ends a connection that acknowledges nothing for a minute (mod_stream_mgmt: ack_timeout); resumed as well.
    is_given_up = IS_SOAK and server.name == "ejabberd"
    assert line.connections == connections + (way != "the same" or is_given_up)
    left = [xml for xml in admin.received[mark:] if xml.get("type") == "unavailable" and xml.get("from") == AGENT]
    assert not left, "nobody saw it leave"
    others = {xml.get("from") for xml in admin.received if xml.get("from", "").startswith(SITE)}
    assert others <= {AGENT, SITE}, "no second session"
    assert site.running("control")["control"] == control
    print(f"{way}: {time.monotonic() - begun:.1f} s after the line was mended")  # noqa: T201
