"""What the prober says is bounded, and what it cannot have said ends it, not us."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import pytest

from amonsup.config.specs import Healthcheck
from amonsup.loop.loop import Loop
from amonsup.supervisor.prober_link import LINK, MOST_SAID, ProberLink


class Store:
    def __init__(self) -> None:
        self.descriptors: dict[str, int] = {}

    def keep(self, name: str, fd: int) -> None:
        self.descriptors[name] = fd

    def drop(self, name: str) -> None:
        if name in self.descriptors:
            os.close(self.descriptors.pop(name))


class Scene:
    def __init__(self) -> None:
        self.loop = Loop()
        self.verdicts: list[tuple[str, int, str, str]] = []
        self.gone = 0
        self.store = Store()
        self.link = ProberLink(self.loop, self.store, self._verdict, self._is_gone, lambda: None)  # type: ignore[arg-type]
        ((fd, _),) = self.link.make()
        self.prober = socket.socket(fileno=fd)
        self.prober.settimeout(10)

    def _verdict(self, *verdict: object) -> None:
        self.verdicts.append(verdict)  # type: ignore[arg-type]

    def _is_gone(self) -> None:
        self.gone += 1

    def says(self, raw: bytes) -> None:
        self.prober.send(raw)
        self.loop.turn()


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.prober.close()
    if scene.link._channel is not None:
        scene.link._channel.close()
    scene.store.drop(LINK)


def test_a_check_and_its_verdict(scene: Scene) -> None:
    assert scene.link.ask("s", 7, Healthcheck(tcp="h:1", timeout_s=2.0))
    asked = json.loads(scene.prober.recv(4096))
    assert asked == {"do": "probe", "service": "s", "token": 7, "kind": "tcp", "target": "h:1", "timeout_s": 2.0}
    scene.says(json.dumps({"do": "verdict", "service": "s", "token": 7, "failure": "", "output": "connected"}).encode())
    assert scene.verdicts == [("s", 7, "", "connected")]


def test_what_it_says_is_bounded_and_harmless(scene: Scene) -> None:
    text = "\x1b[2J" + "x" * 1000
    scene.says(json.dumps({"do": "verdict", "service": "s", "token": 7, "failure": text, "output": "fine"}).encode())
    assert scene.verdicts == [("s", 7, ("?[2J" + "x" * 1000)[:MOST_SAID], "fine")]


@pytest.mark.parametrize("fields", [{"service": 1}, {"token": "7"}, {"token": None}, {}])
def test_a_verdict_about_nothing(fields: dict[str, object], scene: Scene) -> None:
    message = {"do": "verdict", "service": "s", "token": 7, "failure": "", "output": "", **fields}
    if not fields:
        message = {"do": "verdict"}
    scene.says(json.dumps(message).encode())
    assert (scene.verdicts, scene.gone) == ([], 0)


@pytest.mark.parametrize("raw", [b"junk", b"{}", b"[]", b"[" * 50_000, b"\xff", b"x" * 70_000])
def test_junk_ends_it(raw: bytes, scene: Scene) -> None:
    scene.prober.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    scene.says(raw)
    assert (scene.verdicts, scene.gone) == ([], 1)
    assert scene.prober.recv(4096) == b"", "its end is closed"
    assert not scene.link.ask("s", 8, Healthcheck(tcp="h:1"))
