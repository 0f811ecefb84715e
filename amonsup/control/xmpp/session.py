"""One session: an account that is kept online, by a single task that owns its connection.

    down -> connecting -> negotiating -> up -> down …

A lost connection is resumed (XEP-0198) where the server still knows it: then nothing was lost in either direction.
Otherwise it is a new session, and what must not be lost goes out again. When and where to connect is decided by
core/reconnect.py; what waits to be sent by core/outbox.py.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol
from xml.etree.ElementTree import Element

import slixmpp

from amonsup.config.xmpp_specs import Session as SessionSpec
from amonsup.control.core import remedies
from amonsup.control.core.outbox import Outbox
from amonsup.control.core.reconnect import Loss, Reconnect
from amonsup.control.core.records import Asked, Outgoing, Priority, Said, Seen
from amonsup.control.xmpp import stanzas
from amonsup.control.xmpp.client import CertificateError, Client, ConnectError, stanza_key, tls_context

RESOURCE = "amonsup"
ESTABLISH_S = 45.0
PING_AFTER_S = 75.0
PING_PATIENCE_S = 20.0
MISSES = 2
MAX_BUFFERED = 64 * 1024
ANSWER_S = 30.0
SECRETS_S = 5.0
_KINDS = {"message": slixmpp.Message, "presence": slixmpp.Presence, "iq": slixmpp.Iq}


class Handler(Protocol):
    """What a session tells. None of these may block."""

    def up(self, session: Session, *, is_resumed: bool) -> None: ...

    def down(self, session: Session) -> None: ...

    def said(self, session: Session, said: Said) -> None: ...

    def seen(self, session: Session, seen: Seen) -> None: ...

    def asked(self, session: Session, asked: Asked) -> None: ...

    def rostered(self, session: Session, items: dict[str, str]) -> None:
        """News of the account's roster: subscriptions by address."""

    def strange(self, sender: str) -> None:
        """A stanza of theirs was too deep or too wide, and was emptied."""

    def distrusted(self, session: Session) -> None:
        """What we met at the other end of the line is not to be believed."""

    def refused(self) -> None:
        """A login was refused a while ago and is about to be tried again: `renew`, if the password is another now."""

    def delivered(self, session: Session) -> None:
        """The server has something that it was not known to have."""

    def trouble(self, session: Session, text: str) -> None:
        """Why the session is not up, in a line; empty: it is."""


