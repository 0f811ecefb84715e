"""Making a room as a site needs it: non-anonymous, members-only, persistent, and open to the people of the site.

XEP-0045, 10.1.3 (a reserved room), 9.5 and 10.3 (affiliations). Who has a role by his own address is let in: an admin
of the site owns the room as the site's account does, the others are members.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from amonsup.config.roles import Role
from amonsup.config.xmpp_specs import RemoteRule
from amonsup.control.core.records import Priority, bare
from amonsup.control.desk import Speaker
from amonsup.control.doors.rooms import JOIN_TTL_S
from amonsup.control.xmpp import stanzas

NO_ROOMS = ("remote-server-not-found", "service-unavailable", "feature-not-implemented", "not-allowed")


async def create(speaker: Speaker, jid: str, nick: str, access: Iterable[RemoteRule]) -> str:
    """Make it, for us and for those in `access`. Returns what went wrong, or nothing.

    Raises TimeoutError, ConnectionError.
    """
    speaker.send(stanzas.entering(jid, nick), Priority.COMMAND, JOIN_TTL_S)
    request = stanzas.iq("get", jid, "")
    stanzas.element(stanzas.MUC_OWNER, "query", request)
    form = await speaker.ask(request)
    word = stanzas.refusal(form)
    if word == "forbidden":
        return "it is there, and this account does not own it"
    if word in NO_ROOMS:
        return f"{jid.partition('@')[2]} is no server for rooms, or none that lets this account make one ({word})"
    word = word or stanzas.refusal(await speaker.ask(_configuration(jid, form)))
    if word:
        return f"refused: {word}"
    for person, affiliation in _affiliations(access, bare(speaker.jid)).items():
        word = stanzas.refusal(await speaker.ask(_letting_in(jid, person, affiliation)))
        if word:
            return f"it is made, but {person} was not let in: {word}; its owner can do that"
    return ""


def _affiliations(access: Iterable[RemoteRule], ours: str) -> dict[str, str]:
    named = [rule for rule in access if rule.jid and bare(rule.jid) != ours]
    return {bare(rule.jid): "owner" if rule.role is Role.ADMIN else "member" for rule in named}


def _letting_in(jid: str, person: str, affiliation: str) -> Element:
    """One at a time: of several items Prosody takes the first."""
    request = stanzas.iq("set", jid, "")
    query = stanzas.element(stanzas.MUC_ADMIN, "query", request)
    stanzas.element(stanzas.MUC_ADMIN, "item", query, jid=person, affiliation=affiliation)
    return request


_WANTED = {
    "muc#roomconfig_persistentroom": "1",
    "muc#roomconfig_membersonly": "1",
    "muc#roomconfig_whois": "anyone",
    "muc#roomconfig_publicroom": "0",
    "muc#roomconfig_allowinvites": "0",
}


def _configuration(jid: str, form: Element) -> Element:
    """The room's own form, filled in: of what it offers, what we want."""
    offered = {each.get("var", "") for each in form.iter(f"{{{stanzas.FORMS}}}field")}
    request = stanzas.iq("set", jid, "")
    query = stanzas.element(stanzas.MUC_OWNER, "query", request)
    answer = stanzas.element(stanzas.FORMS, "x", query, type="submit")
    kind = stanzas.element(stanzas.FORMS, "field", answer, var="FORM_TYPE")
    stanzas.element(stanzas.FORMS, "value", kind, "http://jabber.org/protocol/muc#roomconfig")
    for var, value in _WANTED.items():
        if var in offered:
            made = stanzas.element(stanzas.FORMS, "field", answer, var=var)
            stanzas.element(stanzas.FORMS, "value", made, value)
    return request
