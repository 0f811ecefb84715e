"""The prober: checks that go over the network, made for the supervisor by a process without privileges.

It is asked over its link, one message a check, and answers each with one verdict. It knows nothing of services but
the names it is to repeat, keeps nothing, and may die at any time: what it was at is asked again. A kind of check is a
class of one file here that begins when it is made, calls `done` at most once, and can be cancelled.
"""

from __future__ import annotations

import socket

from amonsup.loop.channel import Channel, Message, close_all
from amonsup.loop.loop import Loop
from amonsup.prober.http import HttpProbe
from amonsup.prober.names import Names
from amonsup.prober.tcp import TcpProbe

LINK_FD = 3
MOST = 256
"""Checks at a time; more than that wait, and their time has not begun."""


KINDS: dict[str, type[TcpProbe] | type[HttpProbe]] = {"tcp": TcpProbe, "http": HttpProbe}


class Prober:
    """Ends when the supervisor's link does."""

    def __init__(self, loop: Loop, link: socket.socket) -> None:
        self.loop = loop
        self.names = Names(loop)
        self.channel = Channel(loop, link, self.on_message, loop.stop)
        self.under_way = 0
        self.waiting: list[Message] = []

    def on_message(self, message: Message, fds: list[int]) -> None:
        close_all(fds)
        if message["do"] == "probe":
            self.waiting.append(message)
            self.begin()

    def begin(self) -> None:
        while self.waiting and self.under_way < MOST:
            self.under_way += 1
            Check(self, self.waiting.pop(0))


class Check:
    """One check, from its message to its verdict."""

    def __init__(self, prober: Prober, message: Message) -> None:
        self.prober = prober
        self.message = message
        self.is_over = False
        self.timer = prober.loop.call_at(prober.loop.now() + message["timeout_s"], self.late)
        self.probe: TcpProbe | HttpProbe = KINDS[message["kind"]](
            prober.loop, prober.names, message["target"], self.done
        )

    def late(self) -> None:
        failure = f"{self.probe.late()} within {self.message['timeout_s']:g} s"
        self.probe.cancel()
        self.done(failure, "")

    def done(self, failure: str, output: str) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.timer.cancel()
        asked = self.message
        verdict = {"do": "verdict", "service": asked["service"], "token": asked["token"]}
        self.prober.channel.send({**verdict, "failure": failure, "output": output})
        self.prober.under_way -= 1
        self.prober.loop.call_soon(self.prober.begin)


def main(_options: dict[str, object]) -> int:
    loop = Loop()
    Prober(loop, socket.socket(fileno=LINK_FD))
    loop.run()
    return 0