class Session:
    """`run` until cancelled. `jid` is the full address that the server gave us."""

    def __init__(self, spec: SessionSpec, handler: Handler, random: Callable[[], float], splay: float) -> None:
        self.spec = spec
        self.name = spec.name
        self.jid = f"{spec.jid}/{RESOURCE}"
        self.is_up = False
        self.outbox = Outbox()
        self._handler = handler
        self._reconnect = Reconnect(random, splay)
        self._client = self._new_client()
        self._objection = ""
        self._must_trust_anew = True
        self._again: asyncio.Event = asyncio.Event()
        self._established: asyncio.Event = asyncio.Event()
        self._gone: asyncio.Event = asyncio.Event()
        self._wake: asyncio.Event = asyncio.Event()
        self._loss = Loss.NETWORK
        self._why = ""
        self._is_resumed = False
        self._heard_at = 0.0
        self._answers: dict[str, asyncio.Future[Element]] = {}

    # -- for the rest of control --

    def renew(self, password: str, objection: str) -> None:
        """The password as it is now, or why there is none. What waits for its next attempt makes it now."""
        self._client.password = password
        self._objection = objection
        if not self.is_up:
            self._again.set()

    def send(self, stanza: Element, priority: Priority, ttl_s: float, *, is_kept: bool = False) -> None:
        """Queue a stanza; it goes as soon as it may, or never if that takes longer than `ttl_s` seconds."""
        self.outbox.put(Outgoing(stanza, priority, time.monotonic() + ttl_s, is_kept))
        self._wake.set()

    async def ask(self, request: Element, timeout_s: float = ANSWER_S) -> Element:
        """Send an IQ and wait for its result or error. Raises TimeoutError; ConnectionError if the session ends."""
        number = uuid.uuid4().hex[:16]
        request.set("id", number)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self.send(request, Priority.COMMAND, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                found: Element = await answer
                return found
        finally:
            self._answers.pop(number, None)

    # -- the task --

    async def run(self) -> None:
        """Keep the account online until cancelled; then say goodbye."""
        try:
            while True:
                await self._attempt()
                delay = self._reconnect.lost(self._loss, time.monotonic())
                self._handler.trouble(self, f"{self._why or 'connection lost'}; next attempt in {delay:.0f} s")
                await self._rest(delay)
        finally:
            await self._leave()

    async def _rest(self, delay_s: float) -> None:
        """Until the next attempt is due, or somebody has mended what was wrong."""
        self._must_trust_anew |= self._loss is Loss.INSECURE
        if await _happens(self._again, delay_s) or self._loss is not Loss.REFUSED:
            return
        self._handler.refused()
        await _happens(self._again, SECRETS_S)

    async def _attempt(self) -> None:
        """One connection, from the first packet to its end."""
        self._again.clear()
        self._established.clear()
        self._gone.clear()
        self._loss, self._why, self._is_resumed = Loss.NETWORK, "", False
        if self._objection:
            self._loss, self._why = Loss.REFUSED, f"no password: {self._objection}"
            return
        if self._must_trust_anew:
            try:
                self._client.ssl_context = tls_context(self.spec.ca_file)
            except ConnectError as error:
                self._loss, self._why = Loss.INSECURE, str(error)
                return
            self._must_trust_anew = False
        try:
            endpoints = await self._client.endpoints(self.spec.hosts, self.spec.ports)
            await self._client.open(endpoints[self._reconnect.endpoint % len(endpoints)])
        except CertificateError as error:
            self._lost(Loss.INSECURE, remedies.certificate(str(error)))
            return
        except ConnectError as error:
            self._why = remedies.unreachable(str(error))
            return
        if await self._wait_for_session():
            await self._stay_up()
        self._client.abort()
        await self._closed()

    async def _wait_for_session(self) -> bool:
        waits = [asyncio.create_task(event.wait()) for event in (self._established, self._gone)]
        try:
            await asyncio.wait(waits, timeout=ESTABLISH_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._established.is_set() and not self._gone.is_set():
            self._why = remedies.unreachable(f"no session within {ESTABLISH_S:.0f} s")
        return self._established.is_set() and not self._gone.is_set()

    async def _stay_up(self) -> None:
        if self._client.boundjid.bare != self.spec.jid:
            self._lost(Loss.INSECURE, f"the server bound {self._client.boundjid.bare} instead")
            return
        self.jid = str(self._client.boundjid)
        self._reconnect.came_up(time.monotonic())
        self._heard_at = time.monotonic()
        self.is_up = True
        if self._is_resumed:
            self.outbox.session_resumed(self._client.unacknowledged())
        else:
            self.outbox.session_lost()
        self._handler.trouble(self, "")
        self._handler.up(self, is_resumed=self._is_resumed)
        tasks = [asyncio.create_task(each) for each in (self._pump(), self._stay_alive(), self._gone.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.is_up = False
            for task in tasks:
                task.cancel()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the session ended"))
            self._handler.down(self)

    async def _pump(self) -> None:
        """Hand over what waits, as fast as the server takes it."""
        while True:
            self._wake.clear()
            while self._has_room() and (item := self.outbox.take(time.monotonic())) is not None:
                self._hand_over(item)
            if not self._has_room():
                await asyncio.sleep(0.05)  # the kernel is behind, for a moment
                continue
            if self.outbox:
                self._request_ack()  # the server is behind: its answer goes on
            await self._wake.wait()

    def _has_room(self) -> bool:
        transport = self._client.transport
        return transport is not None and transport.get_write_buffer_size() < MAX_BUFFERED

    def _hand_over(self, item: Outgoing) -> None:
        xml = item.stanza
        xml.set("id", xml.get("id") or uuid.uuid4().hex[:16])
        kind = _KINDS[xml.tag.partition("}")[2]]
        if self._client.is_managed:
            self.outbox.handed_over(stanza_key(xml), item)
        self._client.send(kind(self._client, xml=xml))  # type: ignore[no-untyped-call]
        if not self._client.is_managed:
            self._handler.delivered(self)  # more than that is not to be known
        if len(self.outbox) == 0:
            self._client.loop.call_soon(self._request_ack)

    def _request_ack(self) -> None:
        if self.is_up and self._client.transport is not None and self._client.is_managed:
            self._client.plugin["xep_0198"].request_ack()  # type: ignore[no-untyped-call]

    async def _stay_alive(self) -> None:
        """Ping the server when it has been quiet; a connection that swallows pings is aborted (and resumed)."""
        misses = 0
        while True:
            quiet_s = time.monotonic() - self._heard_at
            if quiet_s < PING_AFTER_S and not misses:
                await asyncio.sleep(PING_AFTER_S - quiet_s)
                continue
            ping = stanzas.iq("get", self.spec.domain, "")
            stanzas.element(stanzas.PING, "ping", ping)
            try:
                await self.ask(ping, PING_PATIENCE_S)
                misses = 0
            except TimeoutError:
                misses += 1
                if misses >= MISSES:
                    self._why = "the server does not answer"
                    return

    async def _closed(self) -> None:
        try:
            async with asyncio.timeout(5.0):
                await self._gone.wait()
        except TimeoutError:
            pass  # the transport was gone before we looked

    async def _leave(self) -> None:
        """An orderly end: the presence goes, the stream is closed."""
        if self._client.transport is not None:
            try:
                async with asyncio.timeout(2.0):
                    await self._client.disconnect(1.0, ignore_send_queue=True)
            except TimeoutError:
                self._client.abort()

    # -- what the library tells --

    def _new_client(self) -> Client:
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # whom to believe is read before each attempt that needs it
        client = Client(f"{self.spec.jid}/{RESOURCE}", "", nobody, self.spec.proxy)
        for name in ("IM", "IMError", "Presence"):
            client.remove_handler(name)  # they keep a roster node for every stranger
        for tag in _KINDS:
            client.on_element(f"amonsup {tag}", f"{{{stanzas.CLIENT}}}{tag}", self._on_stanza)
        events: dict[str, Callable[[Any], None]] = {
            "session_start": lambda _: self._up(is_resumed=False),
            "session_resumed": lambda _: self._up(is_resumed=True),
            "disconnected": lambda _: self._gone.set(),
            "failed_auth": self._on_refusal,
            "no_auth": lambda _: self._lost(Loss.INSECURE, remedies.NO_SCRAM),
            "ssl_invalid_chain": self._on_bad_certificate,
            "insecure": lambda text: self._lost(Loss.INSECURE, str(text)),
            "strange": lambda sender: self._handler.strange(str(sender)),
            "hostile": lambda text: self._lost(Loss.INSECURE, f"the server sent {text}"),
            "stream_error": self._on_stream_error,
            "stanza_acked": self._on_ack,
        }
        for event, handler in events.items():
            client.add_event_handler(event, handler)
        return client

    def _up(self, *, is_resumed: bool) -> None:
        self._is_resumed = is_resumed
        self._established.set()

    def _lost(self, loss: Loss, why: str) -> None:
        self._loss, self._why = loss, why
        if loss is Loss.INSECURE:
            self._handler.distrusted(self)

    def _on_refusal(self, stanza: Any) -> None:
        words = remedies.login(stanza["condition"], self.spec.jid, self.spec.password_file)
        self._lost(Loss.REFUSED, f"login {words}")

    def _on_bad_certificate(self, error: Exception) -> None:
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        self._lost(Loss.INSECURE, remedies.certificate(f"certificate of the server: {reason}"))
        self._client.abort()

    def _on_ack(self, stanza: Any) -> None:
        self.outbox.acknowledged(stanza_key(stanza.xml))
        self._handler.delivered(self)
        self._wake.set()

    def _on_stream_error(self, error: Any) -> None:
        word = str(error["condition"])
        if word == "see-other-host":
            self._handler.distrusted(self)
        losses = {"conflict": Loss.CONFLICT, "system-shutdown": Loss.RESTART}
        words = {
            "conflict": remedies.IN_USE,
            "system-shutdown": remedies.GOES_DOWN,
            "see-other-host": remedies.ELSEWHERE,
        }
        text = f": {error['text'][:100]}" if error["text"] else ""
        self._lost(losses.get(word, Loss.NETWORK), words.get(word, f"stream error {word}{text}"))

    def _on_stanza(self, stanza: Any) -> None:
        self._heard_at = time.monotonic()
        xml: Element = stanza.xml
        tag = xml.tag.partition("}")[2]
        if tag == "message":
            self._handler.said(self, stanzas.said(xml, time.time()))
        elif tag == "presence":
            self._handler.seen(self, stanzas.seen(xml))
        elif xml.get("type") in ("result", "error"):
            answer = self._answers.get(xml.get("id", ""))
            if answer is not None and not answer.done():
                answer.set_result(xml)
        else:
            found = stanzas.asked(xml)
            if found is None:
                return
            if found.payload.tag.partition("}")[0][1:] != stanzas.ROSTER:
                self._handler.asked(self, found)
            elif found.sender in ("", self.spec.jid):  # the library refuses those of others (RFC 6121, 2.1.6)
                self._handler.rostered(self, stanzas.rostered(xml))


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return False
