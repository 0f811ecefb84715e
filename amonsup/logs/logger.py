"""The logger: what services write into their FIFOs goes to SERVICE.log, without a copy through this process.

splice(2) moves the bytes inside the kernel. The target must not be opened for appending, so the offset is tracked; it
is the file's size, and only one logger writes at a time (the supervisor starts one only after the one before is
gone). A small splice is followed by a short pause, because a service that writes line by line would otherwise wake us
for each line. Killed at any moment, nothing is lost or doubled: what was not spliced is still in the FIFO.

Lives of one service are taken one after the other: the next life's FIFO is opened for reading only once the one
before is over and empty. Messages: docs/protocol.md, 'Supervisor and logger'.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
from collections import deque

from amonsup.loop.channel import Channel, Message, close_all
from amonsup.loop.loop import READ, Loop

TYPE_CHECKING = False  # see loop/channel.py
if TYPE_CHECKING:
    from typing import Any

LINK_FD = 3
CHUNK = 1 << 20
COALESCE_BELOW = 256 * 1024
PAUSE_S = 0.003
RETRY_S = 1.0


class Life:
    """One FIFO. `is_over`: nobody writes any more, what is in it is all there will be."""

    __slots__ = ("fd", "generation", "is_over")

    def __init__(self, generation: int, fd: int) -> None:
        self.generation = generation
        self.fd = fd
        self.is_over = False


class Stream:
    """One service: its log file and its lives, the first of which is being read."""

    __slots__ = ("file", "is_paused", "lives", "name", "offset")

    def __init__(self, name: str) -> None:
        self.name = name
        self.lives: deque[Life] = deque()
        self.file = -1
        self.offset = 0
        self.is_paused = False


class Logger:
    """Ends when the supervisor's link does."""

    def __init__(self, loop: Loop, link: socket.socket, log_dir: str) -> None:
        self.loop = loop
        self.log_dir = log_dir
        self.streams: dict[str, Stream] = {}
        self.troubles: dict[str, str] = {}
        self.is_leaving = False
        self.channel = Channel(loop, link, self.on_message, self.leave)
        self.channel.send({"do": "hello", "pid": os.getpid()})

    def on_message(self, message: Message, fds: list[int]) -> None:
        kind = message["do"]
        if kind == "capture" and fds:
            self.capture(message["service"], message["generation"], fds.pop(0))
        elif kind == "over":
            self.over(message["service"], message["generation"])
        close_all(fds)

    def capture(self, name: str, generation: int, fd: int) -> None:
        stream = self.streams.get(name)
        if stream is None:
            stream = self.streams[name] = Stream(name)
        if any(life.generation == generation for life in stream.lives):
            os.close(fd)
            return
        stream.lives.append(Life(generation, fd))
        if len(stream.lives) == 1:
            self.listen(stream)

    def over(self, name: str, generation: int) -> None:
        stream = self.streams.get(name)
        if stream is None:
            return
        for life in stream.lives:
            if life.generation == generation:
                life.is_over = True
        if stream.lives and stream.lives[0].is_over:
            self.move(stream)

    def listen(self, stream: Stream) -> None:
        stream.is_paused = False
        self.loop.watch(stream.lives[0].fd, lambda _mask: self.move(stream), READ)

    def pause(self, stream: Stream, seconds: float) -> None:
        if not stream.is_paused:
            stream.is_paused = True
            self.loop.unwatch(stream.lives[0].fd)
            self.loop.call_at(self.loop.now() + seconds, lambda: self.resume(stream))

    def resume(self, stream: Stream) -> None:
        if stream.is_paused and stream.lives:
            stream.is_paused = False
            self.move(stream)

    def move(self, stream: Stream) -> None:
        """One bounded step; then pause, listen, or go on to the next life."""
        life = stream.lives[0]
        try:
            self.open(stream)
            moved = os.splice(life.fd, stream.file, CHUNK, offset_dst=stream.offset, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            moved = 0
        except OSError as error:
            self.trouble(stream, error)
            return
        self.clear_trouble(stream)
        stream.offset += moved
        if moved == 0 and life.is_over:
            self.finish(stream)
        elif moved < COALESCE_BELOW and moved > 0 and not life.is_over:
            self.pause(stream, PAUSE_S)
        elif life.is_over:
            self.loop.call_soon(lambda: self.go_on(stream, life))
        else:
            self.listen(stream)

    def finish(self, stream: Stream) -> None:
        """The first life is drained: say so, and take up the next."""
        life = stream.lives.popleft()
        self.loop.unwatch(life.fd)
        os.close(life.fd)
        self.channel.send({"do": "drained", "service": stream.name, "generation": life.generation})
        stream.is_paused = False
        if stream.lives:
            following = stream.lives[0]
            self.loop.call_soon(lambda: self.go_on(stream, following))
        else:
            del self.streams[stream.name]
            if stream.file >= 0:
                os.close(stream.file)

    def go_on(self, stream: Stream, life: Life) -> None:
        if stream.lives and stream.lives[0] is life:
            self.move(stream)

    def open(self, stream: Stream) -> None:
        """SERVICE.log, never through a symlink. A file that somebody removed or cut is followed."""
        if stream.file >= 0:
            status = os.fstat(stream.file)
            if status.st_nlink > 0 and status.st_size >= stream.offset:
                return
            os.close(stream.file)
            stream.file = -1
        path = os.path.join(self.log_dir, f"{stream.name}.log")
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        stream.file = os.open(path, flags, 0o640)
        stream.offset = os.fstat(stream.file).st_size

    def trouble(self, stream: Stream, error: OSError) -> None:
        """A full disk, a directory that is gone: what is written waits in the FIFO; we look again in a second."""
        text = f"{stream.name}.log: {error.strerror}"
        if self.troubles.get(stream.name) != text:
            self.troubles[stream.name] = text
            self.channel.send({"do": "trouble", "service": stream.name, "text": text})
        stream.is_paused = False
        self.pause(stream, RETRY_S)

    def clear_trouble(self, stream: Stream) -> None:
        if self.troubles.pop(stream.name, None) is not None:
            self.channel.send({"do": "trouble", "service": stream.name, "text": ""})

    def leave(self) -> None:
        """The supervisor is gone for good (its end of the link would be in the descriptor store otherwise)."""
        self.is_leaving = True
        self.loop.stop()


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
