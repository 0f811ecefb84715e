"""Whose orders to rotate a file are carried out."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from amonsup.config.specs import Logging, ServiceSpec
from amonsup.supervisor.attendants import Attendants, Way


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
    one.told(order, fds)
    assert sent == [follow]
    one.told(order | {"by": follow["by"]}, fds)
    assert [message["do"] for message in sent] == ["follow", "was-cut"]
    os.close(fds.pop())
