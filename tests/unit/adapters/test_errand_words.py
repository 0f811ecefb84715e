"""Errands: what they run, what they are told, and what is kept of what they say."""

from __future__ import annotations

import os
from typing import Any

import pytest

from amonsup.config.specs import Healthcheck
from amonsup.supervisor.errands import LAST_CHARACTERS, SPACE, _argv, _last_words, _memory_file, _told
from amonsup.supervisor.model.records import ExitReport, ServiceState
from tests.support.playbook import service


@pytest.mark.parametrize(
    ("fields", "kind", "argv"),
    [
        ({"pre_start": ("a", "b")}, "pre_start", ("a", "b")),
        ({"preflight": ("a",)}, "preflight", ("a",)),
        ({"reload_command": ("r",)}, "reload", ("r",)),
        ({"healthcheck": Healthcheck(test=("c", "d"))}, "check", ("c", "d")),
        ({"healthcheck": Healthcheck(shell="c | d")}, "check", ("/bin/sh", "-c", "c | d")),
    ],
)
def test_what_is_run(fields: dict[str, Any], kind: str, argv: tuple[str, ...]) -> None:
    assert _argv(service("s", **fields), kind) == argv


@pytest.mark.parametrize(
    ("end", "word"), [({"code": 3}, "3"), ({"code": 0}, "0"), ({"signal": 9}, "SIGKILL"), ({}, "unknown")]
)
def test_what_a_post_stop_is_told(end: dict[str, int], word: str) -> None:
    report = ExitReport(generation=2, reason="x", at=0.0, **end)
    state = ServiceState(name="s", generation=2, exits=(report,))
    assert _told(state, "post_stop") == (("AMONSUP_ERRAND", "post_stop"), ("AMONSUP_EXIT", word))
    state.generation = 3  # this life never had a main process
    assert _told(state, "post_stop") == (("AMONSUP_ERRAND", "post_stop"),)


def test_the_main_process_is_named_while_there_is_one() -> None:
    assert dict(_told(ServiceState(name="s", pid=7), "reload"))["MAINPID"] == "7"


def said(*parts: bytes) -> str:
    fd = _memory_file()
    try:
        for part in parts:
            os.write(fd, part)
        return _last_words(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((), ""),
        ((b"one\n",), "one"),
        ((b"one\n\n  two  \n", b"three"), "one | two | three"),
        ((b"1\n2\n3\n4\n5\n6\n",), "2 | 3 | 4 | 5 | 6"),
        ((b"\x1b[2J\xff\x00\n",), "?[2J\ufffd?"),
        ((b"x" * 100_000 + b"\nlast\n",), ("x" * 4090 + " | last")[-LAST_CHARACTERS:]),
    ],
)
def test_last_words(parts: tuple[bytes, ...], words: str) -> None:
    assert said(*parts) == words


def test_more_than_there_is_room_for_is_refused_to_the_writer() -> None:
    fd = _memory_file()
    try:
        assert os.write(fd, b"x" * (SPACE + 4096)) == SPACE
        with pytest.raises(PermissionError):
            os.write(fd, b"more")
        assert os.fstat(fd).st_size == SPACE
        assert _last_words(fd) == "x" * LAST_CHARACTERS
    finally:
        os.close(fd)
