"""The control plane: the one file that knows every part and wires them.

supervisor's event -> the mirror's rows asked for -> wanted presence (pure) -> stanza, if changed
stanza -> door -> request, with who is asking -> supervisor -> answer -> words
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
import zlib
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, cast

import msgspec

from amonsup.config import remote_access
from amonsup.config.roles import Role
from amonsup.config.xmpp_specs import Module
from amonsup.control.core import presence
from amonsup.control.core.mirror import Mirror
from amonsup.control.core.records import Asked, Priority, Said, Seen, bare
from amonsup.control.core.room import Room
from amonsup.control.core.tally import Tally
from amonsup.control.core.turns import Turns
from amonsup.control.desk import Desk, Door, Speaker
from amonsup.control.doors.chat import Chat
from amonsup.control.doors.forms import Forms
from amonsup.control.doors.making import create as create_room
from amonsup.control.doors.queries import Queries, caps_hash
from amonsup.control.doors.rooms import Rooms
from amonsup.control.doors.subscriptions import Subscriptions
from amonsup.control.link import Secrets, Settings, Supervisor
from amonsup.control.modules.alerts import Alerts
from amonsup.control.xmpp import stanzas
from amonsup.control.xmpp.session import Session
from amonsup.verbs.results import EventsResult, Happening, StatusResult
from amonsup.wire.messages import Answer, Caller
from amonsup.wire.turned_away import Reason

MODULES: dict[str, Callable[[Desk, Module], Door]] = {"alerts": Alerts}
"""What amonsup.yaml may make instances of (config/xmpp_keys.py names them too)."""

PRESENCE_TTL_S = 3600.0
"""What is handed over counts as seen, so it must not expire while a broken session is resumed."""

REFUSAL_TTL_S = 60.0
DEALT_WITH_S = 1.0
"""An event that is so old is told, or never will be: alerts wait half a second to see how it stands then."""

NEWS = "1h ago"
"""What is older need not be told any more."""

TELL_S = 0.5
"""So long those who are turned away are counted before the supervisor is told of them."""

SETTLE_S = 0.01
"""After an event the states are asked for a moment later: events come in bunches."""


class Plane:
    """`run` until cancelled. Also the desk of doors and modules, and the handler of sessions."""

    def __init__(self, supervisor: Supervisor, settings: Settings) -> None:
        assert settings.site.xmpp is not None
        self.site = settings.site
        self.xmpp = settings.site.xmpp
        self.mirror = Mirror()
        self.supervisor = supervisor
        self._seen_event = settings.seen
        self._told: dict[str, str] = {}  # of sessions and rooms, for a successor of the supervisor
        self._sessions = self._make_sessions()
        self._throttles = {name: presence.Throttle() for name in self._sessions}
        self._presence_timers: dict[str, asyncio.TimerHandle] = {}
        self._rooms = Rooms(self)
        self._subscriptions = Subscriptions(self)
        implied = tuple(
            Module(use="alerts", name=f"alerts-{each.name}", session=each.name) for each in self.xmpp.sessions
        )
        modules = self.xmpp.modules or implied
        doors: list[Door] = [self._subscriptions, self._rooms, Forms(self), Queries(self), Chat(self)]
        self._doors = doors + [MODULES[module.use](self, module) for module in modules]
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turns = Turns()
        self._is_over = False
        self._tally = Tally()
        self._telling: asyncio.TimerHandle | None = None
        self._dirty: set[str] = set()
        self._refresh: asyncio.TimerHandle | None = None
        self._dealing: asyncio.TimerHandle | None = None
        self._is_owing = False
        self._take_secrets(settings.secrets)

    def _make_sessions(self) -> dict[str, Session]:
        splay = zlib.crc32(self.site.site.encode()) / 0xFFFFFFFF
        return {spec.name: Session(spec, self, random.random, splay) for spec in self.xmpp.sessions}

    def _take_secrets(self, secrets: Secrets) -> None:
        for name, session in self._sessions.items():
            session.renew(secrets.passwords.get(name, ""), secrets.objections.get(name, ""))

    async def run(self) -> None:
        self.supervisor.on_new = self._feed_again
        self.supervisor.on_secrets = self._take_secrets
        self.supervisor.on_errand = lambda message: self.spawn(self._create_room(message))
        self._feed_again()
        try:
            async with asyncio.TaskGroup() as group:
                for session in self._sessions.values():
                    group.create_task(session.run())
                group.create_task(asyncio.Event().wait())  # also without any session
        finally:
            await self._finish()

    async def _finish(self) -> None:
        """Nothing begins any more, and what is under way is called off: timers still go off while the loop ends."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tell_turned_away()

    # -- the desk --

    def session(self, name: str) -> Session | None:
        return self._sessions.get(name)

    def role_of(self, jid: str) -> Role:
        return remote_access.role_of(jid, self.xmpp, *self._rooms.standing(bare(jid)))

    def caller(self, jid: str, via: str, age_s: float = 0.0) -> Caller:
        room, affiliation = self._rooms.standing(bare(jid))
        return Caller(jid, via, room, affiliation, age_s)

    def room(self, jid: str) -> Room | None:
        return self._rooms.find(jid)

    def tell(self, about: str, text: str) -> None:
        self.supervisor.tell(about, text)
        if self._told.get(about) != text:
            complain(f"{about}: {text or 'all is well'}")
        self._told[about] = text

    def turned_away(self, by: str, reason: Reason) -> None:
        self._tally.add(by, reason)
        self._tell_soon()

    def _tell_soon(self) -> None:
        if self._telling is None and not self._is_over:
            self._telling = asyncio.get_running_loop().call_later(TELL_S, self._tell_turned_away)

    def _tell_turned_away(self) -> None:
        self._telling = None
        for by, reason, count in self._tally.take():
            if not self.supervisor.turned_away(by, reason, count):
                self._tally.add(by, reason, count)
                self._tell_soon()

    def show_to(self, speaker: Speaker, addresses: list[str]) -> None:
        shown = self._throttles[speaker.name].sent
        if shown is not None:  # else it is still to come, to everybody
            self._send_presence(speaker, shown, addresses)

    def is_subscribed(self, speaker: Speaker, person: str) -> bool:
        return self._subscriptions.has(speaker, person)

    def muted_s(self, service: str) -> float:
        row = self.mirror.rows.get(service)
        until = row.muted_until if row is not None else None
        return max(0.0, datetime.fromisoformat(until).timestamp() - time.time()) if until else 0.0

    def spawn(self, coroutine: object) -> None:
        self._begin(coroutine)

    def serve(self, who: str, coroutine: object) -> bool:
        if not self._turns.begin(who):
            cast("Coroutine[Any, Any, Any]", coroutine).close()
            return False
        task = self._begin(coroutine)
        if task is None:
            self._turns.end(who)
            return False
        task.add_done_callback(lambda _: self._turns.end(who))
        return True

    def _begin(self, coroutine: object) -> asyncio.Task[Any] | None:
        work = cast("Coroutine[Any, Any, Any]", coroutine)
        if self._is_over:
            work.close()
            return None
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Boundary: one request of one person, one look of ours. What was wrong with it ends nothing else."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ConnectionError | TimeoutError):
            complain(f"a question was given up: {error or 'no answer in time'}")
        elif error is not None:
            complain(f"internal error: {type(error).__name__}: {error}")

    # -- what sessions tell --

    def up(self, session: Session, *, is_resumed: bool) -> None:
        if not is_resumed:
            self._throttles[session.name].forget()
        for door in self._doors:
            door.up(session, is_resumed=is_resumed)
        self._show_presence(session)

    def down(self, session: Session) -> None:
        for door in self._doors:
            door.down(session)

    def said(self, session: Session, said: Said) -> None:
        any(door.said(session, said) for door in self._doors)

    def seen(self, session: Session, seen: Seen) -> None:
        any(door.seen(session, seen) for door in self._doors)

    def asked(self, session: Session, asked: Asked) -> None:
        if not any(door.asked(session, asked) for door in self._doors):
            self._may_be_a_stranger(session, asked.sender)
            refusal = stanzas.error_reply(asked, "service-unavailable")
            session.send(refusal, Priority.ANSWER, REFUSAL_TTL_S)

    def _may_be_a_stranger(self, session: Session, sender: str) -> None:
        """Our own server asks things too, and clients of people in our rooms do, of everybody there."""
        is_ours = sender in ("", session.spec.domain) or bare(sender) == session.spec.jid
        if not is_ours and self._rooms.find(bare(sender)) is None and self.role_of(sender) < Role.VIEWER:
            self.turned_away(bare(sender), Reason.QUESTION)

    def rostered(self, session: Session, items: dict[str, str]) -> None:
        for door in self._doors:
            door.rostered(session, items)

    def strange(self, sender: str) -> None:
        self.turned_away(bare(sender), Reason.STANZA)

    def distrusted(self, session: Session) -> None:
        self.turned_away(session.spec.domain, Reason.SERVER)

    def refused(self) -> None:
        self.supervisor.want_secrets()

    def delivered(self, session: Session) -> None:
        if self._is_owing:
            self._deal_with()

    def trouble(self, session: Session, text: str) -> None:
        self.tell(f"session {session.name}", text)

    # -- what the supervisor tells --

    async def _create_room(self, message: dict[str, Any]) -> None:
        room, number = message["room"], message["number"]
        up = [each for each in self._sessions.values() if each.is_up]
        wanted = next((spec.session for spec in self.xmpp.rooms if spec.jid == room), "")
        session = next((each for each in up if each.name == wanted), up[0] if up else None)
        if session is None:
            self.supervisor.done(number, "no session is up; amonsup status says why")
            return
        self._rooms.being_made.add(room)
        try:
            self.supervisor.done(number, await create_room(session, room, self.site.site, self.xmpp.access))
        except (TimeoutError, ConnectionError):
            self.supervisor.done(number, "the server of the room does not answer")
        finally:
            self._rooms.being_made.discard(room)
        self._rooms.look_at(session, room)

    def _feed_again(self) -> None:
        """A (new) supervisor: everything anew, and what happens from now on."""
        self.spawn(self._feed())

    async def _feed(self) -> None:
        self.supervisor.forget_streams()
        for about, text in self._told.items():
            self.supervisor.tell(about, text)
        old = {"after": self._seen_event, "since": NEWS} if self._seen_event else {"lines": 0}
        reply = await self.supervisor.request("events", {"follow": True, **old}, on_event=self._happened)
        if self._seen_event and isinstance(reply, Answer):  # what happened while there was no supervisor, or none of us
            for happening in msgspec.json.decode(reply.result, type=EventsResult).events:
                self._take(happening)
        await self._look(())
        self._deal_with()

    def _deal_with(self) -> None:
        """What has happened by now is told by the time that the supervisor hears that it is."""
        if self._dealing is None:
            seq, loop = self._seen_event, asyncio.get_running_loop()
            self._dealing = loop.call_later(DEALT_WITH_S, lambda: self._dealt_with(seq))

    def _dealt_with(self, seq: int) -> None:
        self._dealing = None
        is_sent = not any(session.outbox.is_owing(time.monotonic()) for session in self._sessions.values())
        self._is_owing = not is_sent or any(door.is_owing for door in self._doors)
        if not self._is_owing:
            self.supervisor.has_seen(seq)
        if self._seen_event > seq:
            self._deal_with()

    def _happened(self, raw: msgspec.Raw) -> None:
        self._take(msgspec.json.decode(raw, type=Happening))

    def _take(self, happening: Happening) -> None:
        self._seen_event = max(self._seen_event, happening.seq)
        self._deal_with()
        for door in self._doors:
            door.happened(happening)
        if happening.service in self.mirror.rows or not happening.service:
            self._dirty.add(happening.service)
        else:
            self._dirty.add("")  # a service that we do not know: look at all of them
        if self._refresh is None:
            loop = asyncio.get_running_loop()
            self._refresh = loop.call_later(SETTLE_S, lambda: self.spawn(self._look_at_dirty()))

    async def _look_at_dirty(self) -> None:
        self._refresh = None
        dirty, self._dirty = self._dirty, set()
        await self._look(() if "" in dirty or len(dirty) > 50 else tuple(dirty))

    async def _look(self, names: tuple[str, ...]) -> None:
        """Ask how these services are (none: all), and tell whoever is concerned."""
        reply = await self.supervisor.request("status", {"services": list(names)})
        if not isinstance(reply, Answer):
            if names:
                await self._look(())  # one of them is not configured any more
            return
        rows = msgspec.json.decode(reply.result, type=StatusResult).services
        is_changed = self.mirror.update(rows) if names else self.mirror.snapshot(rows)
        for door in self._doors:
            door.mirrored()
        if is_changed or not names:
            for session in self._sessions.values():
                self._show_presence(session)

    # -- presence --

    def _show_presence(self, session: Session) -> None:
        if not session.is_up or not self.mirror.is_known:
            return
        loop = asyncio.get_running_loop()
        wanted = presence.wanted(self.mirror)
        throttle = self._throttles[session.name]
        due_in = throttle.due_in(wanted, loop.time())
        timer = self._presence_timers.pop(session.name, None)
        if timer is not None:
            timer.cancel()
        if due_in is None:
            return
        if due_in > 0:
            self._presence_timers[session.name] = loop.call_later(due_in, self._show_presence, session)
            return
        throttle.was_sent(wanted, loop.time())
        self._send_presence(session, wanted, ["", *self._rooms.audience(session)])

    def _send_presence(self, speaker: Speaker, shown: presence.Wanted, addresses: list[str]) -> None:
        for to in addresses:
            speaker.send(stanzas.presence(shown, caps_hash(), to=to), Priority.COMMAND, PRESENCE_TTL_S)


def complain(text: str) -> None:
    """A line on stderr, which is the daemon's."""
    sys.stderr.write(f"control: {text}\n")
    sys.stderr.flush()
