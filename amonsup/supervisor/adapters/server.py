"""The public socket: clients by the line, each with who it is by peer credentials, none able to hurt another.

Everything a client can do to us is bounded: the length of a line, what it may leave unread, how many connections it
may hold, how much of it is served in one turn of the loop. Who breaks a bound is disconnected, silently for the rest.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable

import msgspec

from amonsup.loop.loop import READ, WRITE, Loop
from amonsup.supervisor.adapters import accounts
from amonsup.wire.codec import LineError, decode_request, encode
from amonsup.wire.messages import MAX_LINE, Hello, Refused, Request, ServerMessage

MAX_UNREAD = 4 * 1024 * 1024
"""Bytes of answers a client may leave unread before it is cut off; one answer may be longer."""

MAX_CLIENTS = 256
MAX_PER_USER = 128
MAX_PER_STRANGER = 8
"""For users without any role, who together never get more than half of all places."""
ACCEPTS_PER_TURN = 16
SO_PEERGROUPS = 59  # socket(7), Linux 4.13; the socket module has no name for it


class Peer(msgspec.Struct, frozen=True):
    """Who is calling, as the kernel tells it."""

    pid: int
    uid: int
    name: str
    groups: frozenset[str]
    is_control: bool = False


class Connection:
    """One client. `waits_for` holds the ids of operations whose end it wants; `follows` that of an event stream."""

    def __init__(self, server: Server, sock: socket.socket, peer: Peer) -> None:
        self.peer = peer
        self.waits_for: set[str] = set()
        self.follows: str = ""
        self.follows_services: tuple[str, ...] = ()
        self.is_closed = False
        self._server = server
        self._sock = sock
        self._inbox = b""
        self._outbox = bytearray()
        self._passing: list[tuple[int, int]] = []  # (where in the outbox, descriptor that goes with that byte)
        server.loop.watch(sock.fileno(), self._ready)

    def send(self, message: ServerMessage, fd: int = -1) -> None:
        """Send as much as goes, keep the rest; a client that does not read is cut off at MAX_UNREAD.

        A descriptor goes with the first byte of its message (unix(7), SCM_RIGHTS); it stays the caller's.
        """
        if self.is_closed:
            return
        if len(self._outbox) > MAX_UNREAD:
            self.close()
            return
        was_empty = not self._outbox
        if fd >= 0:
            self._passing.append((len(self._outbox), os.dup(fd)))
        self._outbox += encode(message)
        if was_empty:
            self._flush()

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self._server.loop.unwatch(self._sock.fileno())
        self._sock.close()
        for _, fd in self._passing:
            os.close(fd)
        self._passing.clear()
        self._server.forget(self)

    def _ready(self, mask: int) -> None:
        if mask & WRITE:
            self._flush()
        if mask & ~WRITE and not self.is_closed:
            self._read()

    def _flush(self) -> None:
        try:
            sent = self._send_some()
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        del self._outbox[:sent]
        self._server.loop.watch(self._sock.fileno(), self._ready, READ | WRITE if self._outbox else READ)

    def _send_some(self) -> int:
        if not self._passing:
            return self._sock.send(self._outbox, socket.MSG_NOSIGNAL)
        at, fd = self._passing[0]
        if at:
            sent = self._sock.send(self._outbox[:at], socket.MSG_NOSIGNAL)
        else:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))]
            until = self._passing[1][0] if len(self._passing) > 1 else None  # where the next one's message begins
            sent = self._sock.sendmsg([self._outbox[:until]], rights, socket.MSG_NOSIGNAL)
            os.close(fd)
            del self._passing[0]
        self._passing = [(at - sent, fd) for at, fd in self._passing]
        return sent

    def _read(self) -> None:
        try:
            chunk = self._sock.recv(MAX_LINE)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
            return
        self._inbox += chunk
        while not self.is_closed and (end := self._inbox.find(b"\n")) >= 0:
            line, self._inbox = self._inbox[:end], self._inbox[end + 1 :]
            self._take(line)
        if len(self._inbox) >= MAX_LINE:
            self._complain(f"a line may have at most {MAX_LINE} bytes")

    def _take(self, line: bytes) -> None:
        if len(line) >= MAX_LINE:
            self._complain(f"a line may have at most {MAX_LINE} bytes")
            return
        try:
            request = decode_request(line)
        except LineError as error:
            self._complain(f"not a request of this protocol: {error}")
            return
        self._server.on_request(self, request)

    def _complain(self, text: str) -> None:
        self.send(Refused(id="-", code="bad-request", text=text))
        self.close()


class Server:
    """All connections. `hello` makes the greeting for a peer, `on_request` carries a request out."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        hello: Callable[[Peer], Hello],
        on_request: Callable[[Connection, Request], None],
    ) -> None:
        self.loop = loop
        self.on_request = on_request
        self.connections: set[Connection] = set()
        self._hello = hello
        self._listener = listener
        self._per_user: Counter[int] = Counter()
        self._is_listening = False
        listener.setblocking(False)
        self._listen()

    def adopt(self, sock: socket.socket, peer: Peer) -> None:
        """A connection that did not come by the public socket."""
        sock.setblocking(False)
        connection = Connection(self, sock, peer)
        self._per_user[peer.uid] += 1
        self.connections.add(connection)
        connection.send(self._hello(peer))

    def forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._per_user[connection.peer.uid] -= 1
        if not self._per_user[connection.peer.uid]:
            del self._per_user[connection.peer.uid]
        self._listen()

    def close(self) -> None:
        self.loop.unwatch(self._listener.fileno())
        for connection in list(self.connections):
            connection.close()
        self._listener.close()

    def _listen(self) -> None:
        """Accept only while there is room: beyond it clients wait in the backlog."""
        has_room = len(self.connections) < MAX_CLIENTS
        if has_room and not self._is_listening:
            self.loop.watch(self._listener.fileno(), self._accept)
        elif not has_room and self._is_listening:
            self.loop.unwatch(self._listener.fileno())
        self._is_listening = has_room

    def _accept(self, _mask: int) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if not self._is_listening:
                return
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # Out of descriptors: whoever waits goes on waiting; look again when things may have changed.
                self.loop.unwatch(self._listener.fileno())
                self._is_listening = False
                self.loop.call_at(self.loop.now() + 1.0, self._listen)
                return
            self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        try:
            peer = peer_of(sock)
        except OSError:
            sock.close()
            return
        hello = self._hello(peer)
        most = MAX_PER_USER if hello.role != "none" else MAX_PER_STRANGER
        if self._per_user[peer.uid] >= most or (hello.role == "none" and len(self.connections) >= MAX_CLIENTS // 2):
            refused = Refused(id="-", code="busy", text=f"too many connections; {peer.name} may have {most}")
            with contextlib.suppress(OSError):
                sock.send(encode(refused), socket.MSG_NOSIGNAL)
            sock.close()
            return
        self._per_user[peer.uid] += 1
        connection = Connection(self, sock, peer)
        self.connections.add(connection)
        self._listen()
        connection.send(hello)


def peer_of(sock: socket.socket) -> Peer:
    """SO_PEERCRED and SO_PEERGROUPS (socket(7)): who connected, not who writes now. Raises OSError."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    pid, uid, gid = struct.unpack("iII", raw)
    try:
        more = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4096)
    except OSError:
        more = b""
    gids = [gid, *(struct.unpack_from("I", more, at)[0] for at in range(0, len(more) - 3, 4))]
    return Peer(pid, uid, accounts.user_name(uid), frozenset(accounts.group_names(gids)))


def listen_at(path: str) -> socket.socket:
    """A new listening socket, open for everybody: what somebody may do is decided by who they are.

    Replaces a socket file that is there: without a holder in the descriptor store it is dead. Raises OSError.
    """
    if os.path.lexists(path):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.bind(path)
        os.chmod(path, 0o666)
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock
