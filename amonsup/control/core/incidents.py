"""Incidents: from a stream of events and states to one alert for each thing that goes wrong; pure.

An incident is opened when a service fails (an exit nobody commanded, unhealthy, fatal, a watch rule that alerts), is
changed while it goes on, and is resolved when the service has been well for STEADY_S. Each has one text, which is
corrected in place where clients can do that. When and how they are told is the matter of pace.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from amonsup.config.errors import counted
from amonsup.verbs.results import Happening, StatusRow

STEADY_S = 30.0
OPENING = frozenset({"exited", "fatal", "unhealthy", "failed", "quarantined", "spawn-failed"})
MOST_OPEN = 500


@dataclass
class Incident:
    """One thing that went wrong. `key` names its message, once it `has_message`; `version` grows with every change.

    `ending` is how it came to its end, empty as long as it has not.
    """

    service: str
    key: str
    opened_at: str
    causes: list[str] = field(default_factory=list)
    count: int = 1
    state: str = ""
    ending: str = ""
    version: int = 1
    told_version: int = 0
    has_message: bool = False
    is_listed: bool = False
    well_since: float | None = None

    @property
    def is_about_exit(self) -> bool:
        """Whether a life ended, so that what it said before that may tell why."""
        return self.state not in ("alert", "unhealthy")

    @property
    def is_resolved(self) -> bool:
        return bool(self.ending)

    def words(self, site: str, row: StatusRow | None, dependants: tuple[str, ...], lines: tuple[str, ...]) -> str:
        """The alert for people: state first, then the cause, what is next, what hangs on it, the last lines."""
        times = f" ({self.count} times)" if self.count > 1 else ""
        if self.is_resolved:
            return f"{site}: {self.service} {self.ending}{times}, after {self.causes[-1]}"
        text = [f"{site}: {self.service} {self.state if row is None else row.state}{times}: {self.causes[-1]}"]
        if row is not None and row.retry_s is not None:
            text.append(f"next start in {row.retry_s:.0f} s")
        if dependants:
            text.append(f"needed by {', '.join(dependants[:10])}")
        text += [f"| {line[:200]}" for line in lines[-3:]]
        return "\n".join(text)


class Incidents:
    """All that are open. Times are monotonic seconds."""

    def __init__(self, prefix: str) -> None:
        self.open: dict[str, Incident] = {}
        self._prefix = prefix
        self._number = 0

    def happened(self, happening: Happening) -> Incident | None:
        """An event: the incident that it opens or changes, if any."""
        kind, service = happening.kind, happening.service
        if not service or (kind not in OPENING and kind != "alert"):
            return None
        if kind == "exited" and (happening.by or happening.ok):
            return None  # commanded, or a oneshot that has done its work
        incident = self.open.get(service)
        if incident is None:
            if len(self.open) >= MOST_OPEN:
                return None
            self._number += 1
            key = f"{self._prefix}-{self._number}"
            incident = self.open[service] = Incident(service, key, happening.at, [happening.text], state=kind)
            return incident
        incident.count += kind == "exited"
        incident.causes = [*incident.causes[-9:], happening.text]
        incident.state = kind
        incident.version += 1
        incident.well_since = None
        return incident

    def found(self, row: StatusRow, at: str) -> Incident | None:
        """A service that stands badly when we begin to look: whatever did that, nobody of us has told it."""
        if row.name in self.open:
            return None  # of which there is an event
        is_bad = row.state in ("fatal", "unhealthy") or (row.state == "exited" and not _is_good(row))
        if not is_bad:
            return None
        return self.happened(Happening(0, at, "fatal" if row.state == "fatal" else "failed", row.name, row.why))

    def look(self, rows: dict[str, StatusRow], now: float) -> tuple[list[Incident], float | None]:
        """Those that are resolved now (and no longer open), and in how many seconds to look again."""
        resolved, soonest = [], None
        for service, incident in list(self.open.items()):
            row = rows.get(service)
            if row is None and not incident.is_listed:
                del self.open[service]  # of a process of amonsup's own the event is all that there is
                continue
            incident.is_listed = True
            is_well = row is None or row.state in ("running", "stopped") or (row.state == "exited" and _is_good(row))
            if not is_well:
                incident.well_since = None
                continue
            since = incident.well_since = now if incident.well_since is None else incident.well_since
            left = 0.0 if row is None or row.state != "running" else since + STEADY_S - now
            if left <= 0:
                incident.ending = "removed" if row is None else "stopped" if row.state == "stopped" else "well again"
                incident.version += 1
                resolved.append(self.open.pop(service))
            else:
                soonest = left if soonest is None else min(soonest, left)
        return resolved, soonest


def digest(site: str, incidents: list[Incident]) -> str:
    """Many in one text."""
    over = sum(each.is_resolved for each in incidents)
    going_on = len(incidents) - over
    counts = [counted(going_on, "incident")] * bool(going_on) + [f"{over} over"] * bool(over)
    names = [f"{each.service} {each.ending or each.causes[-1][:60]}" for each in incidents[:20]]
    more = f"\n… and {len(incidents) - 20} more" if len(incidents) > 20 else ""
    return f"{site}: {', '.join(counts)}\n" + "\n".join(names) + more


def _is_good(row: StatusRow) -> bool:
    return row.exit is None or row.exit.ok
