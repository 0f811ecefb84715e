"""Asking the supervisor something and getting the answer, even if the supervisor dies in between.

The rules:

- Nobody there at the first attempt: that is said at once.
- Somebody was there once, and the connection ends before the answer: we are in the gap between a supervisor
  and its successor. The same request, under the same id, is sent again; the successor attaches it to the
  operation that is already on record, so nothing is done twice.
- In the gap the guardian holds the socket, so connecting works and just takes until somebody accepts. A
  socket that refuses for GONE_AFTER_S means that the daemon is gone for good.
- A greeting with another `instance` than before comes from a daemon that knows nothing of our operation: a
  command is not repeated to it, because by then it may be the wrong thing to do (a second shutdown).
- An answer ends the asking; a connection that ends after it is the end, not a gap.

The clock, the pause and the connection are parameters, so tests need neither time nor sockets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Protocol

from amonsup.cli.connection import MAX_ANSWER, Connection, LineTooLongError
from amonsup.cli.errors import FAILED, NO_ANSWER, NO_DAEMON, REFUSED, WRONG_USE, CommandError, ProtocolError
from amonsup.cli.progress import NEVER, Progress
from amonsup.wire.codec import LineError, decode_answer, encode
from amonsup.wire.messages import (
    MAX_LINE,
    PROTOCOL,
    REFUSALS,
    Accepted,
    Answer,
    EventLine,
    Finished,
    Hello,
    Refused,
    Request,
    ServerMessage,
)

GONE_AFTER_S = 5.0
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 0.25

About = Answer | Refused | Accepted | Finished | EventLine


class Line(Protocol):
    """What a conversation needs of a connection."""

    def send(self, line: bytes, timeout_s: float) -> None: ...

    def receive(self, timeout_s: float) -> bytes | None: ...

    def close(self) -> None: ...


class Conversation:
    """All that one command says to one daemon. `timeout_s` is for each request, up to its answer."""

    def __init__(
        self,
        path: str,
        progress: Progress,
        timeout_s: float,
        *,
        connect: Callable[[str], Line] = Connection,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self.instance = ""
        self.progress = progress
        self._timeout_s = timeout_s
        self._connect, self._clock, self.pause = connect, clock, pause
        self._deadline = NEVER
        self._was_there = False
        self._next_pause_s = FIRST_PAUSE_S

    def messages(self, request: Request, *, is_command: bool, may_repeat: bool = True) -> Generator[About, None, None]:
        """What is said about `request`, over as many connections as it takes; ends with the connection.

        `is_command`: it changes something, so only the same daemon may be asked again. `may_repeat`: the id
        makes it safe to ask again at all.
        """
        line = encode(request)
        if len(line) > MAX_LINE:
            text = f"a request of {len(line)} bytes; at most {MAX_LINE} are allowed"
            raise CommandError("usage", text, WRONG_USE)
        self._deadline = self._clock() + self._timeout_s
        is_answered = False
        while True:
            with closing(self._connected()) as connection:
                asked_before = self.instance
                if not asked_before:
                    self._send(connection, line)  # before the greeting is read: it saves a round trip
                if self._greeting(connection):
                    if asked_before:
                        if is_command and self.instance != asked_before:
                            raise self._forgotten(request.verb)
                        self._send(connection, line)
                    while (message := self._receive(connection)) is not None:
                        if isinstance(message, Hello) or not self._concerns(message, request):
                            continue
                        if isinstance(message, Answer | Finished | Refused):
                            is_answered = True
                            if isinstance(message, Answer):
                                self._deadline = NEVER  # what follows an answer comes when it comes
                        else:
                            self._next_pause_s = FIRST_PAUSE_S  # it gets somewhere
                        yield message
            if is_answered:
                return
            if not may_repeat:
                raise self._unknown(request.verb)
            self.progress.wait_for(())
            self.rest()

    def opened(self) -> Line:
        """A connection that was greeted, for who goes on talking (`next`); however many supervisors it takes."""
        self._deadline = self._clock() + self._timeout_s
        while True:
            connection = self._connected()
            try:
                if self._greeting(connection):
                    self._next_pause_s = FIRST_PAUSE_S
                    return connection
            except CommandError:
                connection.close()
                raise
            connection.close()
            self.rest()

    def next(self, connection: Line, timeout_s: float) -> ServerMessage | None:
        """The next message on a connection that was `opened`; None: its end. Raises TimeoutError."""
        try:
            line = connection.receive(timeout_s)
        except LineTooLongError:
            raise ProtocolError(self.path, f"a line longer than {MAX_ANSWER} bytes") from None
        if line is None:
            return None
        try:
            return decode_answer(line)
        except LineError as wrong:
            raise ProtocolError(self.path, str(wrong)) from None

    def wait_until_gone(self) -> None:
        """After a shutdown: until nobody answers on the socket, or somebody else does."""
        while True:
            try:
                with closing(self._connect(self.path)) as connection:
                    if self._greeting(connection):
                        return
            except (BlockingIOError, TimeoutError, InterruptedError):
                pass  # the backlog is full: somebody holds it still
            except OSError:
                return
            self.rest()

    def rest(self) -> None:
        """Before asking again: longer each time that nothing came of it; never beyond the deadline."""
        self.pause(min(self._next_pause_s, self._left()))
        self._next_pause_s = min(self._next_pause_s * 2, LONGEST_PAUSE_S)
        self.progress.tick()

    def _concerns(self, message: About, request: Request) -> bool:
        # A supervisor that could not read a request has no id to answer to: it says '-'.
        return message.id == request.id or (isinstance(message, Refused) and message.id in ("", "-"))

    def _connected(self) -> Line:
        refused_since: float | None = None
        while True:
            try:
                connection = self._connect(self.path)
            except (FileNotFoundError, ConnectionRefusedError) as wrong:
                if not self._was_there:
                    raise self._nobody(wrong) from None
                now = self._clock()
                refused_since = now if refused_since is None else refused_since
                if now - refused_since >= GONE_AFTER_S:
                    raise self._gone() from None
            except (BlockingIOError, TimeoutError, InterruptedError):
                refused_since = None  # the backlog is full: somebody holds it
            except PermissionError as wrong:
                text = f"{self.path}: {wrong.strerror}: this user may not talk to amonsupd"
                raise CommandError("forbidden", text, REFUSED) from None
            except OSError as wrong:
                raise CommandError("no-daemon", f"{self.path}: {wrong.strerror or wrong}", NO_DAEMON) from None
            else:
                self._was_there = True
                return connection
            self.rest()

    def _greeting(self, connection: Line) -> bool:
        """Whether there was one before the end; takes over the instance."""
        hello = self._receive(connection)
        if hello is None:
            return False
        if isinstance(hello, Refused):
            raise CommandError(hello.code, hello.text, REFUSALS.get(hello.code, FAILED))
        if not isinstance(hello, Hello):
            raise ProtocolError(self.path, "it does not begin with a greeting")
        oldest, newest = hello.protocol
        if not oldest <= PROTOCOL <= newest:
            spoken = f"amonsupd {hello.version} speaks protocol {oldest} to {newest}, this amonsup {PROTOCOL}"
            raise CommandError("protocol", spoken, FAILED, "install the same version of both")
        self.instance = hello.instance
        return True

    def _send(self, connection: Line, line: bytes) -> None:
        try:
            connection.send(line, self._left())
        except TimeoutError:
            raise self._no_answer() from None

    def _receive(self, connection: Line) -> ServerMessage | None:
        while True:
            try:
                return self.next(connection, min(self._left(), self.progress.interval_s))
            except TimeoutError:
                self.progress.tick()

    def _left(self) -> float:
        left_s = self._deadline - self._clock()
        if left_s <= 0:
            raise self._no_answer()
        return left_s

    def _no_answer(self) -> CommandError:
        return CommandError("no-answer", f"no answer of amonsupd within {self._timeout_s:g} s", NO_ANSWER)

    def _nobody(self, wrong: OSError) -> CommandError:
        is_missing = isinstance(wrong, FileNotFoundError)
        why = "there is no such socket" if is_missing else "nobody listens on it: it was left behind"
        advice = "start it (amonsupd -c FILE, systemctl start amonsup), or say where it is: -c FILE, --socket PATH"
        return CommandError("no-daemon", f"no amonsupd at {self.path} ({why})", NO_DAEMON, advice)

    def _gone(self) -> CommandError:
        text = f"amonsupd at {self.path} went away, and nobody took its place"
        return CommandError("no-daemon", text, NO_DAEMON)

    def _unknown(self, verb: str) -> CommandError:
        text = f"amonsupd went away before it answered; whether '{verb}' was carried out is not known"
        return CommandError("unknown-outcome", text, FAILED, "amonsup events shows what happened")

    def _forgotten(self, verb: str) -> CommandError:
        text = f"amonsupd was started anew meanwhile and knows nothing of this '{verb}': not repeated"
        return CommandError("unknown-outcome", text, FAILED, "amonsup status shows how things are")
