"""The logger: what services write into their FIFOs goes to SERVICE.log, without a copy through this process.

This file wires. A *stream* (stream.py) is one log with the lives that write to it; its *sink* (sink.py) is the file,
its place in the log and its rotation; a *spool* (spool.py) is in between where lines are stamped, the *transfer* pipe
(transfer.py) in a flood; the *packer* (packing.py) compresses what was rotated. splice(2) moves the bytes inside the
kernel, and only one logger writes at a time (the supervisor starts one only after the one before is gone), so the
file's size is the offset. Killed at any moment, nothing is lost or doubled: what was not moved is still in the FIFO, or
in the transfer pipe.

The *lookout* (lookout.py) reads along where there are watch rules, and follows the files that services write by
themselves; it is loaded, and hears of what was written, only once there is something for it to do.

Messages: docs/protocol.md, 'Supervisor and logger'.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import time

from amonsup.logbook import names
from amonsup.logs.life import Life
from amonsup.logs.packing import Packer
from amonsup.logs.settings import Settings, settings_of
from amonsup.logs.stream import Stream
from amonsup.loop.channel import Channel, Message, close_all
from amonsup.loop.loop import Loop

TYPE_CHECKING = False  # see loop/channel.py
if TYPE_CHECKING:
    from typing import Any

    from amonsup.logs.lookout import Lookout
    from amonsup.logs.transfer import Transfer

LINK_FD = 3
LISTING_S = 1.0
ASKS_AGAIN_S = 1.0
FOR_LOOKOUT = frozenset({"watch", "matched", "follow", "files", "was-cut"})


class Logger:
    """Ends when the supervisor's link does."""

    def __init__(self, loop: Loop, link: socket.socket, log_dir: str) -> None:
        self.loop = loop
        self.log_dir = log_dir
        self.wall = time.time
        self.null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self.streams: dict[str, Stream] = {}
        self.lookout: Lookout | None = None
        self.transfer: Transfer | None = None
        self._asked_at = -ASKS_AGAIN_S
        self.packer = Packer(loop, log_dir, self._pack_report)
        self._pack_troubles: set[str] = set()
        self._files: dict[str, list[str] | None] | None = None
        self.channel = Channel(loop, link, self.on_message, self.leave)
        self.channel.send({"do": "hello", "pid": os.getpid()})

    def on_message(self, message: Message, fds: list[int]) -> None:
        kind = message["do"]
        if kind == "capture" and fds:
            self._capture(message, fds.pop(0))
        elif kind == "over":
            stream = self.streams.get(_log_of(message))
            if stream is not None:
                stream.over(message["generation"])
        elif kind == "settings":
            self._set(message["service"], settings_of(message["settings"]))
        elif kind in ("rotate", "reopen"):
            self._commanded(kind, message)
        elif kind == "transfer" and self.transfer is None and len(fds) > 1:
            from amonsup.logs.transfer import Transfer

            self.transfer = Transfer(fds.pop(0), fds.pop(0))
        elif kind in FOR_LOOKOUT:
            self._lookout().on_message(message, fds)
        close_all(fds)

    def leave(self) -> None:
        """The supervisor is gone for good (its end of the link would be in the descriptor store otherwise), and with
        the guardian whoever held the transfer pipe."""
        stream = self.streams.get(self.transfer.log) if self.transfer is not None else None
        if stream is not None:
            stream.pour_out()
        self.transfer = None  # some steps may be under way
        self.packer.stop()
        self.loop.stop()

    # -- what the supervisor tells --

    def _capture(self, message: Message, fd: int) -> None:
        service, log = message["service"], _log_of(message)
        self._set(service, settings_of(message.get("settings", {})))
        stream = self.streams.get(log)
        if stream is None:
            stream = self.streams[log] = self._stream(service, log, settings_of(message.get("settings", {})))
        if self.lookout is not None:
            self.lookout.began(service, message["generation"])
        stream.capture(Life(message["generation"], int(message.get("instance", "0"), 16), fd))

    def _set(self, service: str, settings: Settings) -> None:
        for log in (names.log_name(service), names.log_name(service, is_stderr=True)):
            stream = self.streams.get(log)
            if stream is not None and stream.settings is not settings:
                stream.set(settings)

    def _lookout(self) -> Lookout:
        """From now on it hears of everything that is written."""
        if self.lookout is None:
            from amonsup.logs.lookout import Lookout

            self.lookout = Lookout(self.loop, self.log_dir, self.channel.send)
            for stream in self.streams.values():
                stream.on_grown = self.lookout.grown
        return self.lookout

    def _commanded(self, verb: str, message: Message) -> None:
        """rotate or reopen of a service's logs; a service may be down, its files are there all the same."""
        service, text = message["service"], ""
        settings = settings_of(message["settings"])
        for log in (names.log_name(service), names.log_name(service, is_stderr=True)):
            stream = self.streams.get(log)
            if stream is not None and verb == "reopen":
                stream.reopen()
            if verb == "rotate" and (stream is not None or os.path.lexists(os.path.join(self.log_dir, log))):
                text = text or self._rotate(stream or self._stream(service, log, settings))
        if self.lookout is not None and verb == "rotate":
            self.lookout.rotate(service)
        self.channel.send({"do": "done", "id": message["id"], "service": service, "text": text})

    def _rotate(self, stream: Stream) -> str:
        try:
            stream.rotate()
        except OSError as error:
            return f"{stream.log}: {error.strerror}"
        finally:
            if not stream.lives:
                stream.close()
        return ""

    def _stream(self, service: str, log: str, settings: Settings) -> Stream:
        stream = Stream(self, service, log, settings)
        if self.lookout is not None:
            stream.on_grown = self.lookout.grown
        return stream

    # -- what streams tell --

    def listing(self, log: str) -> list[str] | None:
        """The names of this log's files, out of a listing of the whole directory that is at most a second old.

        When a site comes up, each log would otherwise read the directory for itself. None: read it. Raises OSError.
        """
        if self._files is None:
            files: dict[str, list[str]] = {}
            for entry in os.listdir(self.log_dir):
                files.setdefault(entry[: entry.find(".log") + 4], []).append(entry)
            self._files = dict(files)
            self.loop.call_at(self.loop.now() + LISTING_S, self._forget_listing)
        found = self._files.get(log, [])
        self._files[log] = None  # from now on we change them
        return found

    def _forget_listing(self) -> None:
        self._files = None

    def flooded(self) -> None:
        """A service floods and there is no transfer pipe yet. (A supervisor may die over the question.)"""
        if self.loop.now() >= self._asked_at + ASKS_AGAIN_S:
            self._asked_at = self.loop.now()
            self.channel.send({"do": "transfer"})

    def drained(self, stream: Stream, generation: int) -> None:
        if self.lookout is not None:
            self.lookout.life_over(stream.log)
        self.channel.send(self._about(stream, {"do": "drained", "generation": generation}))

    def troubled(self, stream: Stream, text: str, dropped: int) -> None:
        means = "; its output is dropped" if stream.settings.drops else "; its output waits"
        message = {"do": "trouble", "log": stream.log, "text": text, "dropped": dropped, "means": means}
        self.channel.send(self._about(stream, message))

    def rotated(self, stream: Stream) -> None:
        if stream.settings.compress:
            self.packer.ask(stream.log)

    def ended(self, stream: Stream) -> None:
        if self.streams.get(stream.log) is stream:
            del self.streams[stream.log]

    def _about(self, stream: Stream, message: Message) -> Message:
        message["service"] = stream.service
        if stream.log != names.log_name(stream.service):
            message["is_stderr"] = True
        return message

    def _pack_report(self, log: str, text: str) -> None:
        """Compression fails or works again; it is in nobody's way."""
        if not text and log not in self._pack_troubles:
            return
        (self._pack_troubles.add if text else self._pack_troubles.discard)(log)
        about = {"do": "trouble", "service": names.service_of(log), "log": f"{log}.gz", "text": text, "dropped": 0}
        self.channel.send(about)


def _log_of(message: Message) -> str:
    return names.log_name(message["service"], is_stderr=message.get("is_stderr", False))


def main(options: dict[str, Any]) -> int:
    """options: log_dir."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.umask(0o027)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(LINK_FD, False)
    loop = Loop()
    Logger(loop, socket.socket(fileno=LINK_FD), options["log_dir"])
    loop.run()
    return 0
