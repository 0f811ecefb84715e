"""Whose files a reader is started for: those that are configured, of one service, and from afar by name only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from amonsup.config.specs import Logging, Role
from amonsup.supervisor.handlers import logs
from amonsup.supervisor.handlers.desk import Call, Handover, Refusal
from amonsup.verbs.logs import Arguments
from tests.support.playbook import service

SPECS = {"ce": service("ce", logging=Logging(files=("/var/log/ce/*.log",))), "db": service("db")}


def asked(*services: str, file: str, is_remote: bool = False) -> tuple[Any, list[Any]]:
    owners: list[Any] = []

    def start_reader(_query: Any, _by: str, owner: Any = None) -> tuple[int, int]:
        owners.append(owner)
        return 7, -1

    desk: Any = SimpleNamespace(fleet=SimpleNamespace(specs=SPECS), scaled=dict, start_reader=start_reader)
    args = Arguments(services=services, file=file)
    return logs.handle(desk, Call("r", "logs", Role.READER, "bob", args, is_remote=is_remote)), owners


def test_the_reader_gets_the_rights_of_the_service() -> None:
    for is_remote in (False, True):
        answer, owners = asked("ce", file="ce.log", is_remote=is_remote)
        assert isinstance(answer, Handover)
        assert owners == [SPECS["ce"]]
    assert asked("ce", file="")[1] == [None], "what was captured is the logger's"


@pytest.mark.parametrize(
    ("services", "file", "is_remote", "text"),
    [
        (("ce", "db"), "*", False, "the files of one service"),
        (("db",), "*", False, "db has no logging.files"),
        (("ce",), "/var/log/ce/ce.log", True, "a name is allowed, without a directory"),
    ],
)
def test_what_is_refused(services: tuple[str, ...], file: str, is_remote: bool, text: str) -> None:
    answer, owners = asked(*services, file=file, is_remote=is_remote)
    assert isinstance(answer, Refusal)
    assert text in answer.text
    assert owners == []
