"""`amonsup logs` on a real site: by the files, through the daemon, on a terminal, while everything is killed."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import select
import signal
import socket
import subprocess
import time

import pytest
from support.site import PATIENCE_S, Site, Who, kill_hard, until


class Following:
    """A started `amonsup logs -f`, and what it has shown so far."""

    def __init__(self, site: Site, *words: str, who: Who | None = None, on_terminal: bool = False) -> None:
        out, child = pty.openpty() if on_terminal else os.pipe()
        self.out = out
        self.text = b""
        self.process = client(site, "logs", "-f", *words, who=who, stdout=child, stderr=child)
        os.close(child)

    def wait(self, wanted: bytes) -> bytes:
        """Until this was shown."""
        deadline = time.monotonic() + PATIENCE_S
        while wanted not in self.text:
            poll = select.poll()
            poll.register(self.out, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise AssertionError(f"{wanted!r} was not shown, but {self.text[-500:]!r}")
            with contextlib.suppress(OSError):  # a terminal whose last process has gone
                part = os.read(self.out, 1 << 20)
                if part:
                    self.text += part
                    continue
            raise AssertionError(f"ended with {self.process.wait(10)}: {self.text[-500:]!r}")
        return self.text

    def end(self, signum: int = signal.SIGINT) -> int:
        self.process.send_signal(signum)
        status = self.process.wait(PATIENCE_S)
        os.close(self.out)
        return status


def client(site: Site, *words: str, who: Who | None = None, **options: object) -> subprocess.Popen[bytes]:
    who = who or site.who
    return subprocess.Popen(
        [who.python, "-m", "amonsup.cli.main", "-c", str(site.config_file), *words],
        cwd="/",
        env=site.client_environ() | {"PYTHONPATH": ":".join(who.paths), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        **who.switch(),
        **options,
    )


def said(site: Site, *words: str, who: Who | None = None) -> tuple[int, bytes, str]:
    """Exit status, stdout, stderr of a client."""
    with client(site, *words, who=who, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err.decode()


@pytest.fixture
def puppets(open_site, root, user):
    """A site of root's where one plain user is a reader, and another one has no role."""
    assert user.uid != 0
    site = open_site(root, config={"access": "[{user: nobody, role: reader}]"})
    pair = site.puppet("puppet"), site.puppet("other")
    site.start()
    site.running("puppet", "other")
    return site, *pair


def print_all(puppet, log, *lines):
    for line in lines:
        puppet.tell(f"print {line}")
        until(lambda line=line: log.exists() and line.encode() in log.read_bytes(), f"{line} is in the log")


def test_by_the_files_and_by_the_daemon_it_is_the_same(puppets, user):
    site, puppet, other = puppets
    print_all(puppet, site.log_dir / "puppet.log", "one", "two", "three")
    print_all(other, site.log_dir / "other.log", "four")
    for words in (["puppet", "-g", "T", "-i"], ["--json", "puppet"], ["@both"]):
        mine = said(site, "logs", *words)
        assert mine[0] == 0, mine
        assert mine[1].count(b"\n") >= 2
        assert said(site, "logs", *words, who=user) == mine
    assert said(site, "logs", "puppet")[1] == b"one\ntwo\nthree\n"
    assert said(site, "logs", "@both", "-n", "1")[1] == b"puppet | three\nother | four\n"
    document = json.loads(said(site, "--json", "logs", "puppet", "-n", "1")[1])
    assert document.pop("at").startswith("20")
    assert document == {"service": "puppet", "stream": "out", "text": "three", "cursor": "puppet.log:14", "life": 1}
    assert said(site, "logs", "puppet", "--cursor", "puppet.log:4", who=user)[1] == b"two\nthree\n"


def test_who_may_not_is_refused(puppets, user):
    site, puppet, _ = puppets
    print_all(puppet, site.log_dir / "puppet.log", "secret")
    stranger = Who("stranger", 12345, 12345, user.python, user.paths)
    status, out, err = said(site, "logs", "puppet", who=stranger)
    assert (status, out) == (4, b"")
    assert "needs the role reader" in err


def test_without_a_daemon_the_files_are_enough(puppets, user):
    site, puppet, _ = puppets
    print_all(puppet, site.log_dir / "puppet.log", "last words")
    site.shut_down()
    assert said(site, "logs", "puppet")[1] == b"last words\n"
    assert said(site, "logs", "pupet")[0] == 2
    assert "did you mean 'puppet'" in said(site, "logs", "pupet")[2]
    assert said(site, "logs", "puppet", who=user)[0] == 3


WRONG = [
    (["logs", "pupet"], 2, "did you mean 'puppet'?"),
    (["logs", "puppet", "--grep", "a(b"], 2, "grep: missing ): a(b (column 1)"),
    (["logs", "puppet", "--life", "77"], 2, "known: last, 1"),
]
WRONG_BY_ITSELF = [
    (["logs", "puppet", "--since", "soon"], 2, "'soon' is no moment; allowed: 10m"),
    (["logs"], 2, "SERVICE is missing"),
    (["logs", "puppet", "--save", "x", "-f"], 2, "not together with --follow"),
]


def test_what_cannot_be_asked(puppets, user):
    site, puppet, _ = puppets
    print_all(puppet, site.log_dir / "puppet.log", "something")
    asked = [(site.who, *each) for each in WRONG + WRONG_BY_ITSELF] + [(user, *each) for each in WRONG]
    for who, words, status, says in asked:
        found = said(site, *words, who=who)
        assert (found[0], found[1]) == (status, b""), words
        assert says in found[2]
        assert "Traceback" not in found[2]


