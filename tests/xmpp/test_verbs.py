"""What the command line does about XMPP: a room made, alerts muted, the audit log read and checked."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from support.site import until

TWO = """services:
  ce: {command: "sleep 1000", min_uptime: 0s}
  weak: {command: "sleep 1000", restart: "no", min_uptime: 0s}
"""


def test_a_room_is_made_as_a_site_needs_it_and_joined(open_site, people):
    jid = f"made{uuid.uuid4().hex[:8]}@conference.localhost"
    site = open_site(TWO, xmpp=f"  rooms: {{{jid}: {{alerts: true}}}}\n")
    until(lambda: any("amonsup room create" in each for each in site.ask("status")["warnings"]), "it is not there")
    assert "made" in site.cli("room", "create", jid).stdout
    until(lambda: not site.ask("status")["warnings"], "all is well")
    for who, affiliation in (("admin", "owner"), ("operator", "member")):
        person = people(who)
        person.join(jid, who)
        item = person.presence(f"{jid}/{who}").find(".//{http://jabber.org/protocol/muc#user}item")
        assert item is not None
        assert item.get("affiliation") == affiliation
    outsider = people("stranger")
    outsider.join(jid, "eve")
    refused = outsider.presence(jid, kind="error")
    assert refused is not None


def test_a_room_that_cannot_be_made_says_why(open_site):
    site = open_site(TWO)
    until(lambda: "all is well" in site.stderr(), "it is online")
    for jid in ("fleet@localhost", "fleet@nowhere.localhost"):
        done = site.cli("room", "create", jid)
        assert done.returncode != 0
        assert f"{jid.partition('@')[2]} is no server for rooms" in done.stdout + done.stderr


def test_nobody_is_told_of_a_muted_service(open_site, people):
    rule = "    - {jid: admin@localhost, role: admin, alerts: true}\n"
    site = open_site(TWO, access=rule)
    admin = people("admin")
    admin.subscribe("gsi@localhost")
    admin.presence("gsi@localhost/amonsup")
    assert site.cli("mute", "weak", "2h", "--reason", "new release").returncode == 0
    site.kill("weak")
    site.kill("ce")
    admin.message("gsi: ce ")
    assert not [xml for xml in admin.received if "weak exited" in (xml.findtext("{jabber:client}body") or "")]
    assert "no alerts until" in site.cli("show", "weak").stdout
    mark = admin.mark
    assert site.cli("mute", "weak", "0").returncode == 0
    admin.message("gsi: weak exited: killed by SIGKILL", after=mark)


@pytest.mark.one_server
def test_what_is_still_wrong_when_a_mute_has_run_out_is_told(open_site, people):
    site = open_site(TWO, access="    - {jid: admin@localhost, role: admin, alerts: true}\n")
    admin = people("admin")
    admin.subscribe("gsi@localhost")
    admin.presence("gsi@localhost/amonsup")
    site.cli("mute", "all", "2s")
    until = datetime.fromisoformat(site.row("weak")["muted_until"])
    site.kill("weak")
    admin.message("gsi: weak exited: killed by SIGKILL")
    assert datetime.now(UTC) >= until


def test_the_audit_log_says_who_and_whether_it_is_whole(open_site, people, cast):
    site = open_site(TWO)
    admin = people("admin")
    admin.subscribe("gsi@localhost")
    admin.presence("gsi@localhost/amonsup")
    admin.say("gsi@localhost/amonsup", "restart ce")
    admin.message("done: restart ce")
    site.do("restart", services=["ce"])
    done = site.cli("audit", "--verify")
    assert done.returncode == 0
    assert "admin@localhost by chat: restart ce" in cast.played(done.stdout)
    assert "(uid 0) by local: restart ce" in done.stdout or "by local: restart ce" in done.stdout
    assert "the chain is whole" in done.stdout
    log = site.state_dir / "audit.jsonl"
    log.write_text(log.read_text().replace('"admin', '"nobody', 1))
    broken = site.cli("audit", "--verify")
    assert broken.returncode == 1
    assert "BROKEN" in broken.stdout
