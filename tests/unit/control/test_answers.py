"""`logs` in a chat: read by a descriptor, bounded, whatever a reader says; never anybody else's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from amonsup import verbs
from amonsup.control.core.wording import LONGEST, MOST_LINES, LogLines
from amonsup.control.doors import answers
from amonsup.logbook.frames import END, encode, refusal
from amonsup.logbook.pieces import Note, Piece, ReadError
from amonsup.wire.messages import Answer, Caller

LINES = encode(Piece("ce.log", 0, b"one\ntwo\n"))


def said(args: dict[str, object], *readers: bytes | None, services: str = '["ce"]') -> tuple[str, list[dict[str, Any]]]:
    """The text, and what was asked. Each reader says its bytes and ends; None: it says nothing."""
    silent: list[socket.socket] = []
    asked: list[dict[str, Any]] = []

    async def request(_verb: str, args: dict[str, Any], _caller: Caller, *, on_descriptor: Any) -> Any:
        ours, theirs = socket.socketpair()
        words = readers[len(asked)]
        asked.append(args)
        on_descriptor(ours.detach())

        if words is None:
            silent.append(theirs)
        else:
            threading.Thread(target=speak, args=(theirs, words), daemon=True).start()
        return Answer("logs-1", msgspec.Raw(f'{{"services":{services},"reader":7}}'.encode()))

    desk: Any = SimpleNamespace(supervisor=SimpleNamespace(request=request))
    verb = verbs.load("logs")
    assert verb is not None
    before = len(os.listdir("/proc/self/fd"))
    text = asyncio.run(answers.ask(desk, verb, {"services": ["ce"], **args}, Caller("a@b", "chat"))).text
    for sock in silent:
        sock.close()
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # that of the thread may still be closing
    return text, asked


def speak(sock: socket.socket, words: bytes) -> None:
    with sock, contextlib.suppress(OSError):
        sock.sendall(words)


def test_lines_are_read_from_the_descriptor() -> None:
    text, asked = said({"lines": 5, "grep": "o"}, LINES + END)
    assert text == "one\ntwo"
    assert asked == [{"services": ["ce"], "lines": 5, "grep": "o"}]


@pytest.mark.parametrize("wanted", [{}, {"lines": 100}, {"lines": -1}])
def test_no_more_is_asked_for_than_is_shown(wanted: dict[str, object]) -> None:
    many = b"".join(b"line %d\n" % number for number in range(MOST_LINES + 1))
    text, asked = said(wanted, encode(Piece("ce.log", 0, many)) + END)
    assert asked[0]["lines"] == MOST_LINES + 1
    assert text.splitlines()[0] == "… earlier lines are left out"
    assert text.splitlines()[1:] == [f"line {number}" for number in range(1, MOST_LINES + 1)]


def test_several_services_are_named() -> None:
    text, _ = said({}, LINES + encode(Piece("db.err.log", 0, b"three\n")) + END, services='["ce","db"]')
    assert text == "ce: one\nce: two\ndb: three"


def test_a_reader_that_is_killed_is_replaced() -> None:
    text, asked = said({}, LINES, LINES[:20], LINES + END)
    assert text == "one\ntwo"
    assert len(asked) == 3
    assert said({}, b"", b"", b"")[0].startswith("failed: ")


def test_what_a_reader_refuses_is_said() -> None:
    text, _ = said({"grep": "("}, refusal(ReadError("bad-request", "grep: missing )")))
    assert text == "bad-request: grep: missing )"


@pytest.mark.parametrize("strange", [b"hello\n", b'{"log":"ce.log","bytes":-1}\n', b"[]\n", b"x" * 5_000_000])
def test_a_reader_that_raves_is_not_believed(strange: bytes) -> None:
    assert said({}, strange, strange, strange)[0].startswith("failed: ")


def test_a_reader_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_READ", 1_000_000)
    text, _ = said({}, LINES * 50_000)
    assert "too much" in text
    assert len(text) <= LONGEST + 40


def test_a_reader_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "READING_S", 0.0)
    text, _ = said({}, None)
    assert "! not all was read" in text


def test_notes_and_long_lines_are_cut() -> None:
    found = LogLines(is_named=False)
    for _ in range(30):
        found.add("ce.log", b"\xff" * 100_000)
        found.add("ce.log", b"\n")
        found.say("lost " * 100)
    assert len(found.text()) <= LONGEST + 100
    assert found.text().startswith("… earlier lines are left out\n")
    assert "… (cut)" in found.text()


def test_a_line_of_two_pieces_is_one() -> None:
    found = LogLines(is_named=False)
    found.add("ce.log", b"be")
    found.add("ce.log", b"gun\nnext")
    assert found.text() == "begun\nnext"
    assert LogLines(is_named=False).text() == "no lines"
    assert encode(Note("x"))