@pytest.mark.parametrize("by_daemon", [False, True])
def test_a_follower_outlives_everything(puppets, user, by_daemon):
    site, puppet, _ = puppets
    print_all(puppet, site.log_dir / "puppet.log", "first")
    follower = Following(site, "puppet", who=user if by_daemon else site.who)
    follower.wait(b"first\n")
    for number, victims in enumerate((["logger"], ["supervisor"], ["logger", "supervisor"], ["guardian"])):
        kill_hard(*(site.pid(victim) for victim in victims))
        puppet.tell(f"print after {number}")
        follower.wait(b"after %d\n" % number)
    puppet.tell("exit 3")
    puppet.tell("print another life")
    assert follower.wait(b"another life\n") == b"first\nafter 0\nafter 1\nafter 2\nafter 3\nanother life\n"
    assert follower.end() == 130
    assert said(site, "logs", "puppet", "--life", "last")[1] == b"another life\n"
    assert said(site, "logs", "puppet", "--life", "1")[1].endswith(b"after 3\n")
    assert site.show("puppet")["last_lines"] == ["another life"]


@pytest.mark.parametrize("by_daemon", [False, True])
def test_a_follower_over_rotations_and_kills_sees_every_line_once(puppets, user, by_daemon):
    """Some ten rotations, with compression, while logger and supervisor are killed, also together."""
    site, _, _ = puppets
    follower = Following(site, "writer", "-n", "100000", who=user if by_daemon else site.who)
    site.do("start", services=["writer"])
    for wanted, victims in (
        (b"\n3000\n", ["logger"]),
        (b"\n9000\n", ["logger", "supervisor"]),
        (b"\n15000\n", ["logger"]),
    ):
        follower.wait(wanted)
        kill_hard(*(site.pid(victim) for victim in victims))
    text = follower.wait(b"wrote 30000\n")
    assert follower.end() == 130
    assert text == b"".join(b"%d\n" % number for number in range(30000)) + b"wrote 30000\n"
    until(lambda: len(list(site.log_dir.glob("writer.log.*.gz"))) >= 5, "rotated files are compressed")

    # The same, read at once, backwards, searched, and from a cursor.
    def read(*words: str) -> bytes:
        return said(site, *words, who=user if by_daemon else site.who)[1]

    assert read("logs", "writer") == text
    assert read("logs", "writer", "-n", "12000") == b"".join(text.splitlines(True)[-12000:])
    assert read("logs", "writer", "-g", "^1234.?$").split() == [b"1234", *(b"1234%d" % number for number in range(10))]
    last = json.loads(read("--json", "logs", "writer", "-g", "^20000$"))
    assert read("logs", "writer", "--cursor", last["cursor"]).startswith(b"20001\n")
    if not by_daemon:
        saved = site.path / "saved.gz"
        assert said(site, "logs", "writer", "--save", str(saved))[0] == 0
        assert gzip.decompress(saved.read_bytes()) == text


def test_on_a_terminal_nothing_is_obeyed(puppets):
    site, puppet, other = puppets
    print_all(other, site.log_dir / "other.log", "fine")
    follower = Following(site, "puppet", "other", on_terminal=True)
    follower.wait(b"fine")
    puppet.tell("print \x1b[31mred\x1b[0m over\rwritten NUL\0 \x07", waits=False)
    shown = follower.wait(b"NUL")
    follower.wait(b"\\x07")
    assert b"\\x1b[31mred\\x1b[0m over\\rwritten NUL\\x00 \\x07" in follower.text
    assert shown.count(b"\x1b[") == 4, "ours alone: a colour for each name"
    os.kill(follower.process.pid, signal.SIGWINCH)
    puppet.tell("print after a resize")
    follower.wait(b"after a resize")
    assert follower.end() == 130
    assert b"Traceback" not in follower.text


def test_who_stops_reading_ends_it(puppets, user):
    """`| head -1`: the client ends, with it its reader, though nothing more is written."""
    site, puppet, _ = puppets
    print_all(puppet, site.log_dir / "puppet.log", "one", "two")
    for who in (site.who, user):
        command = f"{user.python} -m amonsup.cli.main -c {site.config_file} logs -f puppet"
        environ = site.client_environ() | {"PYTHONPATH": ":".join(who.paths)}
        shell = ["bash", "-c", f"{command} | head -1; echo ${{PIPESTATUS[0]}}"]
        done = subprocess.run(shell, cwd="/", env=environ, capture_output=True, timeout=PATIENCE_S, **who.switch())
        assert (done.stdout, done.stderr) == (b"one\n0\n", b"")
    until(lambda: not any(" reader " in line for line in site.survivors()), "no reader is left")


def test_places_for_readers_are_bounded(puppets):
    """A caller who holds what he got, and reads nothing of it, keeps no place from others for ever."""
    site, puppet, _ = puppets
    print_all(puppet, site.log_dir / "puppet.log", "one")
    held, words = [], []
    with site.connect() as connection:
        assert connection.hello
        for number in range(13):
            line = {
                "type": "request",
                "id": f"r{number}",
                "verb": "logs",
                "args": {"services": ["puppet"], "follow": True},
            }
            connection.sock.sendall(json.dumps(line).encode() + b"\n")
            word, descriptors, _, _ = socket.recv_fds(connection.sock, 65536, 4)
            held += descriptors
            words.append(json.loads(word)["type"])
    assert words == ["answer"] * 12 + ["refused"]
    for fd in held:
        os.close(fd)
    until(lambda: site.talk("logs", services=["puppet"])["type"] == "answer", "there is room again")
