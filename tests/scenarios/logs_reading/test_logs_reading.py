"""`amonsup logs` on a real site: by the files, through the daemon, on a terminal, while everything is killed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest
from support.site import PATIENCE_S, Site, Who, kill_hard, until

ODD = rb"\x1b[31mred\x1b[0m over\rwritten NUL\0 \xff end"


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
            ready, _, _ = select.select([self.out], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
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
    for words in (["puppet"], ["puppet", "-n", "2"], ["puppet", "-g", "t", "-i"], ["--json", "puppet"], ["@both"]):
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


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["logs", "pupet"], 2, "did you mean 'puppet'?"),
        (["logs", "puppet", "--grep", "a(b"], 2, "grep: missing ): a(b (column 1)"),
        (["logs", "puppet", "--since", "soon"], 2, "'soon' is no moment; allowed: 10m"),
        (["logs", "puppet", "--life", "77"], 2, "known: last, 1"),
        (["logs"], 2, "SERVICE is missing"),
        (["logs", "puppet", "-C", "2"], 2, "belong to grep"),
        (["logs", "puppet", "--save", "x", "-f"], 2, "not together with --follow"),
    ],
)
def test_what_cannot_be_asked(puppets, user, words, status, says):
    site, puppet, _ = puppets
    print_all(puppet, site.log_dir / "puppet.log", "something")
    for who in (site.who, user):
        found = said(site, *words, who=who)
        assert (found[0], found[1]) == (status, b"")
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
