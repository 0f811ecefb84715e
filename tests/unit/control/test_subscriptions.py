"""Subscriptions of those who have lost their role: taken back some at a time, and looked at again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from amonsup.config.roles import Role
from amonsup.control.core.records import Seen
from amonsup.control.doors import subscriptions
from amonsup.control.doors.subscriptions import AT_ONCE, SURE, Subscriptions
from amonsup.control.xmpp import stanzas


class Server:
    """A session whose server has a roster; of what is sent in one round it lets `passes` through."""

    name = "main"

    def __init__(self, subscribers: list[str], passes: int) -> None:
        self.subscribers = [*subscribers, "viewer@x.org"]
        self.rounds: list[int] = []
        self._passes = passes

    async def ask(self, _request: Element) -> Element:
        self.rounds.append(0)
        answer = stanzas.iq("result", "", "1")
        query = stanzas.element(stanzas.ROSTER, "query", answer)
        for jid in self.subscribers:
            stanzas.element(stanzas.ROSTER, "item", query, jid=jid, subscription="from")
        return answer

    def send(self, stanza: Element, *_: Any, **__: Any) -> None:
        assert stanza.get("type") == "unsubscribed"
        self.rounds[-1] += 1
        if self.rounds[-1] <= self._passes:
            self.subscribers.remove(stanza.get("to", ""))


def taken_back(server: Any, monkeypatch: pytest.MonkeyPatch, *, is_cut: bool = False, is_resumed: bool = False) -> None:
    """Until nothing more is to come. `is_cut`: the session ends after the first round; `is_resumed`: and goes on."""
    monkeypatch.setattr(subscriptions, "AGAIN_S", 0.0)

    async def run() -> None:
        nonlocal is_cut
        tasks: set[asyncio.Task[None]] = set()
        desk: Any = SimpleNamespace(
            role_of=lambda jid: Role.VIEWER if jid == "viewer@x.org" else Role.NONE,
            spawn=lambda work: tasks.add(asyncio.ensure_future(work)),
        )
        door = Subscriptions(desk)
        door.up(server, is_resumed=False)
        while tasks:
            await tasks.pop()
            if is_cut:
                door.down(server)
            if is_cut and is_resumed:
                is_cut = False
                door.up(server, is_resumed=True)
            for _ in range(3):
                await asyncio.sleep(0)

    asyncio.run(run())


MANY = [f"gone{number}@x.org" for number in range(10)]


def test_all_are_taken_back_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(MANY, passes=3)
    taken_back(server, monkeypatch)
    assert server.subscribers == ["viewer@x.org"]
    assert max(server.rounds) == AT_ONCE
    assert server.rounds[-1] == 0, "looked at again"


def test_a_server_that_takes_nothing_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(MANY, passes=0)
    taken_back(server, monkeypatch)
    assert len(server.rounds) == 2


def test_with_the_session_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(MANY, passes=4)
    taken_back(server, monkeypatch, is_cut=True)
    assert len(server.rounds) == 1


def test_with_a_session_that_is_resumed_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(MANY, passes=4)
    taken_back(server, monkeypatch, is_cut=True, is_resumed=True)
    assert server.subscribers == ["viewer@x.org"]


def test_what_has_come_to_its_end_does_not_begin_again_with_a_resumption(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([], passes=4)
    taken_back(server, monkeypatch, is_cut=True, is_resumed=True)
    assert len(server.rounds) == 1


class Listener:
    """A session that remembers to whom what was sent."""

    name = "main"

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send(self, stanza: Element, *_: Any, **__: Any) -> None:
        self.sent.append((stanza.get("to", ""), stanza.get("type", "")))


def asked_by(
    people: list[str], monkeypatch: pytest.MonkeyPatch, *, is_cut: bool = False, leave: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    """What is sent when all of these ask at once, and these leave again, until nothing more is to come."""
    monkeypatch.setattr(subscriptions, "AGAIN_S", 0.0)
    listener: Any = Listener()

    async def run() -> None:
        desk: Any = SimpleNamespace(
            role_of=lambda jid: Role.NONE if jid.startswith("eve") else Role.VIEWER, turned_away=lambda *_: None
        )
        door = Subscriptions(desk)
        for person in people:
            assert door.seen(listener, Seen(f"{person}/phone", "subscribe"))
        for person in leave[:1]:
            assert door.seen(listener, Seen(person, "unsubscribe"))
        for person in leave[1:]:
            door.rostered(listener, {person: "none"})
        if is_cut:
            door.down(listener)
            await asyncio.sleep(0)
            assert len(listener.sent) == len(people), "nobody is there to be told"
            door.up(listener, is_resumed=True)
        for _ in range(30):
            await asyncio.sleep(0)

    asyncio.run(run())
    found: list[tuple[str, str]] = listener.sent
    return found


def told(people: list[str]) -> list[tuple[str, str]]:
    return [(person, "subscribed") for person in people]


def test_few_are_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    few = MANY[:SURE]
    assert asked_by(few, monkeypatch) == told(few)


@pytest.mark.parametrize("is_cut", [False, True])
def test_of_many_each_is_answered_once_more(monkeypatch: pytest.MonkeyPatch, *, is_cut: bool) -> None:
    """Also the last ones, who are few again; strangers are not."""
    many = MANY[: AT_ONCE + 1]
    sent = asked_by([*many, "eve@x.org"], monkeypatch, is_cut=is_cut)
    assert sent == [*told(many), ("eve@x.org", "unsubscribed"), *told(many)]


def test_who_has_left_meanwhile_is_not_let_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    many, left = MANY[: SURE + 3], (MANY[0], MANY[1])
    assert asked_by(many, monkeypatch, leave=left) == [*told(many), *told(many[2:])]


def test_who_is_subscribed_is_what_the_server_says() -> None:
    desk: Any = SimpleNamespace()
    listener: Any = Listener()
    door = Subscriptions(desk)
    door.rostered(listener, {"a@x.org": "from", "b@x.org": "both", "c@x.org": "to"})
    assert [person for person in ("a@x.org", "b@x.org", "c@x.org") if door.has(listener, person)] == [
        "a@x.org",
        "b@x.org",
    ]
    door.rostered(listener, {"a@x.org": "remove", "b@x.org": "to"})
    assert not door.has(listener, "a@x.org")
    assert not door.has(listener, "b@x.org")
