"""Clients that send junk, too much, nothing, or stop reading: disconnected, and nobody else notices."""

from __future__ import annotations

import contextlib
import json
import os
import socket

import pytest
from support.site import Connection, until

JUNK = [
    b"\n",
    b"hello\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'{"type":"request"}\n',
    b'{"type":"request","id":"","verb":"status"}\n',
    b'{"type":"request","id":"\\u0000","verb":"status"}\n',
    b'{"type":"request","id":"x","verb":"status","args":[]}\n',
    b'{"type":"answer","id":"x","result":{}}\n',
    b"\xff\xfe\x00\n",
    b"[" * 60000 + b"\n",
    b"\0" * 1000 + b"\n",
]


def ended(sock):
    """Whether the server has hung up; what it said before."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(65536):
            said += part
    return said


@pytest.fixture
def site(open_site, who):
    site = open_site(who).start()
    site.running("one")
    yield site
    # Whatever a test did, the others are served and no connection is kept.
    assert site.ask("status")["services"][0]["state"] == "running"
    assert "supervisor died" not in site.stderr()


@pytest.mark.parametrize("number", range(len(JUNK)))
def test_junk(site, number):
    with site.connect() as client:
        assert client.hello["role"] == "admin"
        client.sock.sendall(JUNK[number])
        said = ended(client.sock)
    word = json.loads(said.splitlines()[-1])
    assert (word["type"], word["code"]) == ("refused", "bad-request")


def test_a_megabyte_without_a_newline(site):
    with site.connect() as client:
        assert client.hello
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sock.sendall(b"x" * (1 << 20))
        ended(client.sock)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            client.sock.sendall(b"y")


def test_who_stops_reading_is_cut_off(site):
    """Ten thousand requests and not one answer read; a well-behaved client has its answers meanwhile."""
    with site.connect() as client:
        assert client.hello
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sock.setblocking(False)
        line = json.dumps({"type": "request", "id": "i", "verb": "show", "args": {"service": "one"}}) + "\n"
        is_cut = False
        for _ in range(200_000):
            try:
                client.sock.send(line.encode())
            except BlockingIOError:
                assert site.ask("status")["services"]
            except (BrokenPipeError, ConnectionResetError):
                is_cut = True
                break
        assert is_cut
        assert site.row("one")["state"] == "running"


def test_unknown_things_are_refused_by_name(site):
    for verb, args, code in [
        ("make-coffee", {}, "unknown-verb"),
        ("check", {}, "unknown-verb"),  # is done by the client itself
        ("start", {"services": ["two"]}, "unknown-service"),
        ("start", {"services": "one"}, "bad-request"),
        ("start", {"services": ["one"], "gently": True}, "bad-request"),
        ("signal", {"signal": "SIGNONE", "services": ["one"]}, "bad-request"),
        ("show", {"service": "../../etc/passwd"}, "unknown-service"),
    ]:
        assert site.refused(verb, **args)["code"] == code, (verb, args)
    assert "did you mean 'one'" in site.refused("stop", services=["on"])["text"]


def test_many_connections_that_say_nothing(site):
    """Up to its limit a user has its connections; more are turned away, and the places are free again afterwards."""
    with contextlib.ExitStack() as stack:
        refused = 0
        for _ in range(200):
            client = stack.enter_context(site.connect())
            try:
                assert client.hello
            except (ConnectionError, OSError):
                refused += 1
        assert refused == 200 - 128
    assert until(lambda: site.ask("status")["services"])


def test_who_is_turned_away_is_told_why(site):
    with contextlib.ExitStack() as stack:
        for _ in range(128):
            stack.enter_context(site.connect())
        with pytest.raises(ConnectionRefusedError, match="too many connections"):
            assert stack.enter_context(site.connect()).hello
        if site.who.uid == os.geteuid():
            done = site.cli("status")
            assert done.returncode == 1
            assert "too many connections" in done.stderr


def test_an_id_in_use_is_not_carried_out_twice(site):
    """Two connections, one id, while the answer to the first is still being worked on."""
    with site.connect() as one, site.connect() as two:
        for client in (one, two):
            client.request("apply", "twin")
        words = [one.last_word("twin"), two.last_word("twin")]
    types = sorted(word["type"] for word in words)
    assert types in (
        ["finished", "refused"],
        ["finished", "finished"],
    )  # the second may come after the first is accepted
    entries = [entry for entry in site.events() if entry["kind"] == "command" and entry["text"].startswith("apply")]
    assert len(entries) == 1


def test_a_stranger_is_nothing(site):
    """Who has no role is told so; the socket is open to everybody, the verbs are not."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be a stranger")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65533)
            os.setuid(65533)
            answers = []
            for verb in ("status", "restart", "shutdown"):
                args = {"services": ["one"]} if verb == "restart" else {}
                with Connection(site.run_dir / "amonsup.sock") as client:
                    word = client.last_word(client.request(verb, **args))
                answers.append(f"{word['type']} {word['code']}")
            os.write(write, ",".join(answers).encode())
        except Exception as error:  # noqa: BLE001 - it is told to the parent, which fails then
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read) as pipe:
        assert pipe.read() == ",".join(["refused forbidden"] * 3)
