"""The rules of the gap, with a clock that moves only when somebody waits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
import pytest

from amonsup.cli.conversation import GONE_AFTER_S, LONGEST_PAUSE_S, Conversation
from amonsup.cli.errors import CommandError
from amonsup.cli.progress import NEVER, Progress
from amonsup.wire.codec import encode
from amonsup.wire.messages import Accepted, Answer, Finished, Hello, Refused, Request, ServerMessage

REQUEST = Request(id="stop-1", verb="stop", args={"services": ["ce"]})
HELLO = Hello((1, 1), "0.1.0", "gsi", "i-1", "admin")
OTHER = Hello((1, 1), "0.1.0", "gsi", "i-2", "admin")
ACCEPTED = Accepted("stop-1", ("ce",))
FINISHED = Finished("stop-1", msgspec.Raw(b"{}"))
ANSWER = Answer("stop-1", msgspec.Raw(b"{}"))
SILENCE = 0.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


class Spoken:
    """A connection that says its part and ends; a number is a silence in seconds, SILENCE one for ever."""

    def __init__(self, clock: Clock, *parts: ServerMessage | float) -> None:
        self._clock, self._parts, self._quiet_s = clock, list(parts), 0.0
        self.sent: list[bytes] = []
        self.is_closed = False

    def send(self, line: bytes, timeout_s: float) -> None:
        assert timeout_s > 0
        self.sent.append(line)

    def receive(self, timeout_s: float) -> bytes | None:
        assert timeout_s > 0
        while self._parts and isinstance(self._parts[0], float):
            needed = self._parts[0] or NEVER
            if needed - self._quiet_s > timeout_s:
                self._quiet_s += timeout_s
                self._clock.now += timeout_s
                raise TimeoutError
            self._clock.now += needed - self._quiet_s
            self._quiet_s = 0.0
            self._parts.pop(0)
        if not self._parts:
            return None
        part = self._parts.pop(0)
        assert not isinstance(part, float)
        return encode(part)[:-1]

    def close(self) -> None:
        self.is_closed = True


class Stage:
    """What each attempt to connect meets: a Spoken, or the error it gives; the last one for ever."""

    def __init__(self, timeout_s: float = NEVER, progress: Progress | None = None) -> None:
        self.clock = Clock()
        self.attempts: list[Spoken | OSError] = []
        self.connections: list[Spoken] = []
        self.conversation = Conversation(
            "/run/s",
            progress or Progress(None, self.clock),
            timeout_s,
            connect=self._connect,
            clock=self.clock,
            pause=self.clock.pause,
        )

    def says(self, *parts: ServerMessage | float) -> Stage:
        self.attempts.append(Spoken(self.clock, *parts))
        return self

    def fails(self, wrong: OSError, times: int = 1) -> Stage:
        self.attempts.extend([wrong] * times)
        return self

    def _connect(self, path: str) -> Spoken:
        assert path == "/run/s"
        attempt = self.attempts.pop(0) if len(self.attempts) > 1 else self.attempts[0]
        if isinstance(attempt, OSError):
            raise attempt
        self.connections.append(attempt)
        return attempt

    def hear(self, *, is_command: bool = True, may_repeat: bool = True, until: Any = Finished) -> list[Any]:
        heard: list[Any] = []
        messages = self.conversation.messages(REQUEST, is_command=is_command, may_repeat=may_repeat)
        with closing(messages):
            for message in messages:
                heard.append(message)
                if isinstance(message, until):
                    break
        return heard

    def fault(self, **options: Any) -> CommandError:
        with pytest.raises(CommandError) as wrong:
            self.hear(**options)
        assert all(each.is_closed for each in self.connections)
        return wrong.value


def refused() -> OSError:
    return ConnectionRefusedError(111, "Connection refused")


def test_an_answer_over_one_connection() -> None:
    stage = Stage().says(HELLO, ACCEPTED, FINISHED)
    assert stage.hear() == [ACCEPTED, FINISHED]
    assert stage.connections[0].sent == [encode(REQUEST)]
    assert stage.connections[0].is_closed


def test_the_gap_is_crossed_with_the_same_request() -> None:
    stage = Stage().says(HELLO, ACCEPTED).fails(refused(), 3).says(HELLO, ACCEPTED, FINISHED)
    assert stage.hear() == [ACCEPTED, ACCEPTED, FINISHED]
    assert [each.sent for each in stage.connections] == [[encode(REQUEST)], [encode(REQUEST)]]


def test_an_operation_is_waited_for_as_long_as_it_takes() -> None:
    assert Stage().says(HELLO, ACCEPTED, 90_000.0, FINISHED).hear() == [ACCEPTED, FINISHED]


def test_the_end_after_the_answer_is_the_end() -> None:
    stage = Stage().says(HELLO, FINISHED).fails(refused())
    assert stage.hear(until=()) == [FINISHED]
    assert len(stage.connections) == 1


@pytest.mark.parametrize("wrong", [refused(), FileNotFoundError(2, "No such file or directory")])
def test_nobody_at_the_first_attempt_is_said_at_once(wrong: OSError) -> None:
    stage = Stage().fails(wrong)
    assert stage.fault().status == 3
    assert stage.clock.now == 100.0


def test_a_socket_that_keeps_refusing_is_gone_for_good() -> None:
    stage = Stage().says(HELLO, ACCEPTED).fails(refused())
    fault = stage.fault()
    assert fault.status == 3
    assert "went away" in fault.text
    assert GONE_AFTER_S <= stage.clock.now - 100 < GONE_AFTER_S + 2 * LONGEST_PAUSE_S


def test_a_full_backlog_is_somebody_who_is_there() -> None:
    stage = Stage().fails(BlockingIOError(11, "again"), 1000).says(HELLO, FINISHED)
    assert stage.hear() == [FINISHED]


def test_who_is_turned_away_instead_of_greeted_reads_why() -> None:
    fault = Stage().says(Refused("-", "busy", "too many connections")).fault()
    assert (fault.text, fault.status) == ("too many connections", 1)


def test_who_may_not_connect_is_refused() -> None:
    assert Stage().fails(PermissionError(13, "Permission denied")).fault().status == 4


@pytest.mark.parametrize(
    "setting",
    [
        lambda stage: stage.says(HELLO, ACCEPTED, SILENCE),
        lambda stage: stage.says(SILENCE),
        lambda stage: stage.says(HELLO),  # accepts and hangs up, again and again
        lambda stage: stage.fails(BlockingIOError(11, "again")),
        lambda stage: stage.says(HELLO).fails(refused()),
    ],
)
def test_no_wait_outlasts_the_timeout(setting: Callable[[Stage], Stage]) -> None:
    stage = setting(Stage(timeout_s=3.0))
    assert stage.fault().status == 5
    assert stage.clock.now == pytest.approx(103.0)


def test_after_an_answer_silence_is_no_fault() -> None:
    stage = Stage(timeout_s=3.0).says(HELLO, ANSWER, 90_000.0, ANSWER)
    assert stage.hear(until=()) == [ANSWER, ANSWER]


def test_a_command_is_not_repeated_to_a_daemon_that_forgot_it() -> None:
    stage = Stage().says(HELLO, ACCEPTED).says(OTHER, FINISHED)
    assert stage.fault().code == "unknown-outcome"
    assert stage.connections[1].sent == []


def test_a_question_is() -> None:
    stage = Stage().says(HELLO).says(OTHER, ANSWER)
    assert stage.hear(is_command=False, until=Answer) == [ANSWER]


def test_what_may_not_be_repeated_is_not() -> None:
    stage = Stage().says(HELLO).says(HELLO, ANSWER)
    assert stage.fault(may_repeat=False).code == "unknown-outcome"
    assert len(stage.connections) == 1


@pytest.mark.parametrize(
    "attempts",
    [
        [refused()],
        [FileNotFoundError(2, "gone")],
        [(HELLO,)],  # somebody else is there already
        [(), (), refused()],  # the guardian held it for a moment
        [BlockingIOError(11, "again"), refused()],
    ],
)
def test_gone_is_when_nobody_or_somebody_else_answers(attempts: list[Any]) -> None:
    stage = Stage()
    for attempt in attempts:
        if isinstance(attempt, OSError):
            stage.fails(attempt)
        else:
            stage.says(*attempt)
    stage.conversation.wait_until_gone()
    assert all(each.is_closed for each in stage.connections)
