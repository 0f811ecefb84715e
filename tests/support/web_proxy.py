"""An HTTP proxy that knows CONNECT, and one name."""

from __future__ import annotations

import contextlib
import socket
import threading

from support.cable import Cable
from support.doorway import Doorway


class WebProxy(Doorway):
    """Leads whoever asks for `name` (`host:port`) to `port` of loopback; refuses all else. `asked` is what for."""

    def __init__(self, name: str, port: int) -> None:
        self.asked: list[str] = []
        self._name = name
        self._cable = Cable(port)
        super().__init__()

    def close(self) -> None:
        super().close()
        self._cable.close()

    def _meet(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += near.recv(1)
            self.asked.append(head.split(b"\r\n")[0].decode())
            if self.asked[-1] != f"CONNECT {self._name} HTTP/1.1":
                near.sendall(b"HTTP/1.1 403 Forbidden by the site's rules\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._cable.port)) as far:
                near.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n")
                back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                back.start()
                _pump(near, far)
                back.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := one.recv(65536):
            other.sendall(chunk)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
