"""The amonsup command as a process, talking to a supervisor that the test plays itself over a real socket.

Each test reads as a conversation: the client is started, the test accepts its connection, reads what it
asks and says what a supervisor would (or would never) say. Nothing sleeps: every step waits for the other
side.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LONG_S = 30.0

Start = Callable[..., "Client"]


class Client:
    """A started `amonsup`."""

    def __init__(self, *words: str | bytes, **options: Any) -> None:
        environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        environ |= options.pop("environ", {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "amonsup.cli.main", *words],
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            env=environ,
            cwd=options.pop("cwd", ROOT),
        )

    def end(self) -> tuple[int, str, str]:
        """Exit status, stdout, stderr."""
        out, err = self.process.communicate(timeout=LONG_S)
        assert b"Traceback" not in (err or b""), err.decode()
        return self.process.returncode, (out or b"").decode(), (err or b"").decode()

    def next_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def document(self) -> tuple[int, Any]:
        """Exit status and the one JSON document; nothing may stand on stderr."""
        status, out, err = self.end()
        assert err == ""
        return status, json.loads(out)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


class Peer:
    """The server's side of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._lines = sock.makefile("rb")

    def request(self) -> dict[str, Any]:
        request: dict[str, Any] = json.loads(self._lines.readline())
        assert request.pop("type") == "request"
        return request

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def say(self, kind: str, **fields: Any) -> None:
        self.raw(json.dumps({"type": kind, **fields}).encode() + b"\n")

    def hello(self, instance: str = "i-1", protocol: tuple[int, int] = (1, 1)) -> None:
        self.say("hello", protocol=protocol, version="0.1.0", site="gsi", instance=instance, role="admin")

    def greeted_request(self, instance: str = "i-1") -> dict[str, Any]:
        self.hello(instance)
        return self.request()

    def has_ended(self) -> bool:
        return self._lines.read() == b""

    def close(self) -> None:
        self._lines.close()
        self.sock.close()


class Supervisor:
    """A listening socket; the test accepts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(LONG_S)
        self._listener.bind(str(path))
        self._listener.listen(4)
        self._peers: list[Peer] = []

    def accept(self) -> Peer:
        connected, _ = self._listener.accept()
        connected.settimeout(LONG_S)
        self._peers.append(Peer(connected))
        return self._peers[-1]

    def stop_listening(self) -> None:
        self._listener.close()

    def close(self) -> None:
        self._listener.close()
        for peer in self._peers:
            peer.close()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "amonsup.sock")
    yield supervisor
    supervisor.close()


@pytest.fixture
def run() -> Iterator[Start]:
    """Starts `amonsup` with the words given."""
    clients: list[Client] = []

    def start(*words: str | bytes, **options: Any) -> Client:
        clients.append(Client(*words, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def amonsup(run: Start, supervisor: Supervisor) -> Start:
    """The same with the test's own supervisor."""
    return lambda *words, **options: run("--socket", str(supervisor.path), *words, **options)


def row(name: str, **fields: Any) -> dict[str, Any]:
    plain = {"pid": 7, "uptime_s": 192.0, "restarts": 0, "since": "2025-01-01T00:00:00.000Z", "exit": None}
    return {"name": name, "state": "running", **plain, **fields}


def outcome(*, verb: str = "stop", ok: bool = True, **fields: Any) -> dict[str, Any]:
    return {
        "operation": "op",
        "verb": verb,
        "ok": ok,
        "results": [{"name": "ce", "ok": ok, "text": ""}],
        **fields,
    }


def happening(seq: int, **fields: Any) -> dict[str, Any]:
    return {"seq": seq, "at": f"2025-01-01T00:00:0{seq}.000Z", "kind": "running", "service": "ce", **fields}


def status_answer(request: dict[str, Any], *rows: dict[str, Any]) -> dict[str, Any]:
    return {"id": request["id"], "result": {"site": "gsi", "services": rows}}


