"""What of the logger concerns watch rules and the services' own files; loaded once there is either.

It takes the supervisor's messages about them, and hears of every log that has grown.
"""

from __future__ import annotations

from amonsup.logs.log_source import LogSource
from amonsup.logs.settings import NEVER
from amonsup.logs.tails import Tails
from amonsup.logs.watches import Watches
from amonsup.logs.watching import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amonsup.loop.channel import Message
    from amonsup.loop.loop import Loop

STAMP = len("2026-11-23T15:04:05.123Z ")
"""What `timestamps: true` puts in front of each line."""


class Lookout:
    """One a logger. `send` goes to the supervisor."""

    def __init__(self, loop: Loop, log_dir: str, send: Callable[[Message, tuple[int, ...]], None]) -> None:
        self._log_dir = log_dir
        self._send = send
        self._said: dict[str, str] = {}
        self._watches = Watches(loop, log_dir, lambda message: send(message, ()), self._complain)
        self._tails = Tails(loop, log_dir, self._watches, send, self._complain)

    def on_message(self, message: Message, fds: list[int]) -> None:
        """A message of the supervisor that is for us. Descriptors that are kept are taken out of `fds`."""
        kind = message["do"]
        if kind == "watch":
            self._watch(message)
        elif kind == "matched":
            self._watches.acknowledged(message["log"], message["number"])
        elif kind == "follow":
            rotate = message.get("rotate", NEVER)
            by = message.get("by", "")
            self._tails.follow(message["service"], message["files"], message["max_size"], rotate, by)
        elif kind == "files":
            self._tails.found(message, fds)
        elif kind == "was-cut":
            self._tails.was_cut(message, fds)

    def grown(self, log: str, _start: int, _end: int) -> None:
        self._watches.grown(log)

    def began(self, service: str, generation: int) -> None:
        self._tails.began(service, generation)

    def life_over(self, log: str) -> None:
        """All that a life has written to this log is in it."""
        self._watches.life_over(log)

    def rotate(self, service: str) -> None:
        """The files that the service writes by itself."""
        self._tails.rotate(service)

    def _watch(self, message: Message) -> None:
        service = message["service"]
        rules = [Rule(*each) for each in message["rules"]]
        logs = [f"{service}.log", f"{service}.err.log"]
        wanted = logs if message["separate"] else logs[:1]
        skip = STAMP if message["stamped"] else 0
        for log in logs:
            if rules and log in wanted:
                self._watches.begin(service, log, rules, LogSource(self._log_dir, log), skip)
            else:
                self._watches.end(log)
        self._tails.set_rules(service, rules)

    def _complain(self, service: str, text: str) -> None:
        """Said once, until something else is said."""
        if self._said.get(service) != text:
            self._said[service] = text
            self._send({"do": "remark", "service": service, "text": text[:1000]}, ())
