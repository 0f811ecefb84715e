"""A name server of a few names, on UDP: addresses and where services are (SRV)."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

A, SRV = 1, 33
NO_SUCH_NAME = 3


class Names:
    """`addresses`: by name; `services`: by name (_xmpp-client._tcp.…) priority, port, target. `asked` is what for."""

    def __init__(
        self, address: str, addresses: dict[str, str], services: dict[str, list[tuple[int, int, str]]]
    ) -> None:
        self.asked: list[str] = []
        self._records: dict[tuple[str, int], list[bytes]] = {
            (name, A): [socket.inet_aton(found)] for name, found in addresses.items()
        }
        for name, places in services.items():
            self._records[name, SRV] = [
                struct.pack(">HHH", priority, 0, port) + _name(target) for priority, port, target in places
            ]
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._sock.close()

    def _serve(self) -> None:
        while True:
            try:
                query, client = self._sock.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            self._sock.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        (kind,) = struct.unpack(">H", question[-4:-2])
        name = ".".join(labels).lower()
        self.asked.append(name)
        found = self._records.get((name, kind), [])
        is_known = any(known == name for known, _ in self._records)
        flags = 0x8580 | (0 if is_known else NO_SUCH_NAME)
        head = query[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(each)) + each for each in found)
        return head + question + body


def _name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
