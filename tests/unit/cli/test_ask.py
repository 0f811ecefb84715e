"""What an interrupted person is told about the command that goes on without them."""

from __future__ import annotations

import io
from collections.abc import Generator
from typing import Any

import pytest

from amonsup import verbs
from amonsup.cli.ask import ask
from amonsup.cli.conversation import Conversation
from amonsup.cli.errors import CommandError
from amonsup.cli.output import Output
from amonsup.cli.progress import Progress
from amonsup.wire.messages import Accepted, Request, ServerMessage


class Interrupted(Conversation):
    """Says its part, then the person presses Ctrl-C."""

    def __init__(self, *parts: ServerMessage) -> None:
        super().__init__("/run/s", Progress(None, lambda: 0.0), 1.0)
        self._parts = parts

    def messages(self, request: Request, **_: Any) -> Generator[Any, None, None]:
        yield from self._parts
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "parts", "says"),
    [
        ("stop", (Accepted("x", ("ce",)),), "interrupted: 'stop' goes on all the same"),
        ("stop", (), "interrupted before amonsupd answered: 'stop' may be carried out all the same"),
        ("signal", (), "interrupted before amonsupd answered: 'signal' may be carried out all the same"),
        ("status", (), "interrupted"),
    ],
)
def test_what_is_said(name: str, parts: tuple[ServerMessage, ...], says: str) -> None:
    verb = verbs.load(name)
    assert verb is not None
    out = io.StringIO()
    output = Output(out, io.StringIO(), {}, is_json=False)
    with pytest.raises(CommandError) as wrong:
        ask(verb, {}, Interrupted(*parts), output, is_waiting=True)
    assert wrong.value.status == 130
    assert wrong.value.text.startswith(says)
    assert out.getvalue() == ""
