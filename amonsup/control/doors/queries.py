"""Service discovery, entity capabilities, and small questions: version, uptime, time, ping.

Answered to those who may see the site (viewer at least); to anybody else it is as if nobody were there. The features
are static, so the hash of the capabilities never goes stale; what changes (states) stands in items and in presence.
XEP-0030, XEP-0115, XEP-0092, XEP-0012, XEP-0202, XEP-0199.
"""

from __future__ import annotations

import base64
import hashlib
import time
from datetime import datetime
from xml.etree.ElementTree import Element

from amonsup import __version__
from amonsup.config.roles import Role
from amonsup.control.core.outbox import weight
from amonsup.control.core.records import Asked, Priority, bare
from amonsup.control.desk import Desk, Door, Speaker
from amonsup.control.xmpp import stanzas

IDENTITY = ("client", "bot", "amonsup")
FEATURES = tuple(
    sorted(
        (
            stanzas.CAPS,
            stanzas.COMMANDS,
            stanzas.DISCO_INFO,
            stanzas.DISCO_ITEMS,
            stanzas.LAST,
            stanzas.OURS,
            stanzas.PING,
            stanzas.TIME,
            stanzas.VERSION,
        )
    )
)
TTL_S = 30.0
LONGEST = 48 * 1024
"""Characters, about, of a list of services: a stanza of 256 KiB ends the session, and a smaller one holds others up."""

SERVICE_NODE = "service/"


def caps_hash() -> str:
    """The verification string of our capabilities (XEP-0115, 5.1)."""
    category, kind, name = IDENTITY
    text = f"{category}/{kind}//{name}<" + "".join(f"{feature}<" for feature in FEATURES)
    return base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()


class Queries(Door):
    """Everything but commands, which forms.py answers before this is asked."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._began = time.monotonic()
        self._caps_node = f"{stanzas.CAPS_NODE}#{caps_hash()}"

    def asked(self, speaker: Speaker, asked: Asked) -> bool:
        namespace, _, tag = asked.payload.tag[1:].partition("}")
        if asked.kind != "get":
            return False
        is_server = asked.sender in ("", speaker.jid.partition("@")[2].partition("/")[0], bare(speaker.jid))
        if namespace == stanzas.PING and is_server:
            self._send(speaker, stanzas.iq("result", asked.sender, asked.id))
            return True
        if self._desk.role_of(asked.sender) < Role.VIEWER:
            return False
        answer = self._answer(speaker, asked, namespace, tag)
        if answer is None:
            return False
        self._send(speaker, answer)
        return True

    def _answer(self, speaker: Speaker, asked: Asked, namespace: str, tag: str) -> Element | None:
        reply = stanzas.iq("result", asked.sender, asked.id)
        node = asked.payload.get("node", "")
        if namespace == stanzas.DISCO_INFO:
            return self._info(asked, reply, node)
        if namespace == stanzas.DISCO_ITEMS:
            return self._items(speaker, asked, reply, node)
        if namespace == stanzas.VERSION:
            query = stanzas.element(stanzas.VERSION, "query", reply)
            stanzas.element(stanzas.VERSION, "name", query, "amonsup")
            stanzas.element(stanzas.VERSION, "version", query, __version__)
        elif namespace == stanzas.LAST:
            seconds = int(time.monotonic() - self._began)
            stanzas.element(stanzas.LAST, "query", reply, seconds=str(seconds))
        elif namespace == stanzas.TIME:
            _time(reply)
        elif namespace != stanzas.PING:
            return None
        return reply

    def _info(self, asked: Asked, reply: Element, node: str) -> Element:
        query = stanzas.element(stanzas.DISCO_INFO, "query", reply, node=node)
        if node in ("", self._caps_node):
            category, kind, name = IDENTITY
            stanzas.element(stanzas.DISCO_INFO, "identity", query, category=category, type=kind, name=name)
            for feature in FEATURES:
                stanzas.element(stanzas.DISCO_INFO, "feature", query, var=feature)
            return reply
        row = self._desk.mirror.rows.get(node.removeprefix(SERVICE_NODE)) if node.startswith(SERVICE_NODE) else None
        if row is None:
            return stanzas.error_reply(asked, "item-not-found")
        stanzas.element(
            stanzas.DISCO_INFO,
            "identity",
            query,
            category="automation",
            type="service",
            name=f"{row.name}: {row.state}",
        )
        return reply

    def _items(self, speaker: Speaker, asked: Asked, reply: Element, node: str) -> Element:
        query = stanzas.element(stanzas.DISCO_ITEMS, "query", reply, node=node)
        if node and not node.startswith(SERVICE_NODE):
            return stanzas.error_reply(asked, "item-not-found")
        if not node:
            left = LONGEST
            for row in self._desk.mirror.rows.values():
                attributes = {"jid": speaker.jid, "node": SERVICE_NODE + row.name, "name": f"{row.name}: {row.state}"}
                left -= weight(stanzas.element(stanzas.DISCO_ITEMS, "item", query, **attributes))
                if left < 0:
                    break
        return reply

    def _send(self, speaker: Speaker, stanza: Element) -> None:
        speaker.send(stanza, Priority.ANSWER, TTL_S)


def _time(reply: Element) -> None:
    now = datetime.now().astimezone()
    offset = now.strftime("%z")
    query = stanzas.element(stanzas.TIME, "time", reply)
    stanzas.element(stanzas.TIME, "tzo", query, f"{offset[:3]}:{offset[3:5]}")
    stanzas.element(stanzas.TIME, "utc", query, stanzas.utc_now())
