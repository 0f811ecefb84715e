"""slixmpp's client, hardened, with one connection attempt at a time instead of its own reconnecting.

What is switched off or replaced, and why (measured, see docs/security.md): automatic roster approval; plain-text
streams; every SASL mechanism but SCRAM; redirection by see-other-host, which would change the name that the
certificate is checked for; the whitespace keep-alive and the library's reconnect, which end a session that could be
resumed; the unbounded parser (guard.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from amonsup.control.core import remedies
from amonsup.control.xmpp.guard import Guard, HostileError

MECHANISMS = [f"SCRAM-SHA-{size}{plus}" for plus in ("-PLUS", "") for size in (512, 256, 1)]
TLS_FEATURE = "{urn:ietf:params:xml:ns:xmpp-tls}starttls"
CONNECT_TIMEOUT_S = 20.0
LOG = logging.getLogger("slixmpp")
TCP_QUICKACK = 12  # tcp(7)


@dataclass(frozen=True)
class Endpoint:
    """Where to connect to. `is_direct`: TLS from the first byte (XEP-0368), otherwise STARTTLS."""

    host: str
    port: int
    is_direct: bool = False


class OneLine(logging.Handler):
    """Of what the library logs: what it did not expect, in a line each. The rest is told in our words."""

    def emit(self, record: logging.LogRecord) -> None:
        wrong = record.exc_info[1] if record.exc_info else None
        if wrong is not None:
            text = f"{type(wrong).__name__}: {wrong}".splitlines()[0][:200]
            sys.stderr.write(f"control: internal error in slixmpp: {text}\n")


LOG.addHandler(OneLine())
LOG.propagate = False


class ConnectError(Exception):
    """There is no connection; the text is for people."""


class CertificateError(ConnectError):
    """… because the server is not to be believed."""


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Certificates are checked, by the system's authorities or, where one is given, by that one alone.

    Raises ConnectError where that is no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError:
        raise ConnectError(f"ca_file {ca_file} holds no certificate (PEM)") from None
    except OSError as error:
        raise ConnectError(f"ca_file {ca_file}: {error.strerror}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Client(slixmpp.ClientXMPP):
    """One account. Events beside the library's: `hostile` (str), `insecure` (str), `strange` (str: whose stanza)."""

    def __init__(self, jid: str, password: str, context: ssl.SSLContext, proxy: str) -> None:
        mechanisms = {"feature_mechanisms": {"use_mechs": MECHANISMS, "unencrypted_scram": False}}
        super().__init__(jid, password, plugin_config=mechanisms, ssl_context=context)
        self.enable_plaintext = False
        self.max_redirects = -1
        self.whitespace_keepalive = False
        self.auto_authorize = None
        self.auto_subscribe = False
        self.end_session_on_disconnect = True
        self.proxy = proxy
        self.guard = Guard()
        self._stanzas = 0
        self._is_shaking_hands = False
        self._lost_meanwhile: list[BaseException | None] = []
        self.register_plugin("xep_0198", {"window": 5, "allow_resume": True})

    # -- connecting --

    async def open(self, endpoint: Endpoint) -> None:
        """One attempt. Raises ConnectError. What follows (TLS, login) comes as events."""
        self.init_plugins()  # type: ignore[no-untyped-call]
        if self._run_out_filters is None or self._run_out_filters.done():
            self._run_out_filters = asyncio.ensure_future(self.run_filters(), loop=self.loop)
        self.disconnect_reason = None
        self.authenticated = False
        self._current_connection_attempt = self.loop.create_future()  # what the library asks for below
        self.event_when_connected = "connected"
        tls: dict[str, Any] = {}
        if endpoint.is_direct:
            tls = {"ssl": self.get_ssl_context(), "server_hostname": self.boundjid.host}
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                sock = await self._connected_socket(endpoint)
                await self.loop.create_connection(lambda: self, sock=sock, **tls)
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(f"{endpoint.host}: certificate: {error.verify_message}") from None
        except TimeoutError:
            raise ConnectError(f"{endpoint.host}:{endpoint.port}: no answer in {CONNECT_TIMEOUT_S:.0f} s") from None
        except UnicodeError:
            raise ConnectError(f"{endpoint.host} cannot be the name of a host") from None
        except OSError as error:
            raise ConnectError(f"{endpoint.host}:{endpoint.port}: {_reason(error)}") from None
        finally:
            self._current_connection_attempt = None

    async def endpoints(self, hosts: tuple[str, ...], ports: tuple[int, ...]) -> list[Endpoint]:
        """Explicit ones, or what DNS says (RFC 6120, 3.2; XEP-0368), or the domain itself."""
        domain = self.boundjid.host
        if hosts or ports:
            return [
                Endpoint(host, port, port in (443, 5223)) for host in hosts or (domain,) for port in ports or (5222,)
            ]
        found = []
        for service, _name, host, port in await self.get_dns_records(domain, 5222):
            found.append(Endpoint(host, port, service == "xmpps-client"))
        return found or [Endpoint(domain, 5222)]

    async def _connected_socket(self, endpoint: Endpoint) -> socket.socket:
        if not self.proxy:
            return await _tcp(self.loop, endpoint.host, endpoint.port)
        host, _, port = self.proxy.rpartition(":")
        sock = await _tcp(self.loop, host, int(port))
        try:
            await _tunnel(self.loop, sock, endpoint)
        except BaseException:
            sock.close()
            raise
        return sock

    def connection_made(self, transport: asyncio.BaseTransport, send_event: bool = True) -> None:
        self._current_connection_attempt = self._current_connection_attempt or self.loop.create_future()
        super().connection_made(transport, send_event)

    async def start_tls(self) -> bool:
        """A handshake that fails ends the connection *before* it says why: here the reason comes first."""
        self._is_shaking_hands, self._lost_meanwhile = True, []
        try:
            done: bool = await super().start_tls()
            return done
        finally:
            self._is_shaking_hands = False
            for exception in self._lost_meanwhile:
                super().connection_lost(exception)

    def connection_lost(self, exception: BaseException | None) -> None:
        if self._is_shaking_hands:
            self._lost_meanwhile.append(exception)
        else:
            super().connection_lost(exception)

    def reschedule_connection_attempt(self) -> None:
        """Never by itself: session.py decides."""

    # -- what comes in --

    def init_parser(self) -> None:
        super().init_parser()
        self.guard.restart(is_logged_in=self.authenticated)
        self._stanzas = 0

    def data_received(self, data: bytes | str) -> None:
        raw = data.encode() if isinstance(data, str) else data
        self._acknowledge_quickly()
        try:
            self.guard.feed(raw)
        except HostileError as hostile:
            self.event("hostile", str(hostile))
            self.abort()
            return
        super().data_received(data)

    def _spawn_event(self, xml: Element) -> None:
        """What is too deep to be looked at is emptied; the stream counts it (XEP-0198), so it is not left out."""
        if self._stanzas in self.guard.strange:
            self.guard.strange.discard(self._stanzas)
            self.event("strange", xml.get("from", ""))
            xml[:] = []
            for name in set(xml.attrib) - {"from", "to", "type", "id"}:
                del xml.attrib[name]
        self._stanzas += 1
        super()._spawn_event(xml)

    def _acknowledge_quickly(self) -> None:
        """Prosody has Nagle's algorithm on: what it writes second waits for our acknowledgement of the first."""
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        if sock is not None:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)
            except OSError:
                pass  # not TCP, or just closed

    async def _handle_stream_features(self, features: Any) -> bool | None:
        """No login, and nothing else, on a stream that is not encrypted: a server that offers no TLS is not ours."""
        is_encrypted = self.transport is not None and self.transport.get_extra_info("ssl_object") is not None
        if not is_encrypted and features.xml.find(TLS_FEATURE) is None:
            self.event("insecure", remedies.NO_ENCRYPTION)
            self.abort()
            return True
        result: bool | None = await super()._handle_stream_features(features)
        return result

    @property
    def is_managed(self) -> bool:
        """Whether this server acknowledges stanzas (XEP-0198); some do not, and end a stream that asks them to."""
        return bool(self.plugin["xep_0198"].enabled_out)

    def unacknowledged(self) -> set[str]:
        """Keys of the stanzas that the library will send again by itself when the stream is resumed."""
        return {stanza_key(stanza.xml) for _, stanza in self.plugin["xep_0198"].unacked_queue}

    def on_element(self, name: str, tag: str, handler: Any) -> None:
        """Call back with every stanza of this tag (`{jabber:client}message`)."""
        self.register_handler(Callback(name, MatchXPath(tag), handler))


