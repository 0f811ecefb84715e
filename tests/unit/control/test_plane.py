"""The plane between the supervisor and the sessions: what people ask for takes nothing away from what they are told."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from amonsup.config.specs import SiteSpec
from amonsup.config.xmpp_specs import XmppSpec
from amonsup.control.link import Secrets, Settings
from amonsup.control.plane import MOST_SERVED, Plane
from amonsup.verbs.results import Happening, StatusResult, StatusRow
from amonsup.wire.messages import Answer

SITE = SiteSpec(site="gsi", config_file="", conf_d="", run_dir="", state_dir="", log_dir="", socket="", xmpp=XmppSpec())


class Supervisor:
    """`status` is answered at once; that the mirror has heard it is `asked`."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def request(self, verb: str, _args: dict[str, Any]) -> Answer:
        assert verb == "status"
        self.asked.set()
        row = StatusRow("ce", "fatal", None, None, 3, None, None)
        return Answer("1", msgspec.Raw(msgspec.json.encode(StatusResult("gsi", (row,)))))

    def has_seen(self, _seq: int) -> None:
        pass


def test_however_many_ask_the_mirror_follows_what_happens() -> None:
    async def run() -> None:
        supervisor: Any = Supervisor()
        plane = Plane(supervisor, Settings(SITE, Secrets({}, {}), 0))
        never = asyncio.Event()
        for number in range(MOST_SERVED):
            assert plane.serve(f"p{number}@x.org", never.wait())
        assert not plane.serve("late@x.org", never.wait()), "that is too many"
        plane._take(Happening(1, "2026-11-30T12:00:00.000Z", "fatal", "ce", "exit 1"))
        async with asyncio.timeout(20):
            await supervisor.asked.wait()
            while not plane.mirror.rows:
                await asyncio.sleep(0)
        assert plane.mirror.rows["ce"].state == "fatal"
        await plane._finish()

    asyncio.run(run())


def test_who_is_done_makes_room() -> None:
    async def run() -> None:
        supervisor: Any = Supervisor()
        plane = Plane(supervisor, Settings(SITE, Secrets({}, {}), 0))
        done = asyncio.Event()
        for number in range(MOST_SERVED):
            plane.serve(f"p{number}@x.org", done.wait())
        done.set()
        async with asyncio.timeout(20):
            while not plane.serve("late@x.org", done.wait()):
                await asyncio.sleep(0)
        await plane._finish()

    asyncio.run(run())
