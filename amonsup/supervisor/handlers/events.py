"""events: out of the chronicle, then live for who follows."""

from __future__ import annotations

import re
import time
from collections import deque
from datetime import UTC, datetime

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal
from amonsup.verbs.events import Arguments
from amonsup.verbs.results import EventsResult, Happening

MOST = 10_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def handle(desk: Desk, call: Call) -> EventsResult | Refusal:
    args: Arguments = call.args
    since = since_text(args.since, time.time())
    if since is None:
        return Refusal("bad-request", f"since: {args.since[:40]!r}; an RFC 3339 time or 30s, 10m, 2h, 1d is allowed")
    most = MOST if args.since or args.after >= 0 else max(0, min(args.lines, MOST))
    found: deque[Happening] = deque(maxlen=most)
    for happening in desk.happenings():
        if happening.seq > args.after and happening.at >= since and _is_wanted(happening, args.services):
            found.append(happening)
    if args.follow:
        desk.follow(call, args.services)
    return EventsResult(tuple(found))


def _is_wanted(happening: Happening, services: tuple[str, ...]) -> bool:
    return not services or happening.service in services


def since_text(text: str, wall_now: float) -> str | None:
    """The moment meant, as RFC 3339 that compares as text; "" for none; None if it cannot be read."""
    if not text:
        return ""
    ago = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if ago:
        moment = datetime.fromtimestamp(max(0.0, wall_now - int(ago[1]) * _UNITS[ago[2]]), UTC)
    else:
        try:
            moment = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):  # the ends of the calendar do not fit into every zone
            return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
