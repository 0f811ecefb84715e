"""What waits to be sent: bounded, by priority, and nothing goes out after its time.

While there is no session stanzas wait here, not in the library, whose list has no end and no expiry. Of what is equally
important everybody who is told something has his turn: who asks a thousand things waits for his own answers, and when
the box is full the oldest for whom there is most goes. What was handed to the stream but not acknowledged by the server
is known until it is: after a session that could not be resumed, what must not be lost is sent again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import chain
from xml.etree.ElementTree import Element

from amonsup.control.core.records import Outgoing, Priority, bare

MOST = 500
MOST_UNACKED = 200
"""As long as this many are unacknowledged nothing more is handed over: the server is slower than we are."""

WINDOW = 16 * 1024
"""Characters, about: with more than that unacknowledged only presence, commands and alerts are handed over. Servers
take 3000 bytes a second (ejabberd) or 10 000 (Prosody): no alert waits behind more than some seconds of answers."""


class Turns:
    """What waits for each address, which take turns; for each in order."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[Outgoing]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def __iter__(self) -> Iterator[Outgoing]:
        return chain.from_iterable(self._of.values())

    def put(self, item: Outgoing) -> None:
        self._of.setdefault(_whose(item), deque()).append(item)

    def put_back(self, item: Outgoing) -> None:
        """Before everything else for that address."""
        self._of.setdefault(_whose(item), deque()).appendleft(item)

    def take(self) -> Outgoing:
        """Raises StopIteration if there is nothing."""
        who = next(iter(self._of))
        item = self._of[who].popleft()
        self._of.move_to_end(who)
        if not self._of[who]:
            del self._of[who]
        return item

    def drop(self) -> None:
        """The oldest for whom there is most. Raises ValueError if there is nothing."""
        who = max(self._of, key=lambda each: len(self._of[each]))
        self._of[who].popleft()
        if not self._of[who]:
            del self._of[who]


class Outbox:
    """Not thread-safe. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: dict[Priority, Turns] = {priority: Turns() for priority in Priority}
        self._unacked: OrderedDict[str, Outgoing] = OrderedDict()
        self._under_way = 0

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    def is_owing(self, now: float) -> bool:
        """Whether anything that must not be lost, and is not too old, is not known to have arrived at the server."""
        items = chain(self._unacked.values(), *self._waiting.values())
        return any(item.is_kept and item.expires_at > now for item in items)

    def put(self, item: Outgoing) -> None:
        """Queue; if there is no room the least important and oldest is dropped, which may be this one."""
        if len(self) >= MOST:
            for priority in reversed(Priority):
                if priority < item.priority:
                    self.dropped += 1
                    return
                if self._waiting[priority]:
                    self._waiting[priority].drop()
                    self.dropped += 1
                    break
        self._waiting[item.priority].put(item)

    def take(self, now: float) -> Outgoing | None:
        """The next to go, expired ones thrown out; None: nothing, or the server is behind."""
        if len(self._unacked) >= MOST_UNACKED:
            return None
        for priority, queue in self._waiting.items():
            if priority > Priority.ALERT and self._under_way >= WINDOW:
                return None
            while queue:
                item = queue.take()
                if item.expires_at > now:
                    return item
                self.dropped += 1
        return None

    def handed_over(self, key: str, item: Outgoing) -> None:
        """It is in the stream, under a key that its acknowledgement will name."""
        self.acknowledged(key)  # of two alike the first is as good as there
        self._unacked[key] = item
        self._under_way += weight(item.stanza)

    def acknowledged(self, key: str) -> None:
        """The server has it. Unknown keys are ignored."""
        item = self._unacked.pop(key, None)
        if item is not None:
            self._under_way -= weight(item.stanza)

    def session_lost(self) -> None:
        """A new session, nothing of the old one is known there: what must not be lost goes again, first."""
        self._again([item for item in self._unacked.values() if item.is_kept])
        self._unacked.clear()
        self._under_way = 0

    def session_resumed(self, known: set[str]) -> None:
        """The library sends again what it knows (keys); what it was given too late to know of goes by us."""
        unknown = [key for key in self._unacked if key not in known]
        items = [self._unacked[key] for key in unknown]
        for key in unknown:
            self.acknowledged(key)
        self._again(items)

    def _again(self, items: list[Outgoing]) -> None:
        for item in reversed(items):
            self._waiting[item.priority].put_back(item)


def _whose(item: Outgoing) -> str:
    return bare(item.stanza.get("to", ""))


def weight(stanza: Element) -> int:
    """Its length, about: what text and attributes there are, and something for each tag."""
    return sum(40 + len(each.text or "") + sum(map(len, each.attrib.values())) for each in stanza.iter())
