"""What listens on loopback and meets whoever comes, each in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod


class Doorway(ABC):
    """`self.port` of `address` is the end to connect to (`at`, or any); `connections` counts who came."""

    def __init__(self, address: str = "127.0.0.1", at: int = 0) -> None:
        """Last in the beginning of who inherits it: from now on somebody may come."""
        self._listening = socket.create_server((address, at))
        self.port = int(self._listening.getsockname()[1])
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Nobody else comes in."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._meet, args=(near,), daemon=True).start()

    @abstractmethod
    def _meet(self, near: socket.socket) -> None:
        """Look after one connection, to its end."""
