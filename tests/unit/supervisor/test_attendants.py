"""Whose orders to rotate a file are carried out, and what is made good of those that a predecessor died over."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from amonsup.config.specs import Logging, ServiceSpec
from amonsup.supervisor.adapters import writers
from amonsup.supervisor.attendants import Attendants, Job, Way
from amonsup.supervisor.hearsay import Files, heard


def test_an_order_to_a_predecessor_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lay in the logger's channel when he died; the logger has given it up and asks anew."""
    spec = ServiceSpec(name="ce", command=("x",), logging=Logging(files=("/var/log/ce.log",)))
    fleet: Any = SimpleNamespace(specs={"ce": spec})
    nobody: Any = None
    one = Attendants(nobody, nobody, nobody, nobody, fleet, lambda *_: None, lambda _: None)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(one, "_way", lambda *_: Way("", "it is a test"))
    one.connect(lambda message, _fds: sent.append(message))
    (follow,) = sent
    order = {"do": "cut", "service": "ce", "path": "/var/log/ce.log", "dev": 1, "ino": 2}
    fds = [os.open(os.devnull, os.O_RDONLY)]
    one.told(order | {"by": "another"}, fds)
    assert sent == [follow]
    one.told(order | {"by": follow["by"]}, fds)
    assert [message["do"] for message in sent] == ["follow", "was-cut"]
    # A logger that is older than we are says nobody's name, and would wait for ever.
    one.told(order, fds)
    assert [message["do"] for message in sent] == ["follow", "was-cut", "was-cut"]
    os.close(fds.pop())


@pytest.mark.parametrize("case", ["left open", "nobody has it open", "the next one is there", "no reload"])
def test_a_service_that_was_not_told_to_open_its_log_again_is_told(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """The supervisor died between the renaming and the reload."""
    logging = Logging(files=("/var/log/ce.log",))
    spec = ServiceSpec(name="ce", command=("x",), logging=logging, is_reload_given=case != "no reload")
    fleet: Any = SimpleNamespace(specs={"ce": spec})
    scopes: Any = SimpleNamespace(members=lambda *_, **__: [])
    nobody: Any = None
    told: list[str] = []
    one = Attendants(nobody, nobody, nobody, scopes, fleet, lambda *_: None, told.append)
    found: Any = SimpleNamespace(count=0 if case == "nobody has it open" else 1)
    monkeypatch.setattr(writers, "of_file", lambda *_: found)
    files = [{"path": "/var/log/ce.log.1", "dev": 1, "ino": 2, "watch": 1, "former": True, "size": 5}]
    if case == "the next one is there":  # whichever of the two is told first
        files.append({"path": "/var/log/ce.log", "dev": 1, "ino": 3, "watch": 2, "former": False, "size": 0})
    answer = {"do": "files", "files": files, "directories": [], "problems": [], "first": True, "last": True}
    for _ in range(2):
        files_found = heard(answer, Files)
        assert files_found is not None
        assert one._remember(Job("ce", "open", {}, []), files_found)
    assert told == (["ce"] if case == "left open" else []), "once"


def test_an_answer_about_a_service_that_is_gone_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was removed while the attendant looked for its files."""
    fleet: Any = SimpleNamespace(specs={})
    nobody: Any = None
    told: list[str] = []
    one = Attendants(nobody, nobody, nobody, nobody, fleet, lambda *_: None, told.append)
    record = {"path": "/var/log/ce.log.1", "dev": 1, "ino": 2, "watch": 1, "former": True, "size": 5}
    problems = [["/var/log/ce.log", "is not there (yet)"]]
    answer = {"do": "files", "files": [record], "directories": [], "problems": problems, "first": True, "last": True}
    files_found = heard(answer, Files)
    assert files_found is not None
    one._remember(Job("ce", "open", {}, []), files_found)
    assert told == []
