"""Who gets the site's presence: those with at least viewer who ask for it, and nobody by himself (RFC 6121, 3).

A subscription of somebody who has lost his role is taken back at the next session. Of many some at a time, and looked
at again, for servers drop what is too much (ejabberd: five a minute) without a word.
"""

from __future__ import annotations

import asyncio
import sys

from amonsup.config.roles import Role
from amonsup.control.core.records import Priority, Seen, bare
from amonsup.control.desk import Desk, Door, Speaker
from amonsup.control.xmpp import stanzas
from amonsup.wire.turned_away import Reason

TTL_S = 300.0
TAKEN_BACK_AT_ONCE = 4
AGAIN_S = 65.0


class Subscriptions(Door):
    """Answers requests for presence."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._later: dict[str, asyncio.TimerHandle] = {}

    def up(self, speaker: Speaker, *, is_resumed: bool) -> None:
        if not is_resumed:
            self._desk.spawn(self._take_back(speaker))

    def down(self, speaker: Speaker) -> None:
        later = self._later.pop(speaker.name, None)
        if later is not None:
            later.cancel()

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

    async def _take_back(self, speaker: Speaker, before: int = sys.maxsize) -> None:
        """Until the roster has none any more, or nothing helps. `before`: how many there were the last time."""
        request = stanzas.iq("get", "", "")
        stanzas.element(stanzas.ROSTER, "query", request)
        answer = await speaker.ask(request)
        subscribers = {
            stanzas.address(item.get("jid", ""))
            for item in answer.iter(f"{{{stanzas.ROSTER}}}item")
            if item.get("subscription") in ("from", "both")
        }
        lost = sorted(person for person in subscribers if self._desk.role_of(person) < Role.VIEWER)
        for person in lost[:TAKEN_BACK_AT_ONCE]:
            self._send(speaker, person, "unsubscribed")
        if 0 < len(lost) < before:
            loop = asyncio.get_running_loop()
            again = loop.call_later(AGAIN_S, lambda: self._desk.spawn(self._take_back(speaker, len(lost))))
            self._later[speaker.name] = again

    def _send(self, speaker: Speaker, person: str, kind: str) -> None:
        speaker.send(stanzas.plain_presence(person, kind), Priority.COMMAND, TTL_S, is_kept=True)
