"""What the site's presence says, and when: a pure function of the mirror, and a throttle.

interface.md, 'XMPP': <show/> none = all well, away = something is on its way, xa = something unhealthy, dnd =
something fatal; <status/> is for people, worst first; the payload is small. A change to fatal goes out at once,
everything else at most every QUIET_S, so a service that flaps does not flood anybody's client.
"""

from __future__ import annotations

from dataclasses import dataclass

from amonsup.control.core.mirror import UP, Mirror

QUIET_S = 5.0
FATAL_QUIET_S = 1.0
"""One more that turns fatal where one is already; the first of them waits for nothing."""
LONGEST_STATUS = 120
LONGEST_WHY = 60
_SHOWS = (
    ("fatal", "dnd"),
    ("unhealthy", "xa"),
    ("backoff", "away"),
    ("starting", "away"),
    ("stopping", "away"),
    ("waiting", "away"),
)


@dataclass(frozen=True)
class Wanted:
    """One presence. `show` is empty for 'all well'."""

    show: str
    status: str
    revision: int
    counts: tuple[tuple[str, int], ...]
    worst: str
    digest: str


def wanted(mirror: Mirror) -> Wanted:
    counts = mirror.counts()
    worst = next(iter(counts), "")
    show = next((show for state, show in _SHOWS if state in counts), "")
    return Wanted(show, _status(mirror, counts), mirror.revision, tuple(counts.items()), worst, mirror.digest())


def _status(mirror: Mirror, counts: dict[str, int]) -> str:
    """`5/6 up; fatal: ce (exit 1)`, as much of it as fits."""
    meant = [row for row in mirror.rows.values() if row.desired == "up" or row.state in UP or row.state == "fatal"]
    up = sum(row.state in UP for row in meant)
    text = f"{up}/{len(meant)} up"
    for state in counts:
        if state in ("running", "exited", "stopped"):
            continue
        names = [_named(row.name, row.why) for row in mirror.rows.values() if row.state == state]
        text += f"; {state}: {', '.join(names)}"
    return text if len(text) <= LONGEST_STATUS else text[: LONGEST_STATUS - 1] + "…"


def _named(name: str, why: str) -> str:
    short = why if len(why) <= LONGEST_WHY else why[: LONGEST_WHY - 1] + "…"
    return f"{name} ({short})" if short else name


class Throttle:
    """Decides when a wanted presence is sent. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.sent: Wanted | None = None
        self._sent_at = float("-inf")

    def due_in(self, presence: Wanted, now: float) -> float | None:
        """Seconds until `presence` may be sent; None: there is nothing new to say."""
        if self.sent is not None and _same(self.sent, presence):
            return None
        before = 0 if self.sent is None else _fatal(self.sent)
        if self.sent is None or before == 0 < _fatal(presence):
            return 0.0
        quiet_s = FATAL_QUIET_S if _fatal(presence) > before else QUIET_S
        return max(0.0, self._sent_at + quiet_s - now)

    def was_sent(self, presence: Wanted, now: float) -> None:
        self.sent, self._sent_at = presence, now

    def forget(self) -> None:
        """A new session knows nothing of us."""
        self.sent = None


def _fatal(presence: Wanted) -> int:
    """How many services are."""
    return dict(presence.counts).get("fatal", 0)


def _same(one: Wanted, other: Wanted) -> bool:
    return (one.show, one.status, one.digest) == (other.show, other.status, other.digest)
