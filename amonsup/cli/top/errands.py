"""What top has done by others while it goes on showing: commands, questions, and a log that is followed.

Commands and questions are the same conversations as those of the command line, each in a thread of its own for as
long as it takes; what comes of it is text for the last line of the page, refusals included. A log is followed by
`amonsup logs -f` as a process of its own: rotation, roles and reconnecting are its affair.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from contextlib import closing
from threading import Thread
from typing import Any

import msgspec

from amonsup import verbs
from amonsup.cli.ask import READ_TIMEOUT_S, ask, new_request, parsed, refusal
from amonsup.cli.conversation import Conversation
from amonsup.cli.errors import CommandError
from amonsup.cli.live import Exchange, Lost, Update, updates
from amonsup.cli.output import Output
from amonsup.cli.progress import NEVER, Progress
from amonsup.verbs.results import ShowResult, TreeResult
from amonsup.wire.messages import Answer, Refused

REFRESH_S = 2.0
CALM_S = 0.25
TRY_AGAIN_S = 1.0
FIRST_EVENTS = 50
FIRST_LINES = 200


class Outcome(msgspec.Struct, frozen=True):
    """What became of a command, in a line."""

    text: str
    is_ok: bool


def conversation(path: str, timeout_s: float) -> Conversation:
    return Conversation(path, Progress(None, time.monotonic), timeout_s)


def feed(path: str, tell: Callable[[Update], None], give_up: Callable[[CommandError], None]) -> None:
    """Updates for ever; to be run in a thread. A daemon that is gone is waited for; a refusal is the end."""
    exchange = Exchange(path, {}, refresh_s=REFRESH_S, calm_s=CALM_S, lines=FIRST_EVENTS)
    talk = conversation(path, READ_TIMEOUT_S)
    is_first = True
    while True:
        try:
            with closing(updates(talk, exchange)) as found:
                for update in found:
                    is_first = False
                    tell(update)
        except CommandError as wrong:
            if is_first or wrong.code not in ("no-daemon", "no-answer"):
                give_up(wrong)
                return
        tell(Lost())
        talk.pause(TRY_AGAIN_S)


def in_background(work: Callable[[], None]) -> None:
    """It ends with us, whatever it is doing."""
    Thread(target=work, daemon=True).start()


def carry_out(path: str, verb_name: str, service: str) -> Outcome:
    """A command on one service, waited for."""
    verb = verbs.load(verb_name)
    assert verb is not None
    words = io.StringIO()
    output = Output(words, None, {}, is_json=False)
    try:
        status = ask(verb, {"services": (service,)}, conversation(path, NEVER), output, is_waiting=True)
    except CommandError as wrong:
        return Outcome(f"{verb_name} {service}: {wrong.text}", is_ok=False)
    return Outcome(" · ".join(words.getvalue().splitlines()), is_ok=status == 0)


def show(path: str, service: str) -> ShowResult | CommandError:
    """Everything about one service."""
    found: ShowResult | CommandError = _answer(path, "show", {"service": service}, ShowResult)
    return found


def tree(path: str) -> TreeResult | CommandError:
    """Who needs whom."""
    found: TreeResult | CommandError = _answer(path, "tree", {}, TreeResult)
    return found


def log_command(path: str, service: str) -> list[str]:
    """The command line that follows a log."""
    words = ["--socket", path, "logs", service, "-f", "-n", str(FIRST_LINES)]
    return [sys.executable, "-m", "amonsup.cli.main", *words]


def _answer(path: str, verb_name: str, args: dict[str, Any], expected: Any) -> Any:
    verb = verbs.load(verb_name)
    assert verb is not None
    try:
        messages = conversation(path, READ_TIMEOUT_S).messages(new_request(verb, args), is_command=False)
        with closing(messages) as found:
            for message in found:
                if isinstance(message, Refused):
                    return refusal(message)
                if isinstance(message, Answer):
                    return parsed(message.result, expected, path)
    except CommandError as wrong:
        return wrong
    return CommandError("no-answer", "no answer of amonsupd", 5)
