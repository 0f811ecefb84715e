"""The plane between the supervisor and the sessions: what people ask for takes nothing away from what they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from amonsup.config.specs import SiteSpec
from amonsup.config.xmpp_specs import Session, XmppSpec
from amonsup.control import plane as planes
from amonsup.control.core import incidents
from amonsup.control.core.records import Priority
from amonsup.control.core.turns import MOST
from amonsup.control.link import Secrets, Settings
from amonsup.control.modules import alerts
from amonsup.control.plane import Plane
from amonsup.control.xmpp import stanzas
from amonsup.verbs.results import Happening, StatusResult, StatusRow
from amonsup.wire.messages import Answer, Refused

ONE = XmppSpec(sessions=(Session(name="main", jid="gsi@x.org", password_file="/pw"),))
SITE = SiteSpec(site="gsi", config_file="", conf_d="", run_dir="", state_dir="", log_dir="", socket="", xmpp=ONE)
SETTINGS = Settings(SITE, Secrets({"main": "secret"}, {}), 0)
CRASH = Happening(1, "2026-11-30T12:00:00.000Z", "fatal", "ce", "exit 1")


class Supervisor:
    """`status` is answered at once. `seen`: what need not be told any more."""

    def __init__(self, state: str = "fatal") -> None:
        self.state = state
        self.seen = 0

    async def request(self, verb: str, _args: dict[str, Any]) -> Answer | Refused:
        if verb != "status":
            return Refused("1", "failed", "not here")
        row = StatusRow("ce", self.state, None, None, 3, None, None)
        return Answer("1", msgspec.Raw(msgspec.json.encode(StatusResult("gsi", (row,)))))

    def has_seen(self, seq: int) -> None:
        self.seen = seq


def with_a_plane(test: Callable[[Plane, Any], Coroutine[Any, Any, None]], state: str = "fatal") -> None:
    """The one service is in this state."""

    async def run() -> None:
        supervisor: Any = Supervisor(state)
        plane = Plane(supervisor, SETTINGS)
        await test(plane, supervisor)
        await plane._finish()

    asyncio.run(run())


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0)


def test_however_many_ask_the_mirror_follows_what_happens() -> None:
    async def test(plane: Plane, supervisor: Any) -> None:
        never = asyncio.Event()
        for number in range(MOST):
            assert plane.serve(f"p{number}@x.org", never.wait())
        assert not plane.serve("late@x.org", never.wait()), "that is too many"
        plane._take(CRASH)
        await until(lambda: plane.mirror.rows)
        assert plane.mirror.rows["ce"].state == "fatal"

    with_a_plane(test)


def test_who_is_done_makes_room() -> None:
    async def test(plane: Plane, supervisor: Any) -> None:
        done = asyncio.Event()
        for number in range(MOST):
            plane.serve(f"p{number}@x.org", done.wait())
        done.set()
        await until(lambda: plane.serve("late@x.org", done.wait()))

    with_a_plane(test)


def test_what_the_server_has_not_got_is_told_by_who_comes_after_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, "DEALT_WITH_S", 0.0)

    async def test(plane: Plane, supervisor: Any) -> None:
        session = plane._sessions["main"]
        session.send(stanzas.message("admin@x.org", "gsi: ce fatal"), Priority.ALERT, 3600.0, is_kept=True)
        session.send(stanzas.message("admin@x.org", "done"), Priority.ANSWER, 3600.0)
        for door in plane._doors:
            monkeypatch.setattr(type(door), "happened", lambda *_: None)
        plane._take(CRASH)
        await until(lambda: plane._is_owing)
        assert supervisor.seen == 0
        alert = session.outbox.take(0.0)
        assert alert is not None
        session.outbox.handed_over("1", alert)
        plane.delivered(session)
        await until(lambda: plane._dealing is None)
        assert supervisor.seen == 0, "the server has not said that it is there"
        session.outbox.acknowledged("1")
        plane.delivered(session)
        await until(lambda: supervisor.seen == CRASH.seq)

    with_a_plane(test)


def test_what_waits_for_its_turn_is_told_by_who_comes_after_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, "DEALT_WITH_S", 0.0)

    async def test(plane: Plane, supervisor: Any) -> None:
        plane._take(CRASH)
        await until(lambda: plane._is_owing)
        assert supervisor.seen == 0

    with_a_plane(test)


def test_what_went_wrong_with_a_service_that_goes_on_is_over_one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line in its log: nothing in the mirror is different because of it."""
    monkeypatch.setattr(incidents, "STEADY_S", 0.0)
    monkeypatch.setattr(alerts, "SETTLE_S", 0.0)

    async def test(plane: Plane, supervisor: Any) -> None:
        outbox = plane._sessions["main"].outbox
        await plane._look(())
        plane._take(Happening(1, "2026-11-30T12:00:00.000Z", "alert", "ce", "OutOfMemory"))
        (door,) = [each for each in plane._doors if isinstance(each, alerts.Alerts)]
        assert door._incidents.open
        await until(lambda: not door._incidents.open)
        assert outbox.take(0.0) is None, "nobody is to be told"

    with_a_plane(test, "running")


def test_what_a_dead_session_owes_is_forgotten_when_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, "DEALT_WITH_S", 0.0)

    async def test(plane: Plane, supervisor: Any) -> None:
        alert = stanzas.message("admin@x.org", "gsi: ce fatal")
        plane._sessions["main"].send(alert, Priority.ALERT, -1.0, is_kept=True)
        plane._take(Happening(1, "2026-11-30T12:00:00.000Z", "running", "ce"))
        await until(lambda: supervisor.seen == 1)

    with_a_plane(test, "running")


def test_a_presence_outlives_the_break_of_a_session_that_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as seen when it is handed over, so it must not expire before."""

    async def test(plane: Plane, supervisor: Any) -> None:
        session = plane._sessions["main"]
        session.is_up = True
        await plane._look(())
        assert session.outbox.take(time.monotonic()) is not None
        supervisor.state = "fatal"
        await plane._look(("ce",))
        assert session.outbox.take(time.monotonic() + 900.0) is not None, "servers keep a session for less"

    with_a_plane(test, "running")
