"""`logs` in a chat: the last captured lines, and no others in their place."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec

from amonsup import verbs
from amonsup.control.doors.answers import words
from amonsup.wire.messages import Answer


def said(args: dict[str, object]) -> str:
    async def request(_verb: str, _args: dict[str, object]) -> Any:
        raise AssertionError("nothing is asked for")

    desk: Any = SimpleNamespace(supervisor=SimpleNamespace(request=request))
    verb = verbs.load("logs")
    assert verb is not None
    return asyncio.run(words(desk, verb, args, Answer("r", msgspec.Raw(b'{"services":["ce"],"reader":7}'))))


def test_captured_lines_are_not_shown_for_those_of_a_file() -> None:
    assert (
        said({"services": ["ce"], "file": "ce.log"}) == "files that a service writes by itself are not shown in a chat"
    )
