"""Rooms: joined and joined again, looked at by moderators, asked things by whoever may.

In a room only reading verbs are understood, after a word that says who is meant (`@tag status`, `@site status`,
`@all status`), and the answer goes to the person who asked, not into the room: a hundred sites would answer at once.
"""

from __future__ import annotations

import asyncio

from amonsup.config.xmpp_specs import Room as RoomSpec
from amonsup.control.core import chatline
from amonsup.control.core.records import Priority, Said, Seen, bare, resource
from amonsup.control.core.room import Room, Step
from amonsup.control.desk import Desk, Door, Speaker
from amonsup.control.doors import answers
from amonsup.control.xmpp import stanzas
from amonsup.verbs.verb import Kind
from amonsup.wire.messages import Caller
from amonsup.wire.turned_away import Reason

JOIN_TTL_S = 60.0
ANSWER_TTL_S = 300.0
AGAIN_S = 300.0
PING_S = 900.0
MOST_EARLY = 10
"""What is said between our joining and our knowing what kind of room it is waits until then."""


class Rooms(Door):
    """All rooms of all sessions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rooms = {spec.jid: Room(spec.jid, spec.nick or desk.site.site) for spec in desk.xmpp.rooms}
        self._specs: dict[str, RoomSpec] = {spec.jid: spec for spec in desk.xmpp.rooms}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._early: dict[str, list[Said]] = {}  # of rooms that are being looked at
        self.being_made: set[str] = set()  # rooms that somebody wants made: not destroyed again

    # -- for others --

    def find(self, jid: str) -> Room | None:
        return self._rooms.get(jid)

    def standing(self, person: str) -> tuple[str, str]:
        """The room where a bare address stands highest, and its affiliation there; empty texts if nowhere."""
        order = ("owner", "admin", "member")
        found = [(room.standing(person), jid) for jid, room in self._rooms.items()]
        best = min(
            (each for each in found if each[0] in order), key=lambda each: order.index(each[0]), default=("", "")
        )
        return best[1], best[0]

    def audience(self, speaker: Speaker) -> list[str]:
        """To whom presence goes besides subscribers: the rooms themselves, and their moderators directly.

        A room that is not right is not told how the site is. A moderator who subscribes as well is told by the server,
        whose record of directed presence (RFC 6121, 4.6) knows nothing of that: he would see everything twice.
        """
        found: list[str] = []
        for jid, room in self._rooms.items():
            if self._specs[jid].session == speaker.name and room.is_in and room.is_right:
                moderators = [each for each in room.moderators() if not self._desk.is_subscribed(speaker, bare(each))]
                found += [f"{jid}/{room.nick}", *moderators]
        return list(dict.fromkeys(found))

    def look_at(self, speaker: Speaker, jid: str) -> None:
        """The room may have become another: enter it anew if it is one of ours."""
        room = self._rooms.get(jid)
        if room is not None:
            room.left()
            room.tries = 0
            self._join(speaker, jid)

    # -- what happens --

    def up(self, speaker: Speaker, *, is_resumed: bool) -> None:
        if not is_resumed:
            for jid in self._rooms:
                if self._specs[jid].session == speaker.name:
                    self._rooms[jid].left()
                    self._rooms[jid].tries = 0
                    self._join(speaker, jid)
            return
        for jid, room in self._rooms.items():
            if self._specs[jid].session == speaker.name and (jid not in self._timers or self._is_unknown(room)):
                self._later(0.0, speaker, room)  # it was due meanwhile, or its check was cut short

    def seen(self, speaker: Speaker, seen: Seen) -> bool:
        room = self._rooms.get(bare(seen.sender))
        if room is None or self._specs[room.jid].session != speaker.name:
            return False
        audience = self.audience(speaker)
        was_in, trouble = room.is_in, room.trouble
        step = room.seen(seen)
        if step is Step.CHECK:
            self._early[room.jid] = []
            self._desk.spawn(self._check(speaker, room))
            self._later(PING_S, speaker, room)
        elif step is Step.DESTROY and room.jid in self.being_made:
            pass
        elif step is Step.DESTROY:
            self._desk.spawn(self._destroy(speaker, room))
        elif step is Step.RENAME:
            self._join(speaker, room.jid)
        elif step is Step.GIVE_UP or (was_in and not room.is_in):
            self._later(AGAIN_S, speaker, room)
        if room.trouble != trouble:
            self._desk.tell(room.jid, room.trouble)
        self._show_to_new(speaker, audience)
        return True

    def said(self, speaker: Speaker, said: Said) -> bool:
        room = self._rooms.get(bare(said.sender))
        if room is None:
            return False
        if said.kind == "groupchat" and not said.is_delayed and not said.is_replacement:
            early = self._early.get(room.jid)
            if early is None:
                self._asked_in_room(speaker, room, said)
            elif len(early) < MOST_EARLY:
                early.append(said)
        elif said.kind in ("chat", "normal") and said.body.strip():
            self._desk.turned_away(said.sender, Reason.ROOM)  # a room hides who speaks privately: not answered
        return True

    def rostered(self, speaker: Speaker, items: dict[str, str]) -> None:
        """Who unsubscribes was told that we are gone, and may be a moderator still."""
        left = [each for each in self.audience(speaker) if bare(each) in items]
        self._desk.show_to(speaker, left)

    # -- inside --

    def _show_to_new(self, speaker: Speaker, audience: list[str]) -> None:
        """`audience`: as it was before."""
        new = [each for each in self.audience(speaker) if each not in audience]
        if new:
            self._desk.show_to(speaker, new)

    def _asked_in_room(self, speaker: Speaker, room: Room, said: Said) -> None:
        line = chatline.parse(said.body) if said.body.startswith("@") else None
        if not isinstance(line, chatline.Line) or not self._is_meant(line.selector):
            return
        occupant = room.occupants.get(resource(said.sender))
        if not room.is_right or occupant is None or not occupant.jid:
            self._desk.turned_away(said.sender, Reason.ROOM)
            return
        if line.verb.kind is Kind.OPERATION or line.verb.role > line.verb.role.READER:
            self._desk.turned_away(bare(occupant.jid), Reason.ROOM)
            return
        caller = Caller(occupant.jid, "room", room.jid, occupant.affiliation)
        if not self._desk.serve(bare(occupant.jid), self._answer(speaker, occupant.jid, line, caller)):
            self._desk.turned_away(bare(occupant.jid), Reason.BUSY)

    def _is_meant(self, selector: str) -> bool:
        return selector in ("all", self._desk.site.site, *self._desk.site.tags)

    async def _answer(self, speaker: Speaker, to: str, line: chatline.Line, caller: Caller) -> None:
        words = await answers.ask(self._desk, line.verb, line.args, caller)
        speaker.send(
            stanzas.message(to, f"{self._desk.site.site}: {words.text}"), answers.priority(line.verb), ANSWER_TTL_S
        )

    def _join(self, speaker: Speaker, jid: str) -> None:
        room = self._rooms[jid]
        speaker.send(stanzas.entering(jid, room.nick), Priority.COMMAND, JOIN_TTL_S)
        self._later(AGAIN_S, speaker, room)

    async def _check(self, speaker: Speaker, room: Room) -> None:
        request = stanzas.iq("get", room.jid, "")
        stanzas.element(stanzas.DISCO_INFO, "query", request)
        try:
            answer = await speaker.ask(request)
        finally:
            early = self._early.pop(room.jid, [])
        audience = self.audience(speaker)
        room.checked(frozenset(each.get("var", "") for each in answer.iter(f"{{{stanzas.DISCO_INFO}}}feature")))
        self._desk.tell(room.jid, room.trouble)
        self._show_to_new(speaker, audience)
        for said in early:
            self._asked_in_room(speaker, room, said)

    async def _destroy(self, speaker: Speaker, room: Room) -> None:
        request = stanzas.iq("set", room.jid, "")
        query = stanzas.element(stanzas.MUC_OWNER, "query", request)
        stanzas.element(stanzas.MUC_OWNER, "destroy", query)
        await speaker.ask(request)
        room.left()
        self._desk.tell(room.jid, room.trouble)

    def _later(self, after_s: float, speaker: Speaker, room: Room) -> None:
        timer = self._timers.pop(room.jid, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[room.jid] = loop.call_later(after_s, self._look_again, speaker, room)

    def _look_again(self, speaker: Speaker, room: Room) -> None:
        """Join again where we are not; where we think we are, ask (XEP-0410): a server may have forgotten us."""
        self._timers.pop(room.jid, None)
        if not speaker.is_up:
            return  # `up` goes on
        if room.is_in:
            self._desk.spawn(self._self_ping(speaker, room))
            if not room.is_right:
                self._desk.spawn(self._check(speaker, room))
        else:
            room.tries = 0
            self._join(speaker, room.jid)

    def _is_unknown(self, room: Room) -> bool:
        return room.is_in and not room.is_right and not room.trouble

    async def _self_ping(self, speaker: Speaker, room: Room) -> None:
        self._later(PING_S, speaker, room)  # first: the answer may never come
        request = stanzas.iq("get", f"{room.jid}/{room.nick}", "")
        stanzas.element(stanzas.PING, "ping", request)
        answer = await speaker.ask(request)
        word = stanzas.refusal(answer)
        if word and room.is_out(word):
            room.left()
            self._join(speaker, room.jid)
