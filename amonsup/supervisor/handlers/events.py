"""events: out of the chronicle, then live for who follows."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

from amonsup.logbook import moments
from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, select
from amonsup.verbs.events import Arguments
from amonsup.verbs.results import EventsResult, Happening

MOST = 10_000
UNASKED = 100
"""How many are shown if neither a number nor a beginning is said."""


def handle(desk: Desk, call: Call) -> EventsResult | Refusal:
    args: Arguments = call.args
    services = _services(desk, args.services)
    if isinstance(services, Refusal):
        return services
    try:
        since = since_text(args.since, moments.here())
    except ValueError as error:
        return Refusal("bad-request", f"since: {error}")
    most = MOST if args.since or args.after >= 0 else UNASKED
    found: deque[Happening] = deque(maxlen=most if args.lines < 0 else min(args.lines, MOST))
    for happening in desk.happenings():
        if happening.seq > args.after and happening.at >= since and _is_wanted(happening, services):
            found.append(happening)
    if args.follow:
        desk.follow(call, services)
    return EventsResult(tuple(found))


def _services(desk: Desk, words: tuple[str, ...]) -> tuple[str, ...] | Refusal:
    """Whose events are meant; () for everything. The journal also knows what is no more."""
    if "all" in words:
        return ()
    found: list[str] = []
    known: set[str] | None = None  # to the journal, which is read for this once, and only if it must be
    for word in dict.fromkeys(words):
        names = select(desk, (word,), own=True)
        if isinstance(names, Refusal):
            if known is None:
                known = {happening.service for happening in desk.happenings()}
            if not word or word not in known:
                return names
            names = [word]
        found += names or [word]  # of none: a service with instances that is scaled to 0
    return tuple(dict.fromkeys(found))


def _is_wanted(happening: Happening, services: tuple[str, ...]) -> bool:
    return not services or happening.service in services


def since_text(text: str, now: datetime) -> str:
    """The moment meant, as RFC 3339 that compares as text; "" for none. Raises ValueError."""
    if not text:
        return ""
    try:
        moment = moments.parse(text, now).astimezone(UTC)
    except OverflowError:  # the ends of the calendar do not fit into every zone
        raise ValueError(f"{text[:40]!r} is out of the calendar") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
