"""Our end of the control process: its settings and secrets go in, requests of people from afar come out.

The link is a channel whose end is in the descriptor store, so control outlives a supervisor. Over it each supervisor
hands control one end of a fresh stream that speaks the clients' protocol (docs/protocol.md): a successor's is a new
one, and control asks again what it had asked, under the same ids. Passwords travel as descriptors of the files that
hold them; control runs as a user who could not open them. They are read again when control asks, because a login was
refused, and with every apply: who corrects a password need not restart anything.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import msgspec

from amonsup import boot
from amonsup.config.files import exposure
from amonsup.config.specs import Backoff, ServiceSpec, SiteSpec
from amonsup.config.xmpp_specs import XmppSpec
from amonsup.loop import channel as channels
from amonsup.loop.channel import Channel, Message
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters.store import Store
from amonsup.supervisor.hearsay import Answered, HasSeen, SessionSays, TurnedAway, WantsSecrets, heard, printable
from amonsup.wire.turned_away import Reason

CONTROL = "control"
LINK = f"link:{CONTROL}"
SEEN = f"seen:{CONTROL}"
LINK_FD = 3
MOST_TOLD = 100
"""Of so many sessions and rooms control may say how they are."""
MOST_ASKED = 20


def control_spec(site: SiteSpec) -> ServiceSpec:
    """Always back, a little later each time: what is on the network may be down for long."""
    return ServiceSpec(
        name=CONTROL,
        description="speaks XMPP",
        command=tuple(boot.command_line(CONTROL, {"run_dir": site.run_dir})),
        user=site.user,
        min_uptime_s=0.0,
        backoff=Backoff(initial_s=0.0, step_s=0.2, max_s=10.0, jitter=0.1, reset_after_s=30.0),
        stop_grace_period_s=5.0,
    )


class ControlLink:
    """The channel to whatever control process is alive. `welcome` takes our end of a new stream.

    `turned_away` gets who was refused, for what, and how often.
    """

    def __init__(
        self,
        loop: Loop,
        store: Store,
        site: Callable[[], SiteSpec],
        welcome: Callable[[socket.socket], None],
        newest: Callable[[], int],
        turned_away: Callable[[str, Reason, int], None],
    ) -> None:
        self.sessions: dict[str, str] = {}  # name -> what control last said of it
        self._loop = loop
        self._store = store
        self._site = site
        self._welcome = welcome
        self._newest = newest
        self._turned_away = turned_away
        self._channel: Channel | None = None
        self._asked: dict[int, Callable[[str], None]] = {}
        self._number = 0

    def resume(self) -> None:
        """A predecessor's control may still be there: it gets a stream to us."""
        fd = self._store.descriptors.get(LINK)
        if fd is not None:
            self._open(socket.socket(fileno=os.dup(fd)))
            self._speak()

    def make(self) -> tuple[tuple[int, int], ...]:
        """A new channel for a control about to be born: its end, and the number it gets."""
        ours, theirs = channels.pair()
        if self._channel is not None:
            self._channel.close()
        self._store.keep(LINK, os.dup(ours.fileno()))
        self._open(ours)
        self._tell_settings()
        self._speak()
        return ((theirs.detach(), LINK_FD),)

    def ask(self, message: Message, then: Callable[[str], None]) -> None:
        """`then` gets what went wrong, or nothing; at once if there is nobody to be asked."""
        if self._channel is None:
            then("control is not running: xmpp: stands in amonsup.yaml?")
        elif len(self._asked) >= MOST_ASKED:
            then("control has too much to do")
        else:
            self._number += 1
            self._asked[self._number] = then
            self._channel.send({**message, "number": self._number})

    def _open(self, sock: socket.socket) -> None:
        self._channel = Channel(self._loop, sock, self._on_message, self._closed)

    def _speak(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        assert self._channel is not None
        self._channel.send({"do": "speak"}, (theirs.fileno(),))
        theirs.close()
        self._welcome(ours)

    def _tell_settings(self) -> None:
        """The settings in a memory file, and a descriptor for each password that can be had."""
        site = self._site()
        assert site.xmpp is not None
        assert self._channel is not None
        fds = [os.memfd_create("settings", os.MFD_CLOEXEC)]
        os.write(fds[0], msgspec.json.encode(site))
        passwords = _open_passwords(site.xmpp, fds)
        self._channel.send({"do": "settings", "passwords": passwords, "seen": self._recall()}, tuple(fds))
        channels.close_all(fds)

    def renew_secrets(self) -> None:
        """The passwords as they are now, to a control that runs."""
        xmpp = self._site().xmpp
        if self._channel is None or xmpp is None:
            return
        fds: list[int] = []
        self._channel.send({"do": "secrets", "passwords": _open_passwords(xmpp, fds)}, tuple(fds))
        channels.close_all(fds)

    def _on_message(self, message: Message, fds: list[int]) -> None:
        channels.close_all(fds)
        if session := heard(message, SessionSays):
            if session.name in self.sessions or len(self.sessions) < MOST_TOLD:
                self.sessions[session.name[:300]] = printable(session.text[:300])
        elif has_seen := heard(message, HasSeen):
            self._remember(min(has_seen.seq, self._newest()))
        elif away := heard(message, TurnedAway):
            self._turned_away(printable(away.by), away.reason, away.count)
        elif heard(message, WantsSecrets):
            self.renew_secrets()
        elif (answer := heard(message, Answered)) and answer.number in self._asked:
            self._asked.pop(answer.number)(answer.text[:300])

    def _remember(self, seq: int) -> None:
        """So far control has dealt with what happened: whoever comes after it, or after us, goes on from there."""
        fd = self._store.descriptors.get(SEEN)
        if fd is None:
            fd = os.memfd_create("seen", os.MFD_CLOEXEC)
            self._store.keep(SEEN, fd)
        os.pwrite(fd, b"%20d" % seq, 0)

    def _recall(self) -> int:
        fd = self._store.descriptors.get(SEEN)
        if fd is None:
            self._remember(self._newest())
            return self._newest()
        return min(int(os.pread(fd, 20, 0)), self._newest())

    def _closed(self) -> None:
        """Control has ended; its pidfd says so too, and a new one will be made."""
        self._channel = None
        self.sessions.clear()
        asked, self._asked = self._asked, {}
        for then in asked.values():
            then("control died over it; amonsup events")
        self._store.drop(LINK)


def _open_passwords(xmpp: XmppSpec, fds: list[int]) -> dict[str, int | str]:
    """Of each session where in `fds` its password is, or why there is none; appends to `fds`."""
    passwords: dict[str, int | str] = {}
    for session in xmpp.sessions:
        fd = open_secret(session.password_file, os.geteuid())
        if isinstance(fd, int):
            passwords[session.name] = len(fds)
            fds.append(fd)
        else:
            passwords[session.name] = fd
    return passwords


def open_secret(path: str, euid: int) -> int | str:
    """A descriptor of a file that only its owner can read, or why it is not to be had."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return f"{path}: {error.strerror}"
    objection = exposure(os.fstat(fd), path, euid)
    if objection:
        os.close(fd)
        return objection
    return fd