def _reason(error: OSError) -> str:
    """In the words of the system: asyncio's own repeat the address."""
    number = 0 if isinstance(error, ssl.SSLError) else error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def stanza_key(xml: Element) -> str:
    """One of those under way: the same alert goes to several addresses under one id."""
    return f"{xml.get('id', '')} {xml.get('to', '')}"


async def _tcp(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """The first address that answers; each has its share of the time, that the last has one too. Raises OSError."""
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    wrong: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S / (len(found) + 1)):
                await loop.sock_connect(sock, address)
        except TimeoutError:
            sock.close()
            wrong = OSError(f"no answer from {address[0]}")
        except OSError as error:
            sock.close()
            wrong = error
        except BaseException:  # given up meanwhile
            sock.close()
            raise
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise wrong


async def _tunnel(loop: asyncio.AbstractEventLoop, sock: socket.socket, endpoint: Endpoint) -> None:
    """CONNECT (RFC 9110, 9.3.6). Raises OSError with what the proxy said."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    where = f"{host}:{endpoint.port}"
    await loop.sock_sendall(sock, f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = await loop.sock_recv(sock, 1)  # nothing of what follows may be swallowed
        if not byte or len(head) > 8192:
            raise OSError("the proxy did not answer CONNECT")
        head += byte
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    if len(words) < 2 or words[1] != "200":
        raise OSError(f"the proxy said: {' '.join(words[1:])[:80]}")
