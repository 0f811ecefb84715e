"""Somebody with a chat client: an independent slixmpp session in a thread, for conversations with a site.

Everything received is kept in order; one waits for what fits, never for a length of time.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import slixmpp
from support.cast import Cast

PATIENCE_S = 40.0
MUC = "http://jabber.org/protocol/muc"
COMMANDS = "http://jabber.org/protocol/commands"
FORMS = "jabber:x:data"


class Person:
    """Online when made; `close` ends it. `jid` is the full address. All addresses are as `cast` plays them."""

    def __init__(
        self,
        jid: str,
        port: int,
        ca_file: str,
        password: str = "secret",
        resource: str = "client",
        cast: Cast | None = None,
    ) -> None:
        self._cast = cast or Cast()
        self._loop = asyncio.new_event_loop()
        self._changed = threading.Condition()
        self.received: list[ET.Element] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._ready = threading.Event()
        self._gone = threading.Event()
        self._call(self._open, f"{self._cast.real(jid)}/{resource}", password, port, ca_file)
        assert self._ready.wait(PATIENCE_S), f"{jid} does not get online"
        self.jid = self._cast.played(str(self._client.boundjid))

    def _open(self, jid: str, password: str, port: int, ca_file: str) -> None:
        asyncio.set_event_loop(self._loop)
        context = ssl.create_default_context(cafile=ca_file)
        client = self._client = slixmpp.ClientXMPP(jid, password, ssl_context=context)
        client.add_event_handler("session_start", self._started)
        client.add_event_handler("disconnected", lambda _: self._gone.set())
        client.add_filter("in", self._take)
        client.connect("127.0.0.1", port)

    def _started(self, _event: Any) -> None:
        self._client.send_presence()
        self._ready.set()

    def _take(self, stanza: Any) -> Any:
        seen = ET.fromstring(self._cast.played(ET.tostring(stanza.xml, encoding="unicode")))
        with self._changed:
            self.received.append(seen)
            self._changed.notify_all()
        return stanza

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        done = threading.Event()
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append(function(*args))
            finally:
                done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE_S)
        return outcome[0] if outcome else None

    def close(self) -> None:
        """Goodbye."""

        async def leave() -> None:
            await self._client.disconnect(1.0)
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(leave(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def lost(self) -> None:
        """Until the connection is gone by itself."""
        assert self._gone.wait(PATIENCE_S), f"{self.jid} is still connected"

    # -- doing --

    def send(self, xml: str) -> None:
        """Any stanza."""
        self._call(self._client.send_raw, self._cast.real(xml))

    def say(self, to: str, text: str, kind: str = "chat", inside: str = "") -> None:
        """A message; `inside` is more XML in it."""
        message = ET.Element("message", {"to": to, "type": kind})
        ET.SubElement(message, "body").text = text
        raw = ET.tostring(message, encoding="unicode")
        self.send(raw.replace("</message>", f"{inside}</message>"))

    def subscribe(self, to: str) -> None:
        self.send(f"<presence to='{to}' type='subscribe'/>")

    def join(self, room: str, nick: str) -> None:
        self.send(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'/></presence>")

    def ask(self, to: str, kind: str, payload: str, key: str = "") -> ET.Element:
        """An IQ to its result or error."""
        key = key or f"q{time.monotonic_ns()}"
        self.send(f"<iq to='{to}' type='{kind}' id='{key}'>{payload}</iq>")
        return self.wait(lambda xml: xml.tag.endswith("}iq") and xml.get("id") == key, f"an answer to {payload[:80]}")

    def command(self, to: str, node: str, values: dict[str, list[str]] | None = None, session: str = "") -> ET.Element:
        """A step of an ad-hoc command: the answering IQ."""
        form = ""
        if values is not None:
            fields = "".join(
                f"<field var='{var}'>{''.join(f'<value>{value}</value>' for value in found)}</field>"
                for var, found in values.items()
            )
            form = f"<x xmlns='{FORMS}' type='submit'>{fields}</x>"
        number = f" sessionid='{session}'" if session else ""
        return self.ask(
            to, "set", f"<command xmlns='{COMMANDS}' node='{node}' action='execute'{number}>{form}</command>"
        )

    # -- seeing --

    def wait(self, fits: Callable[[ET.Element], bool], what: str, after: int = 0) -> ET.Element:
        """The first stanza received that fits, from number `after` on; waited for."""
        deadline = time.monotonic() + PATIENCE_S
        with self._changed:
            at = after
            while True:
                while at < len(self.received):
                    if fits(self.received[at]):
                        return self.received[at]
                    at += 1
                left = deadline - time.monotonic()
                assert left > 0, f"{self.jid} never saw {what}; last: {[_short(each) for each in self.received[-5:]]}"
                self._changed.wait(left)

    @property
    def mark(self) -> int:
        """Where we are: for `after`."""
        return len(self.received)

    def message(self, text: str, sender: str = "", after: int = 0) -> ET.Element:
        """A message with this in its body."""

        def fits(xml: ET.Element) -> bool:
            body = xml.findtext("{jabber:client}body") or ""
            return xml.tag.endswith("}message") and text in body and xml.get("from", "").startswith(sender)

        return self.wait(fits, f"a message with {text!r}", after)

    def presence(self, sender: str, after: int = 0, **wanted: str) -> ET.Element:
        """A presence of somebody; wanted: show, status (contained), kind."""

        def fits(xml: ET.Element) -> bool:
            if not xml.tag.endswith("}presence") or not xml.get("from", "").startswith(sender):
                return False
            show = xml.findtext("{jabber:client}show") or ""
            status = xml.findtext("{jabber:client}status") or ""
            return (
                show == wanted.get("show", show)
                and wanted.get("status", "") in status
                and xml.get("type", "") == wanted.get("kind", "")
            )

        return self.wait(fits, f"presence of {sender}: {wanted}", after)


def body(xml: ET.Element) -> str:
    return xml.findtext("{jabber:client}body") or ""


def note(xml: ET.Element) -> str:
    """The first note of a command's answer."""
    return xml.findtext(f".//{{{COMMANDS}}}note") or ""


def condition(xml: ET.Element) -> str:
    """The word of an error; empty if it is none."""
    error = xml.find("{jabber:client}error")
    return "" if error is None else error[0].tag.partition("}")[2]


def _short(xml: ET.Element) -> str:
    return ET.tostring(xml, encoding="unicode")[:300]
