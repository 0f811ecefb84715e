"""Watch rules, the supervisor's side: which log is watched for what, and what a match of the logger's does.

The logger is believed in that a line matches, and in nothing else: what happens then stands in the applied
configuration, it happens to the service that the log belongs to, and at a bounded rate.

Exactly once. The logger tells of one match a log at a time, under a number that never comes again (`epoch.number`),
and goes on only once it is acknowledged; unacknowledged it is told again, also to a successor. Here the last number
of each log decides whether a match is new. It stands in the journal of events, in the very entry that tells the
match, so it is on disk exactly if the match is; it is looked up there (two files of 2 MiB) when the first match
comes. A restart is ordered before that entry is written: told again after a death, it names a life that is already
on its way down or over, and does nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import msgspec

from amonsup.config.specs import ServiceSpec, WatchRule
from amonsup.config.watch_rules import SETS
from amonsup.loop.channel import Message
from amonsup.loop.loop import Loop
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.hearsay import Remark, Told, heard
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.tidings import Match, Tidings

RATE = 50.0
BURST = 200.0
"""Matches a second that are taken in, over all logs. The logger waits meanwhile, and counts."""

MOST_WAITING = 10_000
MAX_TEXT = 500
MAX_RULE = 100

Send = Callable[[Message, tuple[int, ...]], None]


def key_of(rule: WatchRule) -> str:
    """How the rule is called between us and the logger."""
    return f"{zlib.crc32(rule.name.encode('utf-8', 'replace')):08x}"


def rules_of(spec: ServiceSpec) -> list[list[object]]:
    """The service's rules as the logger gets them: key, pattern, seconds, whether the indented rest belongs to it."""
    found: list[list[object]] = []
    for rule in spec.logging.watch:
        pattern, is_block = SETS.get(rule.builtin, (rule.match, False))
        found.append([key_of(rule), pattern, rule.every_s, is_block])
    return found


class Matches:
    """What is watched for, and what was found; a companion of the logger's link."""

    kinds = frozenset({"match", "remark"})

    def __init__(self, loop: Loop, fleet: Fleet, tidings: Tidings, post: Callable[[ev.AnyEvent], None]) -> None:
        self._loop = loop
        self._fleet = fleet
        self._tidings = tidings
        self._post = post
        self._send: Send | None = None
        self._seen: dict[str, int] | None = None  # epoch (a log's) to its last number
        self._waiting: dict[str, Told] = {}
        self._tokens = BURST
        self._filled = loop.now()
        self._is_armed = False
        self._complained: set[str] = set()

    # -- what is watched for --

    def connect(self, send: Send) -> None:
        """A logger is there. It tells again what was not acknowledged."""
        self._send = send
        for spec in self._fleet.specs.values():
            if spec.logging.watch:
                self._announce(spec)

    def disconnect(self) -> None:
        self._send = None

    def configured(self, before: dict[str, ServiceSpec]) -> None:
        """After an apply: rules that have changed, or gone."""
        for spec in self._fleet.specs.values():
            old = before.get(spec.name)
            if spec.logging != (old.logging if old is not None else None) and (
                spec.logging.watch or (old is not None and old.logging.watch)
            ):
                self._announce(spec)

    def forget(self, name: str) -> None:
        """The service is no longer configured."""
        if self._send is not None:
            self._send({"do": "watch", "service": name, "rules": [], "stamped": False, "separate": False}, ())

    def _announce(self, spec: ServiceSpec) -> None:
        if self._send is None:
            return
        message = {
            "do": "watch",
            "service": spec.name,
            "rules": rules_of(spec),
            "stamped": spec.logging.timestamps,
            "separate": spec.logging.stderr == "separate",
        }
        self._send(message, ())

    # -- what was found --

    def told(self, message: Message, _fds: list[int]) -> None:
        """The logger says that a line matches. Whatever is wrong with that is said once, and ignored."""
        if remark := heard(message, Remark):
            self._remark(remark)
            return
        told = heard(message, Told)
        if told is None or not self._is_credible(told):
            self._complain("the logger told of a match that is none")
            return
        if told.log not in self._waiting and len(self._waiting) < MOST_WAITING:
            self._waiting[told.log] = msgspec.structs.replace(told, text=told.text[:MAX_TEXT])
            self._serve()

    def _is_credible(self, told: Told) -> bool:
        """Of a service that is there, and of a log of its own. It is kept in mind and in the journal, so: printable."""
        is_own = told.log.startswith(f"{told.service}.") and told.service in self._fleet.specs
        return is_own and len(told.rules) == len(told.suppressed) and f"{told.log}{told.epoch}".isprintable()

    def _serve(self) -> None:
        now = self._loop.now()
        self._tokens = min(BURST, self._tokens + (now - self._filled) * RATE)
        self._filled = now
        while self._waiting and self._tokens >= 1:
            self._tokens -= 1
            self._take(self._waiting.pop(next(iter(self._waiting))))
        if self._waiting and not self._is_armed:
            self._is_armed = True
            self._loop.call_at(now + 1 / RATE, self._serve_again)

    def _serve_again(self) -> None:
        self._is_armed = False
        self._serve()

    def _take(self, told: Told) -> None:
        if self._is_new(told):
            rules = self._rules(told)
            restart = next((rule for rule, _ in rules if rule.then == "restart"), None)
            if restart is not None and not told.late:
                why = f"watch rule {_short(restart.name)}: {_printable(told.text)}"
                self._post(ev.Condemned(name=told.service, generation=told.generation, why=why))
            self._tidings.matched(_match(told, rule, suppressed) for rule, suppressed in rules)
            assert self._seen is not None
            self._seen[told.epoch] = told.number
        if self._send is not None:
            self._send({"do": "matched", "log": told.log, "number": told.number}, ())

    def _is_new(self, told: Told) -> bool:
        if self._seen is None:
            self._seen = self._tidings.last_matches()
        return told.number > self._seen.get(told.epoch, 0)

    def _rules(self, told: Told) -> list[tuple[WatchRule, int]]:
        """The rules that the applied configuration has; the logger may speak of no other."""
        spec = self._fleet.specs.get(told.service)
        known = {key_of(rule): rule for rule in spec.logging.watch} if spec is not None else {}
        found = []
        for key, suppressed in zip(told.rules, told.suppressed, strict=True):
            if key in known:
                found.append((known[key], max(0, suppressed)))
            else:
                self._complain(f"a match of a rule that is not configured was ignored ({_printable(told.service)})")
        return found

    def _remark(self, remark: Remark) -> None:
        """Something is wrong with a watch, or with a file that the service writes."""
        if remark.service in self._fleet.specs:
            self._tidings.say("log-remark", f"{remark.service}: {_printable(remark.text)}")

    def _complain(self, text: str) -> None:
        if text not in self._complained and len(self._complained) < 100:
            self._complained.add(text)
            self._tidings.say("watch-ignored", text)


def _match(told: Told, rule: WatchRule, suppressed: int) -> Match:
    return Match(
        kind="alert" if rule.then == "alert" else "watch",
        service=told.service,
        rule=_short(rule.name),
        text=_printable(told.text),
        generation=told.generation,
        suppressed=suppressed,
        cursor=f"{_printable(told.path) or told.log}@{told.position}",
        name=f"{told.epoch}.{told.number}",
    )


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_TEXT])


def _short(name: str) -> str:
    shown = _printable(name[:MAX_RULE])
    return shown if len(name) <= MAX_RULE else shown[:-1] + "…"
