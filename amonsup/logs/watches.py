"""Watch rules at work in the logger: each log that has rules is read behind its writer, and every match is told once.

For each such log there is a *record* on disk, one small write(2) that no kill can tear: how far lines were judged,
what was suppressed so far, and the one message that the supervisor has not acknowledged yet. A match is written
there first, then told, and the next line is judged only once it is acknowledged. So whoever of us dies, a successor
either tells the same message again under the same number (the supervisor knows the last number of each log and drops
what it has seen) or judges the same lines again. What is judged twice is counted once, because nothing that is not
on record has been told.
"""

from __future__ import annotations

import os

from amonsup.config.watch_rules import PatternError
from amonsup.logs.watched import Watched, decode, encode
from amonsup.logs.watching import CHUNK, Hit, Matcher, Rule, Throttle, printable, readable
from amonsup.loop.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amonsup.logs.watched import Source
    from amonsup.loop.channel import Message

CHUNKS_PER_TURN = 4
SAVE_EVERY = 1 << 20
LATE_S = 1.0
"""How long the rest of a traceback is waited for."""

RECORD_DIR = ".watch"


class Watches:
    """All logs with rules. `send` tells the supervisor; `complain(service, text)` says what is wrong with a watch."""

    def __init__(
        self, loop: Loop, directory: str, send: Callable[[Message], None], complain: Callable[[str, str], None]
    ) -> None:
        self._loop = loop
        self._directory = os.path.join(directory, RECORD_DIR)
        self._send = send
        self._complain = complain
        self._watched: dict[str, Watched] = {}
        self._matchers: dict[tuple[object, ...], Matcher] = {}

    def __contains__(self, log: str) -> bool:
        return log in self._watched

    def begin(
        self,
        service: str,
        log: str,
        rules: list[Rule],
        source: Source,
        skip: int = 0,
        start: int | None = None,
        path: str = "",
    ) -> None:
        """From where a predecessor was, otherwise from `start`, or from now on. Changed rules apply from there on.

        `path` is how people know the log, if not by its name.
        """
        old = self._watched.get(log)
        if old is not None:
            old.source.close()
            old.source = source
            self._renew(old, rules, skip)
            if old.pending is not None:
                self._send(old.pending)  # a supervisor that died may have taken the first one with it
            return
        matcher = self._matcher(service, rules, skip)
        if matcher is None:
            source.close()
            return
        try:
            watched = self._open(service, log, matcher, source, start)
            watched.path = path
        except OSError as error:
            source.close()
            self._complain(service, f"{log} is not watched: {error.strerror}")
            return
        self._watched[log] = watched
        if watched.pending is not None:
            self._send(watched.pending)
        self.grown(log)

    def end(self, log: str) -> None:
        """The log has no rules any more."""
        watched = self._watched.pop(log, None)
        if watched is not None:
            self._let_go(watched)
        try:
            os.unlink(os.path.join(self._directory, log))
        except OSError:
            pass

    def leave(self, log: str) -> None:
        """Nobody writes there for the time being; the record stays."""
        watched = self._watched.pop(log, None)
        if watched is not None:
            self._save(watched)
            self._let_go(watched)

    def grown(self, log: str) -> None:
        """There is something new, or may be."""
        watched = self._watched.get(log)
        if watched is not None and not watched.is_due and watched.pending is None:
            watched.is_due = True
            self._loop.call_soon(lambda: self._step(watched))

    def life_over(self, log: str) -> None:
        """The last line of a life counts, also without an end: whatever comes next is another's."""
        watched = self._watched.get(log)
        if watched is not None:
            watched.final_at = watched.source.end()
            self.grown(log)

    def acknowledged(self, log: str, number: int) -> None:
        """The supervisor has taken in the message."""
        watched = self._watched.get(log)
        if watched is None or watched.pending is None or watched.pending["number"] != number:
            return
        watched.pending = None
        self._save(watched)
        self._step(watched)

    def position(self, log: str) -> int | None:
        """How far the log was judged; None if it is not."""
        watched = self._watched.get(log)
        return watched.position if watched is not None else None

    def put_down(self, log: str) -> bool:
        """See that it is on record how far the log was judged. False: it could not be written."""
        watched = self._watched.get(log)
        return watched is None or watched.saved == watched.position or self._save(watched)

    def is_through(self, log: str) -> bool:
        """Whether there is nothing left to be judged or told."""
        watched = self._watched.get(log)
        return watched is None or (watched.pending is None and watched.position >= watched.source.end())

    def recorded_position(self, log: str) -> int | None:
        """How far a log was judged that is not watched at the moment."""
        try:
            fd = os.open(os.path.join(self._directory, log), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            record = decode(os.pread(fd, 65536, 0))
        finally:
            os.close(fd)
        return record["position"] if record is not None else None

    # -- judging --

    def _step(self, watched: Watched, *, is_late: bool = False) -> None:
        """A bounded amount of lines; then once more, or until the log grows, or an acknowledgement comes."""
        watched.is_due = False
        if watched.pending is not None or self._watched.get(watched.log) is not watched:
            return
        for _ in range(CHUNKS_PER_TURN):
            is_more = self._judge_chunk(watched, is_late)
            if watched.pending is not None:
                return
            if not is_more:
                break
        else:
            self.grown(watched.log)
            return
        self._say_suppressed(watched)
        if watched.pending is None:
            self._arm(watched)

    def _judge_chunk(self, watched: Watched, is_late: bool) -> bool:
        """Judge what there is, up to the first line that is to be told. False: there is nothing (whole) to judge."""
        left = watched.final_at - watched.position
        try:
            position, chunk = watched.source.read(watched.position, min(CHUNK, left) if left > 0 else CHUNK)
        except OSError as error:
            self._complain(watched.service, f"{watched.log} is not watched: {error.strerror}")
            return False
        if position > watched.position:
            gone = position - watched.position
            self._complain(watched.service, f"{gone} bytes of {watched.log} were gone before they could be watched")
            watched.position = position
        if not chunk:
            return False
        is_final = position + len(chunk) == watched.final_at
        text = readable(chunk)
        at = 0
        while True:
            found = watched.matcher.judge(text, at, is_final=is_final, is_late=is_late)
            if not isinstance(found, Hit):
                break
            at = found.end
            if self._matched(watched, position, found):
                return True
        is_waiting = found < text.rfind(b"\n") + 1
        watched.position = position + found
        if watched.position - watched.saved >= SAVE_EVERY:
            self._save(watched)
        if is_waiting:
            self._arm(watched, late=True)
            return False
        return found > 0 and (len(chunk) == CHUNK or is_final)

    def _matched(self, watched: Watched, position: int, hit: Hit) -> bool:
        """Count the match; tell it, if the rule may speak. True: it is being told."""
        now = self._loop.now()
        told, counts = [], []
        for key in hit.keys:
            before = watched.throttles[key].matched(now, hit.text)
            if before >= 0:
                told.append(key)
                counts.append(before)
        watched.position = position + hit.end
        if not told:
            return False
        self._tell(watched, told, counts, hit.text, position + hit.start, is_late=False)
        return True

    def _say_suppressed(self, watched: Watched) -> None:
        """The time of `every` is over for a rule that has suppressed something."""
        now = self._loop.now()
        for key, throttle in watched.throttles.items():
            summary = throttle.summary(now)
            if summary is not None:
                self._tell(watched, [key], [summary[1]], summary[0], watched.position, is_late=True)
                return

    def _tell(
        self, watched: Watched, keys: list[str], counts: list[int], text: bytes, position: int, *, is_late: bool
    ) -> None:
        watched.number += 1
        watched.pending = {
            "do": "match",
            "service": watched.service,
            "log": watched.log,
            "path": watched.path,
            "epoch": watched.epoch,
            "number": watched.number,
            "position": position,
            "generation": 0 if is_late else watched.source.generation(position),
            "rules": keys,
            "suppressed": counts,
            "late": is_late,
            "text": printable(text),
        }
        if self._save(watched):
            self._send(watched.pending)
        else:
            # It must be on record before it is told. Nothing is judged until there is room again.
            self._loop.call_at(self._loop.now() + LATE_S, lambda: self._tell_again(watched))

    def _tell_again(self, watched: Watched) -> None:
        if self._watched.get(watched.log) is not watched or watched.pending is None:
            return
        if self._save(watched):
            self._send(watched.pending)
        else:
            self._loop.call_at(self._loop.now() + LATE_S, lambda: self._tell_again(watched))

    def _arm(self, watched: Watched, *, late: bool = False) -> None:
        """One timer a log, and only while something is suppressed or the rest of a traceback is awaited."""
        due = [at for at in (throttle.due() for throttle in watched.throttles.values()) if at]
        if late:
            due.append(self._loop.now() + LATE_S)
        if not due:
            return
        at = min(due)
        if watched.timer is not None and watched.timer.callback is not None:
            if self._loop.now() < watched.timer_at <= at:
                return
            watched.timer.cancel()
        watched.timer_at = at
        watched.timer = self._loop.call_at(at, lambda: self._step(watched, is_late=True))

    # -- the record --

    def _open(self, service: str, log: str, matcher: Matcher, source: Source, start: int | None) -> Watched:
        os.makedirs(self._directory, 0o700, exist_ok=True)
        path = os.path.join(self._directory, log)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        watched = Watched(service, log, matcher, source, fd)
        record = decode(os.pread(fd, 65536, 0))
        if record is None:
            watched.position = source.end() if start is None else start
            self._save(watched)
            return watched
        watched.epoch, watched.number, watched.position, watched.pending = (
            record[key] for key in ("epoch", "number", "position", "pending")
        )
        watched.saved = watched.position
        for key, saved in record["throttles"].items():
            if key in watched.throttles:
                watched.throttles[key].restore(saved)
        return watched

    def _save(self, watched: Watched) -> bool:
        record = {
            "epoch": watched.epoch,
            "number": watched.number,
            "position": watched.position,
            "throttles": {key: each.as_list() for key, each in watched.throttles.items() if each.said},
            "pending": watched.pending,
        }
        try:
            os.pwrite(watched.fd, encode(record), 0)
        except OSError as error:
            self._complain(watched.service, f"{watched.log}: the watch cannot be recorded: {error.strerror}")
            return False
        watched.saved = watched.position
        return True

    def _renew(self, watched: Watched, rules: list[Rule], skip: int) -> None:
        matcher = self._matcher(watched.service, rules, skip)
        if matcher is None or matcher is watched.matcher:
            return
        watched.matcher = matcher
        kept = watched.throttles
        watched.throttles = {rule.key: Throttle(rule) for rule in matcher.rules}
        for key, throttle in watched.throttles.items():
            if key in kept:
                throttle.restore(kept[key].as_list())
        self._save(watched)
        self.grown(watched.log)

    def _matcher(self, service: str, rules: list[Rule], skip: int) -> Matcher | None:
        """Compiled once for all logs with the same rules."""
        name = (skip, *(tuple(rule.as_list()) for rule in rules))
        if name not in self._matchers:
            try:
                self._matchers[name] = Matcher(rules, skip)
            except (PatternError, ImportError) as error:
                self._complain(service, f"its logs are not watched: {error}")
                return None
        return self._matchers[name]

    @staticmethod
    def _let_go(watched: Watched) -> None:
        if watched.timer is not None:
            watched.timer.cancel()
        watched.source.close()
        os.close(watched.fd)
