"""A check over HTTP: GET, and an answer of 2xx or 3xx is health (RFC 9110, 15). Redirects are not followed.

The verdict falls when the head of the answer is whole; of the body only the beginning of a failure's is read, because
it may say why. An answer is bounded by MOST bytes, and nothing in it is believed but its status line.

https is encrypted, and the certificate is not verified: the question is whether the service answers, asked by its own
site, mostly under an address that no certificate names (Kubernetes decided likewise for its probes). Whether a
certificate is valid is another question, for those who connect from elsewhere.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from amonsup.loop.loop import READ, WRITE, Loop
from amonsup.prober.names import Names
from amonsup.prober.tcp import Connecting, Done

MOST = 64 * 1024
REASON = 2048
"""How much of the body of a failure is waited for."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl


class HttpProbe:
    """target: http://HOST[:PORT][/PATH][?QUERY], or https."""

    def __init__(self, loop: Loop, names: Names, target: str, done: Done) -> None:
        self._loop = loop
        self._done = done
        self._is_tls, self._host, port, self._authority, self._path = split(target)
        self._sock: socket.socket | None = None
        self._tls: ssl.SSLSocket | None = None
        self._request = (
            f"GET {self._path} HTTP/1.1\r\nHost: {self._authority}\r\nUser-Agent: amonsup\r\nAccept: */*\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        self._answer = b""
        self._connecting = Connecting(loop, names, self._connected)
        self._connecting.begin(self._host, port)

    def late(self) -> str:
        verdict = judge(self._answer)
        if verdict is not None:
            return verdict[0]
        return "no whole answer" if self._answer else "no answer" if self._sock else "no connection"

    def cancel(self) -> None:
        self._connecting.cancel()
        if self._sock is not None:
            self._loop.unwatch(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _connected(self, sock: socket.socket | None, failure: str) -> None:
        if sock is None:
            self._done(failure, "")
            return
        self._sock = sock
        if self._is_tls:
            self._sock = self._tls = _wrapped(sock, self._host)
            self._try(self._shake_hands)
        else:
            self._try(self._send)

    def _try(self, step: Callable[[], None]) -> None:
        """One step, again when the socket is ready; with TLS either direction may be what is waited for."""
        try:
            step()
        except BlockingIOError:
            assert self._sock is not None
            self._loop.watch(self._sock.fileno(), lambda _mask: self._try(step), WRITE if step == self._send else READ)
        except OSError as error:
            want = getattr(error, "errno", 0) if self._tls is not None else 0
            if self._tls is not None and want in (2, 3) and self._sock is not None:  # SSL_ERROR_WANT_READ, _WRITE
                self._loop.watch(self._sock.fileno(), lambda _mask: self._try(step), READ if want == 2 else WRITE)
            else:
                self._end(str(error.strerror or error))

    def _shake_hands(self) -> None:
        assert self._tls is not None
        self._tls.do_handshake()
        self._try(self._send)

    def _send(self) -> None:
        assert self._sock is not None
        while self._request:
            self._request = self._request[self._sock.send(self._request) :]
        self._try(self._receive)

    def _receive(self) -> None:
        assert self._sock is not None
        while True:
            part = self._sock.recv(16384)
            self._answer += part
            verdict = judge(self._answer)
            if verdict is not None and not verdict[0]:
                self._end(*verdict)
                return
            _, _, body = self._answer.partition(b"\r\n\r\n")
            if not part or len(self._answer) >= MOST or len(body) >= REASON:
                failure = verdict[0] if verdict is not None else "no answer that is HTTP"
                self._end(failure, _said(body))
                return

    def _end(self, failure: str, output: str = "") -> None:
        self.cancel()
        self._done(failure, output)


def judge(answer: bytes) -> tuple[str, str] | None:
    """(failure, output) by the status line, once the head is whole; None: there is more to come, or it is no HTTP."""
    head, end, _ = answer.partition(b"\r\n\r\n")
    words = head.partition(b"\r\n")[0].split(None, 2)
    if not end or len(words) < 2 or not words[0].startswith(b"HTTP/"):
        return None
    status = words[1].decode("ascii", "replace")
    reason = words[2].decode("utf-8", "replace") if len(words) > 2 else ""
    text = _said(f"{status} {reason}".encode())
    return ("", text) if status[:1] in ("2", "3") and len(status) == 3 else (f"answered {text}", "")


def split(url: str) -> tuple[bool, str, int, str, str]:
    """(is https, host, port, authority, path with query) of a URL that conf.d let through."""
    scheme, _, rest = url.partition("://")
    ends = [at for at in (rest.find(mark) for mark in "/?#") if at >= 0]
    authority = rest[: min(ends)] if ends else rest
    path = rest[len(authority) :].partition("#")[0]
    is_tls = scheme.lower() == "https"
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        host, port = authority, ""
    number = int(port) if port else 443 if is_tls else 80
    return is_tls, host.strip("[]"), number, authority, path if path.startswith("/") else f"/{path}"


def _said(raw: bytes) -> str:
    text = raw[:400].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in text).split())[:200]


def _wrapped(sock: socket.socket, host: str) -> ssl.SSLSocket:
    """ssl costs megabytes: imported by whoever has a check that needs it."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock, do_handshake_on_connect=False, server_hostname=host)