# Answers


def test_a_request_is_sent_without_waiting_for_the_greeting(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("status", "ce", "--all")
    peer = supervisor.accept()
    request = peer.request()
    peer.hello()
    assert request["verb"] == "status"
    assert request["args"] == {"services": ["ce"], "all": True}
    assert request["id"].startswith("status-")
    peer.say("answer", **status_answer(request, row("ce", description="AliEn")))
    status, out, err = client.end()
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "NAME  STATE    PID  UPTIME  RESTARTS  CPU  MEM  WHAT",
        "ce    running    7   3m12s         0    -    -  AliEn",
    ]


def test_status_as_json_is_the_list_with_what_newer_daemons_add(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("status", "--json")
    peer = supervisor.accept()
    request = peer.greeted_request()
    peer.say("answer", **status_answer(request, row("ce", colour="blue")))
    assert client.document() == (0, [row("ce", colour="blue")])


def test_messages_with_another_id_are_not_ours(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("--json", "status")
    peer = supervisor.accept()
    request = peer.greeted_request()
    peer.say("refused", id="other", code="forbidden", text="no")
    peer.say("answer", **status_answer(request))
    assert client.document() == (0, [])


def test_what_services_say_cannot_harm_the_terminal(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("status")
    peer = supervisor.accept()
    request = peer.greeted_request()
    peer.say("answer", **status_answer(request, row("ce", status="\x1b[2J\x9b31m\nfake\u202e")))
    _, out, _ = client.end()
    assert out.endswith("\\x1b[2J\\x9b31m\\nfake\\u202e\n")


def test_json_escapes_them_and_stays_the_same_document(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("status", "--json")
    peer = supervisor.accept()
    request = peer.greeted_request()
    text = "\x1b\x9b\u202e\U000e0041 ä"
    peer.say("answer", **status_answer(request, row("ce", status=text)))
    _, out, _ = client.end()
    assert out.rstrip("\n").isprintable()
    assert json.loads(out)[0]["status"] == text


def test_a_narrow_encoding_is_no_reason_to_fail(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("status", environ={"PYTHONIOENCODING": "ascii"})
    peer = supervisor.accept()
    request = peer.greeted_request()
    peer.say("answer", **status_answer(request, row("ce", status="grün")))
    status, out, _ = client.end()
    assert status == 0
    assert "gr\\xfcn" in out


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("forbidden", 4),
        ("unknown-service", 2),
        ("invalid", 2),
        ("busy", 1),
        ("shutting-down", 1),
        ("novel", 1),
    ],
)
def test_a_refusal_is_told_and_gives_the_status(
    amonsup: Start, supervisor: Supervisor, code: str, expected: int
) -> None:
    client = amonsup("start", "ce")
    peer = supervisor.accept()
    peer.say("refused", id=peer.greeted_request()["id"], code=code, text="no: first\nsecond")
    assert client.end() == (expected, "", "amonsup: no: first\n  second\n")


def test_a_refusal_as_json(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("start", "ce", "--json")
    peer = supervisor.accept()
    peer.say("refused", id=peer.greeted_request()["id"], code="forbidden", text="no")
    assert client.document() == (4, {"error": {"code": "forbidden", "text": "no"}})


@pytest.mark.parametrize("nobody", ["", "-"])
def test_a_refusal_without_an_id_is_ours(amonsup: Start, supervisor: Supervisor, nobody: str) -> None:
    client = amonsup("start", "ce")
    peer = supervisor.accept()
    peer.greeted_request()
    peer.say("refused", id=nobody, code="bad-request", text="what?")
    assert client.end()[0] == 2


@pytest.mark.parametrize(("ok", "expected"), [(True, 0), (False, 1)])
def test_an_operation_is_waited_for(amonsup: Start, supervisor: Supervisor, *, ok: bool, expected: int) -> None:
    client = amonsup("stop", "ce", "--kill")
    peer = supervisor.accept()
    request = peer.greeted_request()
    assert request["args"] == {"services": ["ce"], "kill": True}
    peer.say("accepted", id=request["id"], targets=["ce"])
    peer.say("finished", id=request["id"], result=outcome(ok=ok))
    assert client.end() == (expected, "ce: stopped\n" if ok else "ce: failed\n", "")


def test_an_operation_as_json(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("stop", "ce", "--json")
    peer = supervisor.accept()
    request = peer.greeted_request()
    peer.say("accepted", id=request["id"], targets=["ce"])
    peer.say("finished", id=request["id"], result=outcome(ok=False))
    assert client.document() == (1, outcome(ok=False))


def test_no_wait_returns_once_it_is_on_record(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("stop", "--no-wait", "ce", "--json")
    peer = supervisor.accept()
    request = peer.greeted_request()
    assert "no_wait" not in request["args"]
    peer.say("accepted", id=request["id"], targets=["ce"])
    assert client.document() == (0, {"accepted": {"id": request["id"], "targets": ["ce"]}})


def test_the_plan_of_an_apply(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("apply", "-n")
    peer = supervisor.accept()
    request = peer.greeted_request()
    changes = [{"name": "ce", "action": "restart", "why": "command"}]
    peer.say("answer", id=request["id"], result={"changes": changes})
    assert client.end()[:2] == (0, "ACTION   SERVICE  WHY\nrestart  ce       command\n")


# The gap between a supervisor and its successor


@pytest.mark.parametrize("heard", ["nothing", "greeting", "accepted"])
def test_in_the_gap_the_same_request_is_sent_again(amonsup: Start, supervisor: Supervisor, heard: str) -> None:
    client = amonsup("stop", "ce")
    dying = supervisor.accept()
    first = dying.request()
    if heard != "nothing":
        dying.hello()
    if heard == "accepted":
        dying.say("accepted", id=first["id"], targets=["ce"])
    dying.close()
    successor = supervisor.accept()
    assert successor.greeted_request() == first
    successor.say("accepted", id=first["id"], targets=["ce"])
    successor.say("finished", id=first["id"], result=outcome())
    assert client.end() == (0, "ce: stopped\n", "")


def test_a_half_line_is_no_answer(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("status", "--json")
    dying = supervisor.accept()
    first = dying.greeted_request()
    dying.raw(b'{"type":"answer","id":')
    dying.close()
    successor = supervisor.accept()
    successor.say("answer", **status_answer(successor.greeted_request()))
    assert client.document() == (0, [])
    assert first["verb"] == "status"


def test_several_successors_may_die(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("stop", "ce")
    requests = []
    for _ in range(5):
        peer = supervisor.accept()
        requests.append(peer.greeted_request())
        peer.close()
    peer = supervisor.accept()
    request = peer.greeted_request()
    peer.say("finished", id=request["id"], result=outcome())
    assert client.end()[0] == 0
    assert requests == [request] * 5


def test_a_command_is_not_repeated_to_a_daemon_that_forgot_it(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("stop", "ce", "--json")
    supervisor_before = supervisor.accept()
    supervisor_before.greeted_request("i-1")
    supervisor_before.close()
    another = supervisor.accept()
    another.hello("i-2")
    assert another.has_ended()
    status, document = client.document()
    assert (status, document["error"]["code"]) == (1, "unknown-outcome")


def test_a_question_is_repeated_to_any_daemon(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("status", "--json")
    before = supervisor.accept()
    before.greeted_request("i-1")
    before.close()
    another = supervisor.accept()
    another.say("answer", **status_answer(another.greeted_request("i-2")))
    assert client.document() == (0, [])


def test_a_signal_is_never_sent_twice(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("signal", "HUP", "ce")
    dying = supervisor.accept()
    assert dying.greeted_request()["args"] == {"signal": "HUP", "services": ["ce"]}
    dying.close()
    status, _, err = client.end()
    assert status == 1
    assert "not known" in err


def test_shutdown_returns_when_the_daemon_is_really_gone(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("shutdown", "--json")
    peer = supervisor.accept()
    request = peer.greeted_request()
    peer.say("accepted", id=request["id"], targets=["ce"])
    peer.say("finished", id=request["id"], result=outcome(verb="shutdown"))
    peer.close()
    held = supervisor.accept()  # the guardian still holds the socket: the client looks, and waits for the end
    assert client.process.poll() is None
    supervisor.stop_listening()
    held.close()
    assert client.document() == (0, outcome(verb="shutdown"))


# Nobody there, nobody answers, somebody else


def test_no_socket(run: Start, tmp_path: Path) -> None:
    status, out, err = run("status", "--socket", str(tmp_path / "none.sock")).end()
    assert (status, out) == (3, "")
    assert err.startswith(f"amonsup: no amonsupd at {tmp_path}/none.sock (there is no such socket)\n  start it")


def test_a_socket_that_was_left_behind(amonsup: Start, supervisor: Supervisor) -> None:
    supervisor.stop_listening()
    status, document = amonsup("status", "--json").document()
    assert (status, document["error"]["code"]) == (3, "no-daemon")


@pytest.mark.parametrize("path", ["/dev/null/x", "{own}", "/x" * 200])
def test_a_path_that_is_no_socket(run: Start, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    path = path.format(own=tmp_path / "file")
    assert run("status", "--socket", path).end()[0] == 3


@pytest.mark.parametrize("verb", [("status",), ("stop", "ce"), ("events", "-f")])
def test_no_answer_in_time(amonsup: Start, supervisor: Supervisor, verb: tuple[str, ...]) -> None:
    client = amonsup("--timeout", "0.2", *verb)
    supervisor.accept().greeted_request()
    assert client.end() == (5, "", "amonsup: no answer of amonsupd within 0.2 s\n")


def test_no_greeting_in_time_with_a_full_backlog(run: Start, tmp_path: Path) -> None:
    path = tmp_path / "full.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(path))
        listener.listen(0)
        first.connect(str(path))
        assert run("--timeout", "0.2", "--socket", str(path), "status").end()[0] == 5


@pytest.mark.parametrize(
    "junk",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\n",
        b"\xff\xfe\x00\n",
        b"[" * 100_000 + b"\n",
        b'{"type":"answer","id":"x","result":1}\n',
        b'{"type":"hello"}\n',
        b'{"type":"hello","protocol":[7,9],"version":"9","site":"","instance":"","role":""}\n',
    ],
)
def test_junk_in_place_of_a_greeting(amonsup: Start, supervisor: Supervisor, junk: bytes) -> None:
    client = amonsup("status", "--json")
    supervisor.accept().raw(junk)
    status, document = client.document()
    assert (status, document["error"]["code"]) == (1, "protocol")


@pytest.mark.parametrize("result", ["1", "{}", '{"site":1}', "tru", '{"site":"","services":[{}]}', "[" * 9000])
def test_junk_in_place_of_a_result(amonsup: Start, supervisor: Supervisor, result: str) -> None:
    client = amonsup("status", "--json")
    peer = supervisor.accept()
    request = peer.greeted_request()
    peer.raw(f'{{"type":"answer","id":"{request["id"]}","result":{result}}}\n'.encode())
    status, document = client.document()
    assert (status, document["error"]["code"]) == (1, "protocol")


def test_a_line_without_end(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("status")
    peer = supervisor.accept()
    endless = b"x" * (64 * 1024 * 1024)
    with pytest.raises(ConnectionError):
        peer.raw(endless)
    status, _, err = client.end()
    assert status == 1
    assert "longer than" in err


def test_a_request_that_is_too_long_is_not_sent(amonsup: Start) -> None:
    status, _, err = amonsup("start", *(f"service-{number}" for number in range(9000))).end()
    assert status == 2
    assert "at most 65536" in err


# The person, the pipe and the terminal


def test_interrupted_it_says_what_becomes_of_the_command(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("stop", "ce")
    supervisor.accept().greeted_request()
    client.process.send_signal(signal.SIGINT)
    status, out, err = client.end()
    assert (status, out) == (130, "")
    assert err.startswith("amonsup: interrupted")


def test_a_reader_that_has_gone_is_no_error(amonsup: Start, supervisor: Supervisor) -> None:
    reader, writer = os.pipe()
    client = amonsup("status", stdout=writer)
    os.close(reader)
    os.close(writer)
    peer = supervisor.accept()
    peer.say("answer", **status_answer(peer.greeted_request(), row("ce")))
    assert client.end() == (0, "", "")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_answer_that_cannot_be_written_is_one(
    amonsup: Start, supervisor: Supervisor, options: tuple[str, ...]
) -> None:
    with open("/dev/full", "w") as full:
        client = amonsup("status", *options, stdout=full)
    peer = supervisor.accept()
    peer.say("answer", **status_answer(peer.greeted_request(), row("ce")))
    assert client.end() == (1, "", "amonsup: cannot write the answer: No space left on device\n")


@pytest.mark.parametrize(
    ("environ", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals(
    amonsup: Start, supervisor: Supervisor, environ: dict[str, str], *, is_coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    client = amonsup("status", stdout=theirs, environ={"TERM": "xterm-256color"} | environ)
    os.close(theirs)
    peer = supervisor.accept()
    peer.say("answer", **status_answer(peer.greeted_request(), row("ce", state="fatal", why="[bold]x\x1b[2J")))
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # EIO: the other end is closed
    os.close(ours)
    assert client.end()[0] == 0
    assert (b"\x1b[1;31m" in shown) == is_coloured
    assert b"[bold]x\\x1b[2J" in shown
    assert b"\x1b[2J" not in shown


# events -f


def test_events_are_followed_over_the_gap_without_loss_or_repetition(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("events", "-f", "--json", "ce", "-n", "2")
    peer = supervisor.accept()
    request = peer.greeted_request()
    assert request["args"] == {"services": ["ce"], "follow": True, "lines": 2}
    peer.say("answer", id=request["id"], result={"events": [happening(1), happening(2)]})
    assert [json.loads(client.next_line()) for _ in range(2)] == [happening(1), happening(2)]
    peer.say("event", id=request["id"], event=happening(3, new="field"))
    assert json.loads(client.next_line()) == happening(3, new="field")
    peer.close()

    successor = supervisor.accept()
    again = successor.greeted_request()
    assert again["id"] != request["id"]
    assert again["args"] == {"services": ["ce"], "follow": True, "after": 3}
    successor.say("answer", id=again["id"], result={"events": [happening(4)]})
    successor.say("event", id=again["id"], event=happening(4))
    successor.say("event", id=again["id"], event=happening(5))
    assert [json.loads(client.next_line())["seq"] for _ in range(2)] == [4, 5]
    client.process.send_signal(signal.SIGINT)
    assert client.end() == (130, "", "")


def test_another_daemon_numbers_anew_and_is_asked_by_time(amonsup: Start, supervisor: Supervisor) -> None:
    client = amonsup("events", "-f")
    peer = supervisor.accept()
    request = peer.greeted_request("i-1")
    peer.say("answer", id=request["id"], result={"events": [happening(7)]})
    assert client.next_line() == "2025-01-01T00:00:07.000Z  ce  running\n"
    peer.close()
    another = supervisor.accept()
    another.say("answer", id=another.greeted_request("i-2")["id"], result={"events": []})
    assert another.has_ended()
    by_time = supervisor.accept()
    request = by_time.greeted_request("i-2")
    assert request["args"] == {"follow": True, "since": "2025-01-01T00:00:07.000Z"}
    by_time.say("answer", id=request["id"], result={"events": [happening(1, text="born")]})
    assert client.next_line() == "2025-01-01T00:00:01.000Z  ce  running  born\n"


def test_following_ends_when_nobody_reads(amonsup: Start, supervisor: Supervisor) -> None:
    reader, writer = os.pipe()
    client = amonsup("events", "-f", stdout=writer)
    os.close(writer)
    peer = supervisor.accept()
    request = peer.greeted_request()
    os.close(reader)
    peer.say("answer", id=request["id"], result={"events": [happening(1)]})
    assert client.end() == (0, "", "")


# The site's file, and the verbs that need nobody


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.yaml").write_text("services: {ce: {command: /bin/true}}\n")
    file = tmp_path / "amonsup.yaml"
    file.write_text("run_dir: .\nstate_dir: state\nlog_dir: log\n")
    return file


@pytest.mark.parametrize("way", ["option", "environment", "directory"])
def test_the_socket_is_where_the_file_says(run: Start, supervisor: Supervisor, site: Path, way: str) -> None:
    if way == "option":
        client = run("status", "-c", str(site), "--json")
    elif way == "environment":
        client = run("status", "--json", environ={"AMONSUP_CONFIG": str(site)})
    else:
        client = run("status", "--json", cwd=site.parent)
    peer = supervisor.accept()
    peer.say("answer", **status_answer(peer.greeted_request()))
    assert client.document() == (0, [])


def test_a_file_that_is_wrong_or_missing(run: Start, site: Path) -> None:
    site.write_text("socet: x\nrun_dir: []\n")
    status, _, err = run("status", "-c", str(site)).end()
    assert status == 2
    assert f"{site}:1:1: " in err
    assert f"{site}:2:" in err
    assert run("status", "-c", str(site) + "x").end()[0] == 2


def test_check_says_what_is_there(run: Start, site: Path) -> None:
    assert run("check", "-c", str(site)).end() == (0, "ok: 1 service in 1 file\n", "")
    assert run("check", str(site.parent / "conf.d")).end() == (0, "ok: 1 service in 1 file\n", "")
    expected = {"ok": True, "errors": [], "warnings": [], "services": 1, "files": 1, "online": []}
    assert run("check", "--json", str(site.parent / "conf.d" / "a.yaml")).document() == (0, expected)


def test_check_says_all_that_is_wrong_and_where(run: Start, site: Path) -> None:
    bad = site.parent / "conf.d" / "b.yaml"
    bad.write_text("services:\n  x: {comand: /bin/true}\n  y: {command: /bin/true, restart: sometimes}\n")
    status, out, err = run("check", "-c", str(site)).end()
    assert (status, err) == (2, "")
    assert f"{bad}:2:7: " in out
    assert f"{bad}:3:36: " in out
    status, document = run("check", "-c", str(site), "--json").document()
    assert (status, document["ok"], document["errors"][0]["file"]) == (2, False, str(bad))


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_schema_is_json(run: Start, options: tuple[str, ...]) -> None:
    status, document = run("schema", *options).document()
    assert status == 0
    assert document["$schema"].startswith("https://json-schema.org/")


def test_words_that_are_not_utf8(amonsup: Start, run: Start) -> None:
    status, out, err = amonsup("start", b"\xff").end()
    assert (status, out) == (2, "")
    assert err.startswith("amonsup: '\\udcff' is not UTF-8\n  usage: amonsup start [")
    assert run("--socket", b"/tmp/\xff", "status", "--json").document()[0] == 3


def test_closed_streams(run: Start) -> None:
    """Started with stdout and stderr closed, as careless daemons do."""
    script = f'exec "{sys.executable}" -m amonsup.cli.main --version >&- 2>&-'
    assert subprocess.run(["sh", "-c", script], cwd=ROOT, timeout=LONG_S).returncode == 0
