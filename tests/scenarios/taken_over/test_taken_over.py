"""What whoever has taken over the logger or control can do from there: their ends are taken from them, and used."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import socket
import stat
import uuid

import pytest
from support.site import frozen, until

from amonsup.supervisor.adapters.server import peer_of

PIDFD_GETFD = 438  # the number is the same on every architecture


def stolen(pid: int, number: int) -> int:
    """A duplicate of another process's descriptor: pidfd_getfd(2)."""
    pidfd = os.pidfd_open(pid)
    try:
        fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, number, 0)
    finally:
        os.close(pidfd)
    error = ctypes.get_errno()
    if fd < 0 and error in (errno.ENOSYS, errno.EPERM):
        pytest.skip(f"pidfd_getfd: {os.strerror(error)}")
    if fd < 0:
        raise OSError(error, os.strerror(error))
    return fd


@contextlib.contextmanager
def link_of(pid: int):
    """The logger's end of its channel."""
    with frozen(pid), socket.socket(fileno=stolen(pid, 3)) as link:
        yield link


JUNK = [
    {"do": "drained"},
    {"do": "drained", "service": ["ce"], "generation": {}},
    {"do": "trouble", "log": {}, "service": 1, "text": None, "dropped": "x"},
    {"do": "done", "id": [], "text": 1},
    {"do": "match", "service": "ce", "log": "ce.log", "rules": 1},
    {"do": "remark", "service": {}, "text": 1},
    {"do": "attend", "service": []},
    {"do": "cut", "service": {}},
    {"do": "following", "service": "ce", "files": [[1]]},
    {"do": "nothing we know"},
]


def test_a_logger_leads_the_supervisor_nowhere(open_site, root):
    """Neither to a path of its choice, nor to its end."""
    site = open_site(root)
    site.start()
    site.running("logger")
    victim = site.file("victim.1")
    victim.write_text("precious")
    supervisor = site.pid("supervisor")
    path = os.path.relpath(victim, site.run_dir / "fifo").removesuffix(".1")
    with link_of(site.pid("logger")) as link:
        for message in [
            {"do": "drained", "service": path, "generation": 1},
            {"do": "drained", "service": path, "generation": "1"},
            *JUNK,
        ]:
            link.send(json.dumps(message).encode())
        link.send(json.dumps({"do": "remark", "service": "ce", "text": "the last of all"}).encode())
        site.wait("log-remark", text="the last of all")
    assert victim.read_text() == "precious"
    assert site.pid("supervisor") == supervisor


@pytest.mark.parametrize("raw", [b"junk", b"[" * 50_000, b"[]", b"{}", b'{"do": 1}', b"x" * 65_000])
def test_a_logger_that_talks_nonsense_is_replaced(open_site, root, raw):
    site = open_site(root)
    site.start()
    pids = site.running("logger", "supervisor")
    with link_of(pids["logger"]) as link:
        link.send(raw)
    site.wait("exited", "logger")
    until(lambda: site.pid("logger") not in (0, None, pids["logger"]), "another logger")
    assert site.pid("supervisor") == pids["supervisor"]


# -- control --

XMPP = (
    "{sessions: {main: {jid: gsi@vo.example.org, password_file: password, host: 127.0.0.1, port: 1}},"
    " require_signature: none, remote: operator, access: [{jid: bob@vo.example.org, role: viewer},"
    " {jid: eve@vo.example.org, role: operator}]}"
)


@pytest.fixture
def site_with_control(open_site, root):
    return with_control(open_site, root)


def with_control(open_site, who):
    site = open_site(who, config={"xmpp": XMPP})
    for name in ("password", "key"):
        site.write(name, "correct-horse-battery")
        site.file(name).chmod(0o600)
    site.start()
    site.running("ce", "shy", "control", "logger")
    return site


def stream_of(pid: int) -> int:
    """The one that the supervisor has made; asyncio has some of its own. 0: it has not come yet."""
    for number in range(4, 64):
        with contextlib.suppress(OSError):  # they come and go while it starts
            if not stat.S_ISSOCK(os.stat(f"/proc/{pid}/fd/{number}").st_mode):
                continue
            with socket.socket(fileno=stolen(pid, number)) as sock:
                if (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_STREAM) and peer_of(sock).pid != pid:
                    return number
    return 0


class AsControl:
    """Speaks in control's place."""

    def __init__(self, pid: int) -> None:
        self._sock = socket.socket(fileno=stolen(pid, stream_of(pid)))
        self._sock.setblocking(True)
        self._sock.settimeout(20)
        self._file = self._sock.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._sock.close()

    def ask(self, verb, caller=None, **args):
        request = {"type": "request", "id": uuid.uuid4().hex, "verb": verb, "args": args}
        if caller:
            request["caller"] = caller
        self._sock.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = json.loads(self._file.readline())
            if message.get("id") == request["id"] and message["type"] != "accepted":
                return message


def who(jid):
    return {"jid": jid}


def test_control_learns_no_secret_and_commands_nothing(site_with_control):
    site = site_with_control
    control = site.pid("control")
    until(lambda: stream_of(control), "control has its stream")
    with frozen(control), contextlib.closing(AsControl(control)) as taken:
        for caller in (None, who("bob@vo.example.org"), who("eve@vo.example.org/phone")):
            shown = taken.ask("show", caller, service="ce")
            text = json.dumps(shown["result"])
            assert "TOKEN" in text
            assert "key" in text
            assert "correct-horse" not in text
            assert str(site.file("key")) not in text
        assert "correct-horse" in json.dumps(site.show("ce")["spec"])
        assert taken.ask("stop", services=["ce"])["code"] == "forbidden"
        assert taken.ask("logs", services=["ce"])["code"] == "forbidden"
        assert taken.ask("stop", who("bob@vo.example.org"), services=["ce"])["code"] == "forbidden"
        assert taken.ask("stop", who("eve@vo.example.org"), services=["shy"])["code"] == "forbidden"
        assert taken.ask("shutdown", who("eve@vo.example.org"))["code"] == "forbidden"
        assert taken.ask("status", who("x" * 4000))["code"] == "bad-request"
        assert taken.ask("status", who("bob@vo.example.org\n"))["code"] == "bad-request"
    assert site.pid("ce")


def test_from_afar_last_lines_are_for_those_who_may_read_logs(site_with_control):
    site = site_with_control
    for name in ("ce", "shy"):
        until(lambda name=name: site.show(name)["last_lines"], f"{name} has said something")
    control = site.pid("control")
    until(lambda: stream_of(control), "control has its stream")
    with frozen(control), contextlib.closing(AsControl(control)) as taken:

        def lines(jid, service):
            return taken.ask("show", who(jid), service=service)["result"]["last_lines"]

        assert lines("eve@vo.example.org", "ce")
        assert not lines("bob@vo.example.org", "ce")
        assert not lines("eve@vo.example.org", "shy")


def test_nobody_of_their_user_looks_into_them(open_site, user):
    """prctl(2), PR_SET_DUMPABLE: then such files in /proc belong to root, whoever the process runs as."""
    site = with_control(open_site, user)
    for name in ("logger", "control"):
        until(lambda name=name: os.stat(f"/proc/{site.pid(name)}/fd").st_uid == 0, f"{name} is closed to its user")
    assert os.stat(f"/proc/{site.pid('supervisor')}/fd").st_uid == user.uid
