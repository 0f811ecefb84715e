"""Our side of the supervisor: settings in, requests out, over whatever supervisor is alive.

The link (descriptor 3) is a channel of packets. On it comes the end of a stream that speaks the clients' protocol;
a successor of the supervisor sends another one, and then every request that is still open is sent again under the
same id, so that nothing is lost and nothing is done twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from amonsup.config.specs import SiteSpec
from amonsup.control.stream import NONE, Stream
from amonsup.wire.codec import LineError, decode_answer, encode
from amonsup.wire.messages import Accepted, Answer, Caller, EventLine, Finished, Refused, Request, ServerMessage
from amonsup.wire.turned_away import Reason

LINK_FD = 3
MAX_PACKET = 60 * 1024
MAX_FDS = 64
MOST_OPEN = 500
LOGS = "logs"
"""The verb whose answer is a descriptor."""

Reply = Answer | Finished | Refused


@dataclass(frozen=True)
class Secrets:
    """By session: its password, or why it cannot be had."""

    passwords: dict[str, str]
    objections: dict[str, str]


@dataclass(frozen=True)
class Settings:
    """What control is born with. `seen`: the last event that need not be told any more."""

    site: SiteSpec
    secrets: Secrets
    seen: int


class Open:
    """A request under way. `on_event` makes it one that goes on; `descriptor` came with the answer."""

    def __init__(self, request: Request, accepted: Callable[[Accepted], None] | None) -> None:
        self.request = request
        self.accepted = accepted
        self.descriptor = NONE
        self.on_event: Callable[[msgspec.Raw], None] | None = None
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()


class Supervisor:
    """`closed` is set when there is none any more and will be none: we end."""

    def __init__(self, link: socket.socket) -> None:
        self.closed = asyncio.Event()
        self.on_new: Callable[[], None] = lambda: None  # a stream to a (new) supervisor is there
        self.on_errand: Callable[[dict[str, Any]], None] = lambda _: None  # the supervisor wants something done
        self.on_secrets: Callable[[Secrets], None] = lambda _: None  # passwords, read again
        self._link = link
        self._settings: asyncio.Future[Settings] = asyncio.get_running_loop().create_future()
        self._stream: Stream | None = None
        self._open: dict[str, Open] = {}
        link.setblocking(False)
        asyncio.get_running_loop().add_reader(link.fileno(), self._on_packet)

    async def settings(self) -> Settings:
        """What the supervisor sends first."""
        return await self._settings

    async def request(
        self,
        verb: str,
        args: dict[str, Any],
        caller: Caller | None = None,
        *,
        accepted: Callable[[Accepted], None] | None = None,
        on_event: Callable[[msgspec.Raw], None] | None = None,
        on_descriptor: Callable[[int], None] | None = None,
    ) -> Reply:
        """Ask, and wait for the answer, refusal or end, over however many supervisors that takes.

        `on_descriptor` gets what came with the answer, for it to close; without it nobody does.
        """
        if len(self._open) >= MOST_OPEN:
            return Refused("-", "busy", f"{MOST_OPEN} requests are under way")
        request = Request(f"{verb}-{uuid.uuid4().hex[:16]}", verb, args, caller or msgspec.UNSET)
        asked = Open(request, accepted)
        asked.on_event = on_event
        self._open[request.id] = asked
        self._write(request)
        try:
            reply = await asked.reply
            if on_descriptor is not None and asked.descriptor != NONE:
                on_descriptor(asked.descriptor)
                asked.descriptor = NONE
            return reply
        finally:
            if asked.descriptor != NONE:
                os.close(asked.descriptor)
            if on_event is None or asked.reply.cancelled():
                self._open.pop(request.id, None)

    def forget_streams(self) -> None:
        """What went on with events went on with a supervisor that is gone."""
        for key in [key for key, asked in self._open.items() if asked.on_event is not None]:
            self._open.pop(key).reply.cancel()

    def tell(self, session: str, text: str) -> None:
        """How a session is, for `status`."""
        packet = json.dumps({"do": "session", "name": session, "text": text[:300]}).encode()
        try:
            self._link.send(packet)
        except OSError:
            pass  # nobody there to be told, or too busy: the next change is told again

    def has_seen(self, seq: int) -> None:
        """Up to here events have been dealt with: whoever comes after us need not tell them."""
        try:
            self._link.send(json.dumps({"do": "seen", "seq": seq}).encode())
        except OSError:
            pass  # then they are told twice, at worst

    def turned_away(self, by: str, reason: Reason, count: int) -> bool:
        """Who was refused here, for the audit log; False: it must be said again."""
        try:
            said = {"do": "turned-away", "by": by, "reason": reason.value, "count": count}
            self._link.send(json.dumps(said).encode())
        except OSError:
            return False
        return True

    def want_secrets(self) -> None:
        """Ask for the passwords as they are now; `on_secrets` gets them."""
        try:
            self._link.send(b'{"do":"secrets"}')
        except OSError:
            pass  # nobody there: the old ones are tried again

    def done(self, number: int, text: str) -> None:
        """An errand is over; `text` says what went wrong, or nothing."""
        try:
            self._link.send(json.dumps({"do": "done", "number": number, "text": text[:300]}).encode())
        except OSError:
            pass  # the supervisor died meanwhile; whoever asked, asks again

    # -- the link --

    def _on_packet(self) -> None:
        try:
            raw, fds, _, _ = socket.recv_fds(self._link, MAX_PACKET, MAX_FDS)
        except BlockingIOError:
            return
        except OSError:
            raw, fds = b"", []
        if not raw:
            asyncio.get_running_loop().remove_reader(self._link.fileno())
            self.closed.set()
            return
        message = json.loads(raw)
        if message["do"] == "settings":
            self._take_settings(message, fds)
        elif message["do"] == "secrets":
            self.on_secrets(_secrets(message, fds))
        elif message["do"] == "create-room":
            self.on_errand(message)
        elif message["do"] == "speak" and fds:
            self._speak(socket.socket(fileno=fds.pop()))
        for fd in fds:
            os.close(fd)

    def _take_settings(self, message: dict[str, Any], fds: list[int]) -> None:
        site = msgspec.json.decode(os.pread(fds[0], os.fstat(fds[0]).st_size, 0), type=SiteSpec)
        if not self._settings.done():
            self._settings.set_result(Settings(site, _secrets(message, fds), message["seen"]))

    # -- the stream --

    def _speak(self, sock: socket.socket) -> None:
        self._stream = Stream(sock, self._on_line, self._on_end)
        self.on_new()
        for asked in list(self._open.values()):
            if not asked.reply.done():
                self._write(asked.request)

    def _on_end(self, stream: Stream) -> None:
        if self._stream is stream:  # else what a dead one had said last was still to be read
            self._stream = None

    def _on_line(self, stream: Stream, line: bytes) -> None:
        try:
            message = decode_answer(line)
        except LineError:
            return  # a newer supervisor says something that we do not know
        fd = stream.take_descriptor() if _has_descriptor(message) else NONE
        asked = self._take(message)
        if fd != NONE and asked is not None and asked.descriptor == NONE:
            asked.descriptor = fd
        elif fd != NONE:
            os.close(fd)  # nobody waits for it any more

    def _write(self, request: Request) -> None:
        if self._stream is not None:
            self._stream.write(encode(request))

    def _take(self, message: ServerMessage) -> Open | None:
        """The request whose answer this is."""
        asked = self._open.get(getattr(message, "id", ""))
        if asked is None:
            return None
        if isinstance(message, EventLine):
            if asked.on_event is not None:
                asked.on_event(message.event)
        elif isinstance(message, Accepted):
            if asked.accepted is not None:
                asked.accepted(message)
                asked.accepted = None
        elif isinstance(message, Answer | Finished | Refused) and not asked.reply.done():
            asked.reply.set_result(message)
            return asked
        return None


def _has_descriptor(message: ServerMessage) -> bool:
    """The answer to a reading verb, and nothing else, comes with one. We named the request ourselves."""
    return isinstance(message, Answer) and message.id.startswith(f"{LOGS}-")


def _secrets(message: dict[str, Any], fds: list[int]) -> Secrets:
    passwords, objections = {}, {}
    for session, where in message["passwords"].items():
        if isinstance(where, int):
            passwords[session] = os.pread(fds[where], 4096, 0).decode("utf-8", "replace").rstrip("\r\n")
        else:
            objections[session] = str(where)
    return Secrets(passwords, objections)
