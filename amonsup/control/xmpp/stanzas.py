"""Stanzas: from elements to records and back. Namespaces stand here and nowhere else."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from amonsup.control.core.presence import Wanted
from amonsup.control.core.records import Asked, Said, Seen

CLIENT = "jabber:client"
OURS = "urn:amonsup:1"
MUC = "http://jabber.org/protocol/muc"
MUC_USER = "http://jabber.org/protocol/muc#user"
MUC_ADMIN = "http://jabber.org/protocol/muc#admin"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
DISCO_INFO = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
COMMANDS = "http://jabber.org/protocol/commands"
FORMS = "jabber:x:data"
CAPS = "http://jabber.org/protocol/caps"
DELAY = "urn:xmpp:delay"
CORRECT = "urn:xmpp:message-correct:0"
RECEIPTS = "urn:xmpp:receipts"
HINTS = "urn:xmpp:hints"
PING = "urn:xmpp:ping"
VERSION = "jabber:iq:version"
LAST = "jabber:iq:last"
TIME = "urn:xmpp:time"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
ROSTER = "jabber:iq:roster"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION = "urn:ietf:params:xml:ns:xmpp-session"

LONGEST_BODY = 4096
LONGEST_OUT = 8000


def said(xml: Element, now: float) -> Said:
    """A message; `now` is wall-clock seconds, for its age."""
    body = xml.findtext(f"{{{CLIENT}}}body") or ""
    delay = xml.find(f"{{{DELAY}}}delay")
    return Said(
        sender=address(xml.get("from", "")),
        kind=xml.get("type", "normal"),
        body=body[:LONGEST_BODY],
        id=xml.get("id", "")[:200],
        age_s=_age(delay.get("stamp", ""), now) if delay is not None else 0.0,
        is_delayed=delay is not None,
        is_replacement=xml.find(f"{{{CORRECT}}}replace") is not None,
        wants_receipt=xml.find(f"{{{RECEIPTS}}}request") is not None,
    )


def seen(xml: Element) -> Seen:
    user = xml.find(f"{{{MUC_USER}}}x")
    item = user.find(f"{{{MUC_USER}}}item") if user is not None else None
    codes = user.findall(f"{{{MUC_USER}}}status") if user is not None else []
    error = xml.find(f"{{{CLIENT}}}error")
    return Seen(
        sender=address(xml.get("from", "")),
        kind=xml.get("type", ""),
        show=xml.findtext(f"{{{CLIENT}}}show") or "",
        status=(xml.findtext(f"{{{CLIENT}}}status") or "")[:1000],
        affiliation=item.get("affiliation", "") if item is not None else "",
        role=item.get("role", "") if item is not None else "",
        real_jid=address(item.get("jid", "")) if item is not None else "",
        codes=frozenset(code.get("code", "") for code in codes),
        condition=condition(error),
        is_delayed=xml.find(f"{{{DELAY}}}delay") is not None,
    )


def rostered(xml: Element) -> dict[str, str]:
    """Who is said to have which subscription, in a roster or in news of it; `remove`: they are not in it any more."""
    items = xml.iter(f"{{{ROSTER}}}item")
    return {address(item.get("jid", "")): item.get("subscription", "none") for item in items}


def asked(xml: Element) -> Asked | None:
    """A get or set with something in it; None for anything else."""
    if xml.get("type") not in ("get", "set") or len(xml) == 0:
        return None
    return Asked(address(xml.get("from", "")), xml.get("id", ""), xml.get("type", ""), xml[0])


def entering(room: str, nick: str) -> Element:
    """Joining a room (XEP-0045, 7.2), without what was said there before."""
    join = element(CLIENT, "presence", to=f"{room}/{nick}")
    element(MUC, "history", element(MUC, "x", join), maxstanzas="0")
    return join


def refusal(answer: Element) -> str:
    """The condition of an answer that is an error; empty if it is none."""
    return condition(answer.find(f"{{{CLIENT}}}error")) or "error" if answer.get("type") == "error" else ""


def condition(error: Element | None) -> str:
    """The word for an error (RFC 6120, 8.3.3)."""
    if error is None:
        return ""
    for child in error:
        if child.tag.startswith(f"{{{STANZA_ERRORS}}}") and not child.tag.endswith("}text"):
            return child.tag.partition("}")[2]
    return "undefined-condition"


def address(jid: str) -> str:
    """A JID as we compare it: everything before the resource in lower case."""
    name, slash, rest = jid.partition("/")
    return name.lower() + slash + rest


def _age(stamp: str, now: float) -> float:
    try:
        at = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except ValueError:
        return float("inf")  # a delay of unknown length
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, now - at.timestamp())


def clean(text: str) -> str:
    """Text that XML 1.0 can carry: a control character out of a log line would end the stream (XML, 2.2)."""
    return "".join(c if _is_xml(c) else "\ufffd" for c in text)


def _is_xml(c: str) -> bool:
    return c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"


def element(namespace: str, tag: str, parent: Element | None = None, text: str = "", **attributes: str) -> Element:
    """A (child) element; text and attributes are made fit for XML."""
    name = f"{{{namespace}}}{tag}"
    fit = {key: clean(value) for key, value in attributes.items() if value}
    made = Element(name, fit) if parent is None else SubElement(parent, name, fit)
    if text:
        made.text = clean(text)
    return made


def message(
    to: str, body: str, kind: str = "chat", *, key: str = "", replaces: str = "", is_stored: bool = True
) -> Element:
    """A message; a body beyond LONGEST_OUT bytes is cut, and says so."""
    raw = body.encode()
    if len(raw) > LONGEST_OUT:
        body = raw[: LONGEST_OUT - 20].decode("utf-8", "ignore") + "\n… (cut)"
    made = element(CLIENT, "message", to=to, type=kind, id=key)
    element(CLIENT, "body", made, body)
    if replaces:
        element(CORRECT, "replace", made, id=replaces)
    if not is_stored:
        element(HINTS, "no-store", made)
    return made


def presence(wanted: Wanted, caps: str, *, to: str = "", with_room: bool = False) -> Element:
    """The site's presence, with the digest for programs (at most 400 bytes)."""
    made = element(CLIENT, "presence", to=to)
    if wanted.show:
        element(CLIENT, "show", made, wanted.show)
    element(CLIENT, "status", made, wanted.status)
    element(CLIENT, "priority", made, "0")
    element(CAPS, "c", made, hash="sha-1", node=CAPS_NODE, ver=caps)
    if with_room:
        history = element(MUC, "x", made)
        element(MUC, "history", history, maxstanzas="0")
    counts = " ".join(f"{state}={count}" for state, count in wanted.counts)
    digest = element(OURS, "digest", made, revision=str(wanted.revision), worst=wanted.worst, hash=wanted.digest)
    digest.set("counts", counts)
    return made


CAPS_NODE = "https://amonsup.invalid/control"


def plain_presence(to: str, kind: str = "") -> Element:
    """A presence that only says that: subscribed, unavailable …"""
    return element(CLIENT, "presence", to=to, type=kind)


def iq(kind: str, to: str, key: str) -> Element:
    return element(CLIENT, "iq", to=to, type=kind, id=key)


def error_reply(request: Asked, condition_word: str, kind: str = "cancel", text: str = "") -> Element:
    """An error in answer to an IQ."""
    made = iq("error", request.sender, request.id)
    error = element(CLIENT, "error", made, type=kind)
    element(STANZA_ERRORS, condition_word, error)
    if text:
        element(STANZA_ERRORS, "text", error, text)
    return made


def utc_now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
