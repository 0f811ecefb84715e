"""Who gets the site's presence: those with at least viewer who ask for it, and nobody by himself (RFC 6121, 3).

A subscription of somebody who has lost his role is taken back at the next session.
"""

from __future__ import annotations

from amonsup.config.roles import Role
from amonsup.control.core.records import Priority, Seen, bare
from amonsup.control.desk import Desk, Door, Speaker
from amonsup.control.xmpp import stanzas
from amonsup.wire.turned_away import Reason

TTL_S = 300.0


class Subscriptions(Door):
    """Answers requests for presence."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def up(self, speaker: Speaker, *, is_resumed: bool) -> None:
        if not is_resumed:
            self._desk.spawn(self._take_back(speaker))

    def seen(self, speaker: Speaker, seen: Seen) -> bool:
        if seen.kind not in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            return False
        if seen.kind == "subscribe":
            person = bare(seen.sender)
            may = self._desk.role_of(person) >= Role.VIEWER
            self._send(speaker, person, "subscribed" if may else "unsubscribed")
            if not may:
                self._desk.turned_away(person, Reason.SUBSCRIPTION)
        return True

    async def _take_back(self, speaker: Speaker) -> None:
        request = stanzas.iq("get", "", "")
        stanzas.element(stanzas.ROSTER, "query", request)
        answer = await speaker.ask(request)
        for item in answer.iter(f"{{{stanzas.ROSTER}}}item"):
            person = stanzas.address(item.get("jid", ""))
            if item.get("subscription") in ("from", "both") and self._desk.role_of(person) < Role.VIEWER:
                self._send(speaker, person, "unsubscribed")

    def _send(self, speaker: Speaker, person: str, kind: str) -> None:
        speaker.send(stanzas.plain_presence(person, kind), Priority.COMMAND, TTL_S, is_kept=True)
