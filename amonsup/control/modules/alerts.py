"""The module `alerts`: incidents are told in rooms with `alerts: true`, and to people with `alerts: true` not in one.

One message an incident, corrected in place (XEP-0308) as it changes and when it is over; where a client does not know
corrections it reads a new line, which stands for itself. Nothing is told of a muted service. An alert waits up to an
hour for a session; then it is no news any more.
"""

from __future__ import annotations

import asyncio
import uuid

import msgspec

from amonsup.config.xmpp_specs import Module
from amonsup.control.core.incidents import Incident, Incidents, digest
from amonsup.control.core.pace import Pace
from amonsup.control.core.records import Priority, bare
from amonsup.control.desk import Desk, Door
from amonsup.control.xmpp import stanzas
from amonsup.verbs.results import Happening, ShowResult, StatusRow
from amonsup.wire.messages import Answer

SETTLE_S = 0.5
"""A crash and its restart come in a bunch: what is told is how it stands half a second later."""

TTL_S = 3600.0
LONGEST_WAIT_S = 3600.0
"""A mute goes by the wall clock, which may be set meanwhile."""

Circumstances = tuple[StatusRow | None, tuple[str, ...], tuple[str, ...]]
"""How a service stands, what depends on it, its last lines."""


class Alerts(Door):
    """One instance, bound to one session."""

    def __init__(self, desk: Desk, spec: Module) -> None:
        self._desk = desk
        self._spec = spec
        self._incidents = Incidents(f"{spec.name}-{uuid.uuid4().hex[:8]}")
        self._pace = Pace()
        self._pending: dict[str, Incident] = {}
        self._settling: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._has_begun = False
        self._asking = 0

    def happened(self, happening: Happening) -> None:
        self._open(self._incidents.happened(happening))

    def _open(self, incident: Incident | None) -> None:
        if incident is not None:
            self._pending[incident.key] = incident
            self._settle(SETTLE_S)

    @property
    def is_owing(self) -> bool:
        return self._has_news() or self._asking > 0

    def mirrored(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            for row in self._desk.mirror.rows.values():
                self._open(self._incidents.found(row, stanzas.utc_now()))
        resolved, again_s = self._incidents.look(self._desk.mirror.rows, self._now())
        for incident in resolved:
            if incident.told_version:
                self._pending[incident.key] = incident
            elif self._desk.muted_s(incident.service):  # it came and went while nobody wanted to hear of it
                self._pending.pop(incident.key, None)
        if self._has_news():
            self._settle(SETTLE_S)
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if again_s is not None:
            self._looking = asyncio.get_running_loop().call_later(again_s, self.mirrored)

    def _settle(self, after_s: float) -> None:
        """Tell in `after_s` seconds, or sooner if that was the plan."""
        if self._settling is not None:
            if self._settling.when() <= self._now() + after_s:
                return
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(after_s, self._tell)

    def _tell(self) -> None:
        self._settling = None
        muted = {key: left for key, each in self._pending.items() if (left := self._desk.muted_s(each.service))}
        turn = self._pace.divide([each for key, each in self._pending.items() if key not in muted], self._now())
        for incident in (*turn.single, *turn.together):
            del self._pending[incident.key]
        if self._pending:
            waits = [*muted.values(), *([turn.again_s] if turn.later else [])]
            self._settle(min(LONGEST_WAIT_S, *waits))
        for incident in turn.single:
            self._asking += 1
            self._desk.spawn(self._tell_one(incident))
        if turn.together:
            self._send(digest(self._desk.site.site, turn.together), uuid.uuid4().hex[:16], "")
            for each in turn.together:
                each.told_version = each.version

    def _has_news(self) -> bool:
        """Whether anything waits of which somebody wants to hear. The rest waits until its service is not muted."""
        return any(not self._desk.muted_s(each.service) for each in self._pending.values())

    async def _tell_one(self, incident: Incident) -> None:
        try:
            row, dependants, lines = await self._circumstances(incident)
        finally:
            self._asking -= 1
        text = incident.words(self._desk.site.site, row, dependants, lines)
        replaces = incident.key if incident.has_message else ""
        incident.told_version, incident.has_message = incident.version, True
        self._send(text, f"{incident.key}-{incident.version}" if replaces else incident.key, replaces)

    async def _circumstances(self, incident: Incident) -> Circumstances:
        row = self._desk.mirror.rows.get(incident.service)
        if incident.is_resolved:
            return row, (), ()
        reply = await self._desk.supervisor.request("show", {"service": incident.service})
        if not isinstance(reply, Answer):
            return row, (), ()
        shown = msgspec.json.decode(reply.result, type=ShowResult)
        return shown.row, shown.dependants, (incident.is_about_exit and shown.exit_lines) or shown.last_lines

    def _send(self, text: str, key: str, replaces: str) -> None:
        speaker = self._desk.session(self._spec.session)
        if speaker is None:
            return
        rooms = [room.jid for room in self._desk.xmpp.rooms if room.alerts and room.session == self._spec.session]
        for room in rooms:
            made = stanzas.message(room, text, "groupchat", key=key, replaces=replaces)
            speaker.send(made, Priority.ALERT, TTL_S, is_kept=True)
        for rule in self._desk.xmpp.access:
            if rule.alerts and rule.jid and not self._is_in_a_room(rule.jid, rooms):
                made = stanzas.message(rule.jid, text, key=key, replaces=replaces)
                speaker.send(made, Priority.ALERT, TTL_S, is_kept=True)

    def _is_in_a_room(self, person: str, rooms: list[str]) -> bool:
        found = [self._desk.room(jid) for jid in rooms]
        return any(
            bare(each.jid) == person
            for room in found
            if room is not None and room.is_in
            for each in room.occupants.values()
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
