"""Floods by people with accounts, through a real server that lets all pass: bounded, on record, in nobody's way."""

from __future__ import annotations

import json
import os

import pytest
from support.person import COMMANDS, body, condition
from support.site import resident_kb, until
from support.xmpp_servers import gone, started

pytestmark = pytest.mark.one_server
AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
SERVICES = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
"""
MANY = 1000
ANSWERED = 1000 if os.environ.get("AMONSUP_SOAK") else 250
"""So many of the refused attempts are waited for; it is their answers that take the time."""
AT_A_TIME = 5
GROWTH_KB = 2048


@pytest.fixture(scope="module")
def server(request, authority):
    """One that does not hold back anybody."""
    made = started(request.param, authority, ("gsi", "admin", "operator", "viewer", "stranger"), rate="10mb/s")
    yield made
    gone(made)


@pytest.fixture
def site(open_site):
    site = open_site(SERVICES)
    site.running("ce", "control")
    return site


def online(person):
    person.subscribe(SITE)
    person.presence(AGENT)
    return person


def memory_kb(site):
    """Of control."""
    return resident_kb(site.running("control")["control"])


def refusals(site, audit, who):
    """How many entries there are of somebody's refused requests, and how many requests that were."""
    entries = [json.loads(line) for line in audit(site).splitlines()]
    mine = [each for each in entries if each["kind"] == "refused" and each["by"] == who]
    return len(mine), sum(each.get("count", 1) for each in mine)


def test_a_thousand_forms_left_open_are_a_few(site, people, audit):
    operator, admin = online(people("operator")), online(people("admin"))
    before = site.running("ce", "control")
    first = operator.command(AGENT, "restart").find(f"{{{COMMANDS}}}command").get("sessionid")
    sizes = []
    for flood in "ab":
        for number in range(MANY):
            form = f"<command xmlns='{COMMANDS}' node='restart'/>"
            operator.send(f"<iq to='{AGENT}' type='set' id='{flood}{number}'>{form}</iq>")
        asked = admin.mark
        admin.say(AGENT, "show ce")
        admin.message("ce: running", after=asked)
        operator.wait(lambda xml, flood=flood: xml.get("id") == f"{flood}{MANY - 1}", "the last form")
        sizes.append(memory_kb(site))
    assert condition(operator.command(AGENT, "restart", {"services": ["ce"]}, first)) == "bad-request", "long closed"
    assert sizes[1] < sizes[0] + GROWTH_KB, "the second thousand takes the place of the first"
    assert site.running("ce", "control") == before
    site.shut_down()
    entries, forms = refusals(site, audit, "operator@localhost")
    assert entries <= 4
    assert forms == 2 * MANY - 4 + 1, "all but the first five, and the one that was closed"


def test_a_thousand_refused_attempts_are_a_few_lines_in_the_audit(site, people, audit):
    viewer, stranger, admin = online(people("viewer")), people("stranger"), online(people("admin"))
    before = site.running("ce", "control")
    for number in range(MANY):
        stranger.say(AGENT, "restart ce")  # all at once
        if number == MANY // 4:
            early = memory_kb(site)
        if number % AT_A_TIME == 0 and number < ANSWERED:
            mark = viewer.mark
            for _ in range(AT_A_TIME):
                viewer.say(AGENT, "restart ce")
            viewer.wait(lambda _, mark=mark: answers(viewer, mark) == AT_A_TIME, "an answer to each", mark)
    stranger.ask("localhost", "get", "<ping xmlns='urn:xmpp:ping'/>")  # the server takes so much a second: it has all
    admin.say(AGENT, "show ce")
    admin.message("ce: running")
    assert memory_kb(site) < early + GROWTH_KB
    assert site.running("ce", "control") == before
    assert not [xml for xml in stranger.received if xml.tag.endswith("}message")]
    site.shut_down()
    entries, requests = refusals(site, audit, "viewer@localhost")
    assert entries <= 4, "one at once, one a minute"
    assert requests == ANSWERED
    entries, requests = refusals(site, audit, "stranger@localhost")
    assert entries <= 4
    assert requests == MANY


def test_who_floods_is_told_so_and_nobody_else_notices(site, people, audit):
    operator, admin = online(people("operator")), online(people("admin"))
    before = site.running("ce", "control")
    for _ in range(MANY):
        operator.say(AGENT, "status")
    admin.say(AGENT, "show ce")
    admin.message("ce: running")
    operator.message("busy")
    until(lambda: '"text":"too many requests' in audit(site), "it is on record")
    assert site.running("ce", "control") == before


def answers(person, mark):
    return len([xml for xml in person.received[mark:] if xml.tag.endswith("}message") and body(xml)])
