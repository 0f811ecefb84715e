"""Descriptors over the control stream, with both ends of it: each belongs to its own message, however bytes come."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from amonsup.control.stream import NONE, Stream
from amonsup.supervisor.adapters.server import Connection
from amonsup.wire.messages import Answer

PEER: Any = SimpleNamespace(pid=1, uid=0)


def answer(number: int, size: int) -> Answer:
    return Answer(f"logs-{number}", msgspec.Raw(b'"' + b"x" * size + b'"'))


def marked(directory: Path, number: int) -> int:
    """A descriptor that can be told from others."""
    path = directory / str(number)
    path.write_text(str(number))
    return os.open(path, os.O_RDONLY)


@pytest.mark.parametrize("size", [10, 3000])
def test_each_descriptor_comes_with_its_own_message(tmp_path: Path, size: int) -> None:
    """Also if many answers wait until somebody reads: nobody gets what another one asked for."""
    many = 12
    got: list[tuple[str, str]] = []

    async def run() -> None:
        theirs, ours = socket.socketpair()
        theirs.setblocking(False)
        watched: dict[int, Any] = {}
        loop = SimpleNamespace(watch=lambda fd, ready, mask=0: watched.update({fd: ready}), unwatch=watched.pop)
        server: Any = SimpleNamespace(loop=loop, forget=lambda _: None)
        connection = Connection(server, theirs, PEER)
        for number in range(many):
            if number % 3:
                connection.send(answer(number, size if number > 1 else 1_000_000))  # without; behind that they queue
            else:
                fd = marked(tmp_path, number)
                connection.send(answer(number, size), fd)
                os.close(fd)
        over = asyncio.Event()

        def take(stream: Stream, line: bytes) -> None:
            number = int(line.split(b"logs-")[1].split(b'"')[0])
            if number % 3 == 0:
                fd = stream.take_descriptor()
                got.append((str(number), os.pread(fd, 10, 0).decode()))
                os.close(fd)
            if number == many - 1:
                over.set()

        stream = Stream(ours, take, lambda _: None)
        asyncio.get_running_loop().add_writer(theirs.fileno(), connection._flush)
        async with asyncio.timeout(20):
            await over.wait()
        asyncio.get_running_loop().remove_writer(theirs.fileno())
        assert stream.take_descriptor() == NONE
        stream.close()
        connection.close()

    asyncio.run(run())
    assert got == [(str(number), str(number)) for number in range(0, many, 3)]


def test_a_descriptor_that_nobody_takes_is_closed(tmp_path: Path) -> None:
    async def run() -> None:
        theirs, ours = socket.socketpair()
        ended = asyncio.Event()
        Stream(ours, lambda *_: None, lambda _: ended.set())
        fd = marked(tmp_path, 1)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))]
        theirs.sendmsg([b"{}\nhalf a li"], rights)
        os.close(fd)
        theirs.close()
        async with asyncio.timeout(20):
            await ended.wait()

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(run())
    assert len(os.listdir("/proc/self/fd")) == before
