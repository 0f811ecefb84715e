"""A stock chat client, profanity as Debian ships it, in a terminal: what a person sees and can do.

The transcript in docs/chat.md is what this test writes down where AMONSUP_TRANSCRIPT names a file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.cast import Cast
from support.site import until
from support.tmux import Tmux

AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
SERVICES = """services:
  db: {command: "sleep 1000", description: the catalogue, min_uptime: 0s}
  ce:
    command: sh -c 'echo connected to the catalogue; exec sleep 1000'
    description: computing element
    depends_on: [db]
    min_uptime: 0s
    start_limit: {count: 1, within: 5m}
"""


class Profanity:
    """In a tmux of its own, with settings of its own. What was typed and the screens after it are kept."""

    def __init__(self, site, port: int, ca_file: Path, cast: Cast) -> None:
        home = site.path / "chat"
        trust = home / "trust"
        trust.mkdir(parents=True)
        shutil.copy(ca_file, trust / "ca.pem")
        subprocess.run(["openssl", "rehash", str(trust)], check=True, capture_output=True)
        (home / "profanity").mkdir()
        (home / "profanity" / "profrc").write_text(
            "[ui]\nsplash=false\nnotifications=false\nwrap=true\n[notifications]\nmessage=false\nroom=off\n"
        )
        self.port, self.trust, self.cast = port, trust, cast
        self.tmux = Tmux(site, size=(96, 40), socket="profanity")
        self.tmux.run("exec profanity", XDG_CONFIG_HOME=str(home), XDG_DATA_HOME=str(home), TERM="screen-256color")
        self.screens: list[str] = []

    def connect(self, name: str) -> None:
        self.tmux.wait("Profanity")
        self.say(f"/tls certpath set {self.trust}", "Certificate path set")
        self.say(f"/connect {name}@localhost server 127.0.0.1 port {self.port} tls force", "Enter password")
        self.say("secret", self.cast.real(f"{name}@localhost"), "online")

    def say(self, line: str, *wanted: str) -> str:
        """Type a line, and wait until all of this stands on the screen."""
        self.tmux.keys("-l", self.cast.real(line))
        self.tmux.keys("Enter")
        return self.see(*wanted)

    def see(self, *wanted: str) -> str:
        self.screens.append(self.tmux.wait(*wanted))
        return self.screens[-1]


@pytest.fixture
def profanity(server, authority, cast):
    if shutil.which("profanity") is None:
        assert os.environ.get("CI") != "true", "CI has profanity"
        pytest.skip("no profanity here: apt-get install profanity")
    made: list[Profanity] = []

    def start(site) -> Profanity:
        made.append(Profanity(site, server.port, authority.certificate, cast))
        return made[-1]

    yield start
    for each in made:
        each.tmux.close()


def test_a_person_sees_a_crash_and_mends_it(open_site, profanity):
    site = open_site(SERVICES, access="    - {jid: admin@localhost, role: admin, alerts: true}\n")
    site.running("ce", "db", "control")
    chat = profanity(site)
    chat.connect("admin")
    chat.say(f"/sub request {SITE}", 'is online, "2/2 up"')
    site.kill("ce")
    chat.see("is dnd", "1/2 up; fatal: ce")
    chat.see("chat message")
    chat.say("/win 2", "gsi: ce fatal", "last: killed by", "| connected to the catalogue")  # the alert
    chat.say("/win 1", "is dnd")
    chat.say(f"/cmd list {AGENT}", "restart", "status", "hold")
    chat.say(f"/cmd exec status {AGENT}", "ce: fatal")
    chat.say(f"/cmd exec restart {AGENT}", "[field1]", "(required)")
    chat.say("/field1 add ce", "Field updated")
    chat.say("/form submit", "done: restart ce")
    before = site.running("ce")
    until(lambda: "connected" in "".join(site.ask("show", service="ce")["last_lines"]), "a line of the new life")
    chat.say("/win 2", "gsi: ce fatal")
    chat.say("show ce", "me: show ce", "ce: running", "exit ")
    chat.say("restart ce", "accepted: restart ce", "done: restart ce")
    assert site.running("ce") != before
    chat.tmux.keys("-l", "/win 1")
    chat.tmux.keys("Enter")
    until(lambda: chat.tmux.screen().count('is online, "2/2 up"') == 2, "presence that all is well again")
    chat.see()
    if "AMONSUP_TRANSCRIPT" in os.environ:
        Path(os.environ["AMONSUP_TRANSCRIPT"]).write_text(chat.cast.played("\n=====\n".join(chat.screens)))
