"""The door to rooms over a session's ups and downs: nothing that was begun is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from amonsup.config.xmpp_specs import Room as RoomSpec
from amonsup.control.core.records import Seen
from amonsup.control.doors import rooms as doors
from amonsup.control.doors.rooms import Rooms
from amonsup.control.xmpp import stanzas

ROOM = "fleet@rooms.x.org"
FEATURES = ("muc_nonanonymous", "muc_membersonly", "muc_persistent")
JOINED = Seen(
    f"{ROOM}/gsi",
    affiliation="member",
    role="participant",
    real_jid="gsi@x.org/amonsup",
    codes=frozenset({"110"}),
)


class Speaker:
    """A session. Until it `answers` every question ends with a lost connection."""

    name = "main"
    jid = "gsi@x.org/amonsup"

    def __init__(self) -> None:
        self.is_up = True
        self.answers = False
        self.sent: list[str] = []
        self.asked: list[Element] = []

    def send(self, stanza: Element, *_: Any, **__: Any) -> None:
        self.sent.append(stanza.get("to", ""))

    async def ask(self, request: Element, *_: Any) -> Element:
        self.asked.append(request)
        if not self.answers:
            raise ConnectionError("the session ended")
        answer = stanzas.iq("result", "", "1")
        query = stanzas.element(stanzas.DISCO_INFO, "query", answer)
        for feature in FEATURES:
            stanzas.element(stanzas.DISCO_INFO, "feature", query, var=feature)
        return answer


def with_a_room(monkeypatch: pytest.MonkeyPatch, test: Callable[[Rooms, Any], Any]) -> None:
    """A door whose session is up; what it does later it does at once."""
    monkeypatch.setattr(doors, "AGAIN_S", 0.0)
    monkeypatch.setattr(doors, "PING_S", 0.0)

    async def run() -> None:
        tasks: set[asyncio.Task[None]] = set()
        desk: Any = SimpleNamespace(
            xmpp=SimpleNamespace(rooms=(RoomSpec(jid=ROOM, session="main", nick="gsi", alerts=True),)),
            site=SimpleNamespace(site="gsi", tags=()),
            spawn=lambda work: tasks.add(asyncio.ensure_future(work)),
            tell=lambda *_: None,
            is_subscribed=lambda *_: False,
            show_to=lambda *_: None,
        )
        speaker: Any = Speaker()
        rooms = Rooms(desk)
        rooms.up(speaker, is_resumed=False)
        await test(rooms, speaker)
        speaker.is_up = False
        rooms.down(speaker)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0)


def test_a_room_that_does_not_let_us_in_is_tried_again_after_a_resumption(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(rooms: Rooms, speaker: Speaker) -> None:
        rooms.seen(speaker, Seen(f"{ROOM}/gsi", "error", condition="registration-required"))
        speaker.is_up = False
        rooms.down(speaker)
        await until(lambda: ROOM not in rooms._timers)
        tries = len(speaker.sent)
        speaker.is_up = True
        rooms.up(speaker, is_resumed=True)
        await until(lambda: len(speaker.sent) > tries)

    with_a_room(monkeypatch, test)


def test_a_room_whose_check_was_cut_is_checked_after_a_resumption(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(rooms: Rooms, speaker: Speaker) -> None:
        room = rooms.find(ROOM)
        assert room is not None
        monkeypatch.setattr(doors, "PING_S", 900.0)
        rooms.seen(speaker, JOINED)
        await until(lambda: speaker.asked)
        rooms.down(speaker)
        speaker.answers = True
        assert not room.is_right
        rooms.up(speaker, is_resumed=True)
        await until(lambda: room.is_right)

    with_a_room(monkeypatch, test)


def test_a_room_that_did_not_answer_is_checked_with_the_next_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(rooms: Rooms, speaker: Speaker) -> None:
        room = rooms.find(ROOM)
        assert room is not None
        rooms.seen(speaker, JOINED)
        await until(lambda: speaker.asked)
        assert not room.is_right
        speaker.answers = True
        await until(lambda: room.is_right)

    with_a_room(monkeypatch, test)
