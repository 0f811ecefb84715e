"""A session between two attempts: what it waits for, and what it knows then."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from amonsup.config.xmpp_specs import Session as Spec
from amonsup.control.core.reconnect import Loss
from amonsup.control.xmpp import stanzas
from amonsup.control.xmpp.session import Session

SPEC = Spec(name="main", jid="gsi@x.org", password_file="/pw")


class Handler:
    """`refused` is asked for the password; `troubles` what was told."""

    def __init__(self) -> None:
        self.refused: Callable[[], None] = lambda: None
        self.troubles: list[str] = []

    def trouble(self, _session: Session, text: str) -> None:
        self.troubles.append(text)


def attempts(loss: Loss, delay_s: float, prepare: Callable[[Session, Handler], None]) -> list[str]:
    """The passwords of the first two attempts; each ends with `loss`, and `delay_s` later comes the next."""

    async def run() -> list[str]:
        handler: Any = Handler()
        session = Session(SPEC, handler, lambda: 0.0, 0.0)
        session.renew("first", "")
        seen: list[str] = []
        both = asyncio.Event()

        async def attempt() -> None:
            session._again.clear()
            seen.append(session._client.password)
            session._loss = loss
            if len(seen) == 2:
                both.set()

        session._attempt = attempt  # type: ignore[method-assign]
        session._reconnect.lost = lambda *_: delay_s  # type: ignore[method-assign]
        prepare(session, handler)
        running = asyncio.create_task(session.run())
        async with asyncio.timeout(20):
            await both.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return seen

    return asyncio.run(run())


def test_before_a_refused_login_is_tried_again_the_password_is_asked_for() -> None:
    def prepare(session: Session, handler: Handler) -> None:
        handler.refused = lambda: session.renew("second", "")

    assert attempts(Loss.REFUSED, 0.0, prepare) == ["first", "second"]


def test_what_is_lost_otherwise_needs_no_other_password() -> None:
    def prepare(_session: Session, handler: Handler) -> None:
        handler.refused = lambda: (_ for _ in ()).throw(AssertionError)

    assert attempts(Loss.NETWORK, 0.0, prepare) == ["first", "first"]


def test_a_new_password_is_tried_at_once() -> None:
    def prepare(session: Session, _handler: Handler) -> None:
        asyncio.get_running_loop().call_later(0, lambda: asyncio.get_running_loop().call_soon(again, session))

    def again(session: Session) -> None:
        session.renew("second", "")

    assert attempts(Loss.REFUSED, 10_000.0, prepare) == ["first", "second"]


def test_without_a_password_nothing_is_tried_and_the_reason_is_told() -> None:
    async def run() -> tuple[Loss, str]:
        session = Session(SPEC, Handler(), lambda: 0.0, 0.0)  # type: ignore[arg-type]
        session.renew("", "/pw: Permission denied")
        await session._attempt()
        return session._loss, session._why

    assert asyncio.run(run()) == (Loss.REFUSED, "no password: /pw: Permission denied")


def test_news_of_the_roster_are_believed_from_our_own_server_only() -> None:
    item = "<query xmlns='jabber:iq:roster'><item jid='Eve@x.org' subscription='both'/></query>"

    async def run() -> list[dict[str, str]]:
        handler: Any = Handler()
        told: list[dict[str, str]] = []
        handler.rostered = lambda _session, items: told.append(items)
        session = Session(SPEC, handler, lambda: 0.0, 0.0)
        for sender in ("", "from='gsi@x.org'", "from='eve@x.org'", "from='gsi@x.org.eve.org'"):
            xml = ET.fromstring(f"<iq xmlns='jabber:client' type='set' id='1' {sender}>{item}</iq>")
            session._on_stanza(SimpleNamespace(xml=xml))
        return told

    assert asyncio.run(run()) == [{"eve@x.org": "both"}] * 2


def test_of_a_strangers_presence_the_library_keeps_nothing() -> None:
    async def run() -> tuple[list[str], list[str]]:
        handler: Any = Handler()
        seen: list[str] = []
        handler.seen = lambda _session, what: seen.append(what.sender)
        client = Session(SPEC, handler, lambda: 0.0, 0.0)._client
        for number in range(3):
            client._spawn_event(ET.fromstring(f"<presence xmlns='jabber:client' from='eve{number}@x.org/phone'/>"))
        return seen, [jid for account in client.roster for jid in client.roster[account]]

    seen, kept = asyncio.run(run())
    assert seen == [f"eve{number}@x.org/phone" for number in range(3)]
    assert kept == []


def test_questions_under_way_are_looked_at_by_nobody_but_the_one_that_is_answered() -> None:
    """A handler of the library for each would be tried on every stanza that comes in."""

    async def run() -> None:
        session = Session(SPEC, Handler(), lambda: 0.0, 0.0)  # type: ignore[arg-type]
        handlers = session._client._XMLStream__handlers
        before = len(handlers)
        asking = [asyncio.ensure_future(session.ask(stanzas.iq("get", "x.org", ""))) for _ in range(50)]
        await asyncio.sleep(0)
        assert len(handlers) == before
        keys = list(session._answers)
        session._on_stanza(SimpleNamespace(xml=stanzas.iq("result", "", keys[7])))
        answer = await asking[7]
        assert answer.get("id") == keys[7]
        assert [each.done() for each in asking].count(True) == 1
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert not session._answers

    asyncio.run(run())
