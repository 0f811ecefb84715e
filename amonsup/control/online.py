"""`check --online`: an account tried from the first name to the last room, by whoever asks; the daemon is not needed.

It logs in beside a running agent, under a resource and room nicks of its own, so nothing is thrown out. What is found
is one row a step: name, connection, encryption, login, clock, rooms; the first that fails ends the trial of the
account, as nothing behind it could succeed.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

import slixmpp

from amonsup.config.xmpp_specs import Room as RoomSpec
from amonsup.config.xmpp_specs import Session
from amonsup.control.core import remedies
from amonsup.control.core.room import Room, Step
from amonsup.control.xmpp import stanzas
from amonsup.control.xmpp.client import CertificateError, Client, ConnectError, Endpoint, tls_context
from amonsup.verbs.check import OnlineRow

RESOURCE = "amonsup-check"
LOGIN_S = 30.0
ANSWER_S = 15.0
LEAVE_S = 4.0
MOST_OFF_S = 60.0
"""Commands that are older are not carried out (supervisor/core/remote.py): so far a clock may be off."""


class Visitor(Client):
    """A client that remembers how it was encrypted; without a password it leaves before the login."""

    def __init__(self, spec: Session, password: str | None, context: ssl.SSLContext) -> None:
        super().__init__(f"{spec.jid}/{RESOURCE}", password or "", context, spec.proxy)
        self._spec = spec
        self.encryption = ""
        self.why = ""
        self.step = "tls"
        self._has_password = password is not None
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answers: dict[str, asyncio.Future[Element]] = {}
        self.presences: asyncio.Queue[Element] = asyncio.Queue(1000)
        for name in ("IM", "IMError", "Presence"):
            self.remove_handler(name)
        self.on_element("iq", f"{{{stanzas.CLIENT}}}iq", self._on_iq)
        self.on_element("presence", f"{{{stanzas.CLIENT}}}presence", self._on_presence)
        self.add_event_handler("session_start", lambda _: self._end(is_in=True))
        self.add_event_handler("disconnected", lambda _: self._end(why="the server closed the connection"))
        self.add_event_handler("failed_auth", lambda stanza: self._end("login", self._refused(stanza["condition"])))
        self.add_event_handler("no_auth", lambda _: self._end("login", remedies.NO_SCRAM))
        self.add_event_handler("ssl_invalid_chain", lambda error: self._end("tls", certificate_words(error)))
        self.add_event_handler("insecure", lambda text: self._end("tls", str(text)))
        self.add_event_handler("hostile", lambda text: self._end(why=f"the server sent {text}"))
        self.add_event_handler("stream_error", lambda error: self._end(why=f"stream error {error['condition']}"))

    def _refused(self, condition: str) -> str:
        return remedies.login(condition, self._spec.jid, self._spec.password_file)

    async def _handle_stream_features(self, features: Any) -> bool | None:
        tls = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        if tls is not None:
            self.step = "login"
            self.encryption = f"{tls.version()}, certificate {_lasts(tls.getpeercert())}"
            if not self._has_password:
                self._end("")
                return True
        result: bool | None = await super()._handle_stream_features(features)
        return result

    async def leave(self) -> None:
        """An orderly end: a server keeps who only breaks off for minutes, and shows him in every room he was in."""
        try:
            async with asyncio.timeout(LEAVE_S):
                if self.transport is not None:
                    await self.disconnect(LEAVE_S / 2)
        except TimeoutError:
            pass
        self.abort()

    def _end(self, step: str | None = None, why: str = "", *, is_in: bool = False) -> None:
        if not self.done.done():
            self.step = self.step if step is None else step
            self.why = why
            self.done.set_result(is_in)

    def _on_iq(self, stanza: Any) -> None:
        answer = self._answers.get(stanza.xml.get("id", ""))
        if answer is not None and not answer.done() and stanza.xml.get("type") in ("result", "error"):
            answer.set_result(stanza.xml)

    def _on_presence(self, stanza: Any) -> None:
        if not self.presences.full():
            self.presences.put_nowait(stanza.xml)

    async def ask(self, to: str, namespace: str, tag: str) -> Element:
        """A question to its answer. Raises TimeoutError."""
        key = uuid.uuid4().hex[:16]
        request = stanzas.iq("get", to, key)
        stanzas.element(namespace, tag, request)
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        self.send(slixmpp.Iq(self, xml=request))  # type: ignore[no-untyped-call]
        async with asyncio.timeout(ANSWER_S):
            found: Element = await answer
            return found


class Trial:
    """One session; `run` returns its rows. `password` None: `no_password` says why there is none."""

    def __init__(self, spec: Session, rooms: tuple[RoomSpec, ...], site: str, password: str | None, no_password: str):
        self._spec, self._site = spec, site
        self._rooms = [room for room in rooms if room.session == spec.name]
        self._password, self._no_password = password, no_password
        self.rows: list[OnlineRow] = []

    def _row(self, step: str, ok: bool | None, text: str) -> None:
        self.rows.append(OnlineRow(self._spec.name, step, ok, text))

    async def run(self) -> list[OnlineRow]:
        try:
            context = tls_context(self._spec.ca_file)
        except ConnectError as error:
            self._row("tls", False, str(error))
            return self.rows
        visitor = Visitor(self._spec, self._password, context)
        try:
            if await self._connect(visitor) and await self._log_in(visitor):
                await self._clock(visitor)
                for room in self._rooms:
                    await self._room(visitor, room)
        finally:
            await visitor.leave()
        return self.rows

    async def _connect(self, visitor: Visitor) -> bool:
        endpoints = await visitor.endpoints(self._spec.hosts, self._spec.ports)
        if not await self._names(endpoints):
            return False
        for endpoint in endpoints:
            where = f"{endpoint.host}:{endpoint.port}"
            try:
                await visitor.open(endpoint)
            except CertificateError as error:
                self._row("tcp", True, where)
                self._row("tls", False, remedies.certificate(str(error)))
                return False
            except ConnectError as error:
                way = "the proxy" if self._spec.proxy else "a firewall on the way out"
                self._row("tcp", False, f"{error}; is a server there, and does {way} let it through?")
                continue
            self._row("tcp", True, where + (f" through {self._spec.proxy}" if self._spec.proxy else ""))
            return True
        return False

    async def _names(self, endpoints: list[Endpoint]) -> bool:
        """Whether at least one name is known; a proxy looks them up itself."""
        if self._spec.proxy:
            return True
        loop, found = asyncio.get_running_loop(), 0
        for host in dict.fromkeys(endpoint.host for endpoint in endpoints):
            try:
                addresses = await loop.getaddrinfo(host, None)
            except UnicodeError:
                self._row("dns", False, f"{host} cannot be the name of a host")
                continue
            except OSError as error:
                remedy = "is host: right?" if self._spec.hosts else "has the domain an SRV record? else say host:"
                self._row("dns", False, f"{host}: {error.strerror or error}; {remedy}")
                continue
            found += 1
            known = ", ".join(sorted({str(each[4][0]) for each in addresses})[:4])
            self._row("dns", True, host if known == host else f"{host} is {known}")
        return found > 0

    async def _log_in(self, visitor: Visitor) -> bool:
        try:
            async with asyncio.timeout(LOGIN_S):
                is_in = await visitor.done
        except TimeoutError:
            is_in, visitor.why = False, f"no answer within {LOGIN_S:.0f} s"
        if visitor.encryption:
            self._row("tls", True, visitor.encryption)
        if self._password is None and visitor.encryption:
            self._row("login", None, self._no_password)
            return False
        if not is_in:
            self._row(visitor.step, False, visitor.why)
            return False
        bound = visitor.boundjid.bare
        self._row("login", bound == self._spec.jid, bound if bound == self._spec.jid else f"bound {bound} instead")
        return bound == self._spec.jid

    async def _clock(self, visitor: Visitor) -> None:
        try:
            asked_at = time.time()
            answer = await visitor.ask(self._spec.domain, stanzas.TIME, "time")
        except TimeoutError:
            self._row("clock", None, "the server does not tell its time")
            return
        try:
            stamp = datetime.fromisoformat(answer.findtext(f".//{{{stanzas.TIME}}}utc", "").replace("Z", "+00:00"))
        except ValueError:
            self._row("clock", None, "the server does not tell its time (XEP-0202)")
            return
        stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
        off = (asked_at + time.time()) / 2 - stamp.timestamp()
        if abs(off) <= MOST_OFF_S:
            self._row("clock", True, f"within {max(1.0, abs(off)):.0f} s of the server's")
        else:
            way = "ahead of" if off > 0 else "behind"
            self._row("clock", False, f"{abs(off):.0f} s {way} the server's; timedatectl set-ntp true sets it right")

    async def _room(self, visitor: Visitor, spec: RoomSpec) -> None:
        try:
            trouble = await self._enter(visitor, spec)
        except TimeoutError:
            trouble = "no answer; is this the address of a room?"
        self._row("room", not trouble, f"{spec.jid}: {trouble or 'right, and this account may enter'}")

    async def _enter(self, visitor: Visitor, spec: RoomSpec) -> str:
        """What is wrong with it; empty: nothing. A room that is not there is not entered, for that would make it."""
        answer = await visitor.ask(spec.jid, stanzas.DISCO_INFO, "query")
        word = stanzas.refusal(answer)
        if word in ("item-not-found", "remote-server-not-found"):
            return f"there is no such room; amonsup room create {spec.jid} makes one"
        if word:
            return f"cannot be looked at: {word}; is {spec.jid.partition('@')[2]} a server for rooms?"
        room = Room(spec.jid, f"{spec.nick or self._site}-check")
        room.checked(frozenset(each.get("var", "") for each in answer.iter(f"{{{stanzas.DISCO_INFO}}}feature")))
        lacking = room.trouble
        visitor.send(slixmpp.Presence(visitor, xml=stanzas.entering(room.jid, room.nick)))
        async with asyncio.timeout(ANSWER_S):
            while (step := room.seen(stanzas.seen(await visitor.presences.get()))) is Step.NOTHING:
                pass
        if step is Step.CHECK:
            left = stanzas.plain_presence(f"{room.jid}/{room.nick}", "unavailable")
            visitor.send(slixmpp.Presence(visitor, xml=left))
            return lacking
        return room.trouble


def certificate_words(error: Exception) -> str:
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    return remedies.certificate(f"certificate: {reason}")


def _lasts(certificate: dict[str, Any]) -> str:
    """`until 2026-12-01`, of what the ssl module says of a certificate."""
    until = certificate.get("notAfter", "")
    return f"good until {time.strftime('%Y-%m-%d', time.gmtime(ssl.cert_time_to_seconds(until)))}" if until else "good"
