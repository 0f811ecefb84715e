"""A server of XMPP that means no good: what no real one can be made to say, at one port of loopback each.

A `Hostile` plays one part (a function of PARTS) to everybody who connects, and counts them.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    " id='1' from='localhost' version='1.0'>"
)
FEATURES = "<stream:features>{}</stream:features>"
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
MECHANISMS = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</mechanisms>"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
BOMB = "<!DOCTYPE b [<!ENTITY a 'aaaaaaaaaa'>{}]>".format(
    "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))
)


class Conversation:
    """One connection: reads until something was said, says things."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self._context = context

    def hear(self, what: bytes) -> None:
        heard = b""
        while what not in heard:
            part = self.sock.recv(4096)
            if not part:
                raise ConnectionError
            heard += part

    def say(self, text: str) -> None:
        self.sock.sendall(text.encode())

    def encrypt(self) -> None:
        self.hear(b"<stream:stream")
        self.say(HEADER + FEATURES.format(STARTTLS))
        self.hear(b"<starttls")
        self.say(PROCEED)
        self.sock = self._context.wrap_socket(self.sock, server_side=True)
        self.hear(b"<stream:stream")

    def listen(self) -> None:
        """To the end."""
        while self.sock.recv(65536):
            pass


def strips_tls(talk: Conversation) -> None:
    talk.hear(b"<stream:stream")
    talk.say(HEADER + FEATURES.format(MECHANISMS.format("<mechanism>EXTERNAL</mechanism><mechanism>PLAIN</mechanism>")))


def offers_plain_only(talk: Conversation) -> None:
    talk.encrypt()
    talk.say(HEADER + FEATURES.format(MECHANISMS.format("<mechanism>PLAIN</mechanism>")))


def redirects(talk: Conversation) -> None:
    talk.hear(b"<stream:stream")
    other = f"<see-other-host xmlns='{STREAM_ERRORS}'>evil.example.org:5222</see-other-host>"
    talk.say(HEADER + f"<stream:error>{other}</stream:error></stream:stream>")


def bombs(talk: Conversation) -> None:
    talk.hear(b"<stream:stream")
    talk.say(HEADER.replace("?>", f"?>{BOMB}", 1) + "<message><body>&j;</body></message>")


def digs(talk: Conversation) -> None:
    talk.hear(b"<stream:stream")
    talk.say(HEADER + "<a>" * 10_000)


def never_ends(talk: Conversation) -> None:
    talk.hear(b"<stream:stream")
    talk.say(HEADER + "<message><body>")
    for _ in range(100):
        talk.say("x" * 65536)


def raves(talk: Conversation) -> None:
    talk.hear(b"<stream:stream")
    talk.say("HTTP/1.1 400 Bad Request\r\n\r\n")


def encrypts(talk: Conversation) -> None:
    """For certificates that are not right: the client never gets further."""
    talk.encrypt()


def throws_out(talk: Conversation) -> None:
    talk.hear(b"<stream:stream")


Part = Callable[[Conversation], None]


class Hostile:
    """Plays `part` until closed. `connections` counts who came."""

    def __init__(self, part: Part, certificate: tuple[Path, Path]) -> None:
        self._part = part
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(20)
            talk = Conversation(sock, self._context)
            with contextlib.suppress(OSError):
                self._part(talk)
                if self._part is not throws_out:
                    talk.listen()
            talk.sock.close()
