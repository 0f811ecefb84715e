"""The notify sockets of services of type notify: sd_notify(3), one socket a service in a directory of its own.

Because each service has its own socket, who is speaking is known even if the sender is dead by the time we read. The
socket is in the descriptor store: READY=1 that is sent while there is no supervisor waits in it. The kernel queues
few datagrams (net.unix.max_dgram_qlen, 10), and we read few per turn, so a flood blocks its sender and nobody else.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import msgspec

from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters.accounts import Account
from amonsup.supervisor.adapters.files import ensure_directory

MAX_DATAGRAM = 4096
PER_TURN = 8
MAX_STATUS = 200

MAX_EXTEND_S = 3600.0
"""The most that one EXTEND_TIMEOUT_USEC may ask for; who needs longer says it again."""


class Notice(msgspec.Struct, frozen=True):
    """One datagram, parsed. Unknown assignments are ignored, as sd_notify(3) asks."""

    is_ready: bool = False
    is_stopping: bool = False
    is_alive: bool = False
    has_failed: bool = False
    status: str | None = None
    main_pid: int = 0
    is_reloading: bool = False
    extend_s: float = 0.0

    @property
    def says_nothing(self) -> bool:
        return self == Notice()


def parse(datagram: bytes) -> Notice:
    """Never fails: what cannot be read says nothing. STATUS is made printable and cut to MAX_STATUS characters."""
    found: dict[str, str] = {}
    for line in datagram[:MAX_DATAGRAM].decode("utf-8", "replace").split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            found[key] = value
    status = found.get("STATUS")
    if status is not None:
        status = "".join(c if c.isprintable() else "?" for c in status)[:MAX_STATUS]
    pid, extend_us = found.get("MAINPID", ""), found.get("EXTEND_TIMEOUT_USEC", "")
    return Notice(
        is_ready=found.get("READY") == "1",
        is_stopping=found.get("STOPPING") == "1",
        is_alive=found.get("WATCHDOG") == "1",
        has_failed=found.get("WATCHDOG") == "trigger",
        status=status,
        main_pid=int(pid) if pid.isascii() and pid.isdigit() and 1 < int(pid) < 1 << 31 else 0,
        is_reloading=found.get("RELOADING") == "1",
        extend_s=min(int(extend_us[:20]) / 1e6, MAX_EXTEND_S) if extend_us.isascii() and extend_us.isdigit() else 0.0,
    )


class NotifySocket:
    """One service's socket."""

    def __init__(self, loop: Loop, fd: int, on_notice: Callable[[Notice], None]) -> None:
        self._loop = loop
        self._sock = socket.socket(fileno=os.dup(fd))
        self._sock.setblocking(False)
        self._on_notice = on_notice
        loop.watch(self._sock.fileno(), lambda _mask: self.read(PER_TURN))

    def read(self, limit: int) -> None:
        """Take in up to `limit` waiting datagrams."""
        for _ in range(limit):
            try:
                datagram = self._sock.recv(MAX_DATAGRAM)
            except OSError:
                return
            self._on_notice(parse(datagram))

    def drain(self) -> None:
        """Throw away what a previous life still had to say; bounded, against a flood."""
        for _ in range(1000):
            try:
                self._sock.recv(MAX_DATAGRAM)
            except OSError:
                return

    def close(self) -> None:
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()


def path_of(run_dir: str, name: str) -> str:
    return os.path.join(run_dir, "notify", name, "sock")


def make_socket(run_dir: str, name: str, account: Account) -> int:
    """A bound datagram socket that only the service's user can send to; the descriptor is the caller's.

    Replaces a socket that is there: without a holder in the descriptor store it is dead. Raises OSError.
    """
    path = path_of(run_dir, name)
    ensure_directory(os.path.dirname(path), 0o700, account.uid, account.gid)
    if os.path.lexists(path):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.bind(path)
        if account.uid >= 0:
            os.chown(path, account.uid, account.gid)
        os.chmod(path, 0o600)
    except OSError:
        sock.close()
        raise
    return sock.detach()
