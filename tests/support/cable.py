"""A cable between a client and a server on loopback that can be held, cut, or lose what goes through it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from support.doorway import Doorway

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close says RST


class Cable(Doorway):
    """Forwards connections to `port` of loopback."""

    def __init__(self, port: int, address: str = "127.0.0.1", at: int = 0) -> None:
        self._to = port
        self._passes = threading.Event()
        self._passes.set()
        self._loses = False
        self.lost = {"up": 0, "down": 0}  # how many pieces were, towards the server and from it
        self.passed = {"up": 0, "down": 0}  # … were handed on
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        super().__init__(address, at)

    def hold(self) -> None:
        """Nothing moves until `mend`; nothing is lost either."""
        self._passes.clear()

    def lose(self) -> None:
        """What is sent from now on never arrives, and nobody is told, until `mend`."""
        self._loses = True

    def cut(self) -> None:
        """Every connection ends, hard."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    sock.shutdown(socket.SHUT_RD)
        self._passes.set()

    def mend(self) -> None:
        """As new."""
        self._loses = False
        self._passes.set()

    def close(self) -> None:
        super().close()
        self.cut()

    def _meet(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self._to), 5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        self._pairs.append((near, far))
        done = threading.Semaphore(0)
        for one, other, way in ((near, far, "up"), (far, near, "down")):
            threading.Thread(target=self._pump, args=(one, other, way, done), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, way: str, done: threading.Semaphore) -> None:
        with contextlib.suppress(OSError):
            while chunk := one.recv(65536):
                self._passes.wait()
                if self._loses:
                    self.lost[way] += 1
                    continue
                other.sendall(chunk)
                self.passed[way] += 1
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        done.release()
        if done.acquire(blocking=False) and done.acquire(blocking=False):
            one.close()
            other.close()
        else:
            done.release()
