"""Subscriptions of those who have lost their role: taken back some at a time, and looked at again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from amonsup.config.roles import Role
from amonsup.control.doors import subscriptions
from amonsup.control.doors.subscriptions import TAKEN_BACK_AT_ONCE, Subscriptions
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


def taken_back(server: Server, monkeypatch: pytest.MonkeyPatch, *, is_cut: bool = False) -> None:
    """Until nothing more is to come."""
    monkeypatch.setattr(subscriptions, "AGAIN_S", 0.0)

    async def run() -> None:
        tasks: set[asyncio.Task[None]] = set()
        desk: Any = SimpleNamespace(
            role_of=lambda jid: Role.VIEWER if jid == "viewer@x.org" else Role.NONE,
            spawn=lambda work: tasks.add(asyncio.ensure_future(work)),
        )
        door = Subscriptions(desk)
        door.up(server, is_resumed=False)  # type: ignore[arg-type]
        while tasks:
            await tasks.pop()
            if is_cut:
                door.down(server)  # type: ignore[arg-type]
            for _ in range(3):
                await asyncio.sleep(0)

    asyncio.run(run())


MANY = [f"gone{number}@x.org" for number in range(10)]


def test_all_are_taken_back_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(MANY, passes=3)
    taken_back(server, monkeypatch)
    assert server.subscribers == ["viewer@x.org"]
    assert max(server.rounds) == TAKEN_BACK_AT_ONCE
    assert server.rounds[-1] == 0, "looked at again"


def test_a_server_that_takes_nothing_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(MANY, passes=0)
    taken_back(server, monkeypatch)
    assert len(server.rounds) == 2


def test_with_the_session_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(MANY, passes=4)
    taken_back(server, monkeypatch, is_cut=True)
    assert len(server.rounds) == 1
