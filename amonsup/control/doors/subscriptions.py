"""Who gets the site's presence: those with at least viewer who ask for it, and nobody by himself (RFC 6121, 3).

A subscription of somebody who has lost his role is taken back at the next session. Of many some at a time, and looked
at again, for servers drop what is too much (ejabberd: five a minute) without a word. What is dropped of our own answers
is only their last step, the word to who asked: our roster has them, presence goes to them, but their own roster shows
them as asking still. So where there were many answers each is given once more; to who has it already it is nothing.
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
AT_ONCE = 4
SURE = 2
"""So many answers, with the requests themselves, pass in a minute."""

MOST_UNSURE = 100
AGAIN_S = 65.0
MOST_SUBSCRIBERS = 10_000
GETS_PRESENCE = ("from", "both")


class Subscriptions(Door):
    """Answers requests for presence."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._taking_back: set[str] = set()  # sessions: it has not come to its end
        self._subscribers: dict[str, set[str]] = {}  # by session
        self._unsure: dict[str, list[str]] = {}  # by session: who was let in, and may not have heard it
        self._repeating: dict[str, asyncio.TimerHandle] = {}

    def has(self, speaker: Speaker, person: str) -> bool:
        """Whether a bare address is subscribed, as far as the server has told us."""
        return person in self._subscribers.get(speaker.name, ())

    def up(self, speaker: Speaker, *, is_resumed: bool) -> None:
        if not is_resumed:
            self._subscribers.pop(speaker.name, None)
        if not is_resumed or speaker.name in self._taking_back:
            self._desk.spawn(self._take_back(speaker))
        if self._unsure.get(speaker.name):
            self._repeat_later(speaker, few=0)

    def down(self, speaker: Speaker) -> None:
        for timers in (self._later, self._repeating):
            timer = timers.pop(speaker.name, None)
            if timer is not None:
                timer.cancel()

    def seen(self, speaker: Speaker, seen: Seen) -> bool:
        if seen.kind not in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            return False
        if seen.kind == "subscribe":
            person = bare(seen.sender)
            may = self._desk.role_of(person) >= Role.VIEWER
            self._send(speaker, person, "subscribed" if may else "unsubscribed")
            if may:
                self._let_in(speaker, person)
            else:
                self._desk.turned_away(person, Reason.SUBSCRIPTION)
        elif seen.kind == "unsubscribe":
            self._left(speaker, bare(seen.sender))
        return True

    def rostered(self, speaker: Speaker, items: dict[str, str]) -> None:
        known = self._subscribers.setdefault(speaker.name, set())
        for person, subscription in items.items():
            if subscription in GETS_PRESENCE and len(known) < MOST_SUBSCRIBERS:
                known.add(person)
            else:
                known.discard(person)
                self._left(speaker, person)

    def _let_in(self, speaker: Speaker, person: str) -> None:
        unsure = self._unsure.setdefault(speaker.name, [])
        if person not in unsure and len(unsure) < MOST_UNSURE:
            unsure.append(person)
        if speaker.name not in self._repeating:
            self._repeat_later(speaker)

    def _left(self, speaker: Speaker, person: str) -> None:
        """What is said once more to who does not ask any more would let him in unasked (RFC 6121, 3.4)."""
        if person in self._unsure.get(speaker.name, ()):
            self._unsure[speaker.name].remove(person)

    def _repeat_later(self, speaker: Speaker, few: int = SURE) -> None:
        loop = asyncio.get_running_loop()
        self._repeating[speaker.name] = loop.call_later(AGAIN_S, self._repeat, speaker, few)

    def _repeat(self, speaker: Speaker, few: int) -> None:
        """To `few` it is not said again; to more it is, some at a time."""
        del self._repeating[speaker.name]
        unsure = self._unsure.pop(speaker.name)
        if len(unsure) <= few:
            return
        for person in unsure[:AT_ONCE]:
            if self._desk.role_of(person) >= Role.VIEWER:
                self._send(speaker, person, "subscribed")
        if unsure[AT_ONCE:]:
            self._unsure[speaker.name] = unsure[AT_ONCE:]
            self._repeat_later(speaker, few=0)

    async def _take_back(self, speaker: Speaker, before: int = sys.maxsize) -> None:
        """Until the roster has none any more, or nothing helps. `before`: how many there were the last time."""
        self._taking_back.add(speaker.name)
        request = stanzas.iq("get", "", "")
        stanzas.element(stanzas.ROSTER, "query", request)
        answer = await speaker.ask(request)
        self._subscribers[speaker.name] = set()
        self.rostered(speaker, stanzas.rostered(answer))
        subscribers = self._subscribers[speaker.name]
        lost = sorted(person for person in subscribers if self._desk.role_of(person) < Role.VIEWER)
        for person in lost[:AT_ONCE]:
            self._send(speaker, person, "unsubscribed")
        if 0 < len(lost) < before:
            loop = asyncio.get_running_loop()
            again = loop.call_later(AGAIN_S, lambda: self._desk.spawn(self._take_back(speaker, len(lost))))
            self._later[speaker.name] = again
        else:
            self._taking_back.discard(speaker.name)

    def _send(self, speaker: Speaker, person: str, kind: str) -> None:
        speaker.send(stanzas.plain_presence(person, kind), Priority.COMMAND, TTL_S, is_kept=True)
