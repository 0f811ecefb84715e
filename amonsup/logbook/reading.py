"""Reading logs: what is asked for, carried out. A query goes in, items come out: lines, notes, progress.

For every log of the services asked for: which part of it is meant (span), its bytes in blocks of whole lines (tape),
of these what matches (grepping), cut and labelled where somebody wants to know when and by whom (span), merged by time
with the other logs (merging). Who follows goes on with what is written from then on (tail), woken by the kernel.

This runs wherever somebody may read the files: in the client, or in a reader process that the supervisor starts for a
client who may not (logs/reader.py). Either says what `wait` does.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from amonsup.logbook import moments, names, span
from amonsup.logbook.grepping import Grep
from amonsup.logbook.merging import merged
from amonsup.logbook.patterns import Pattern, PatternError
from amonsup.logbook.pieces import Item, Note, Piece, ReadError, Scanned, parse_cursors
from amonsup.logbook.span import Labels
from amonsup.logbook.tape import Tape, open_tape

LINES_WHEN_FOLLOWING = 10
MOST_CONTEXT = 1000


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What the verb `logs` asks; texts as people write them (docs/operations.md, 'Reading logs').

    `lines` -1: all, or the last few for who follows. `is_labelled`: `at` and `life` of pieces are wanted. `file`: not
    what was captured, but what the service writes into such files of its own.
    """

    services: tuple[str, ...]
    stream: str = ""
    file: str = ""
    follow: bool = False
    lines: int = -1
    since: str = ""
    until: str = ""
    life: str = ""
    grep: str = ""
    ignore_case: bool = False
    context: int = 0
    before_context: int = 0
    after_context: int = 0
    cursor: str = ""
    is_labelled: bool = False


class Source:
    """One log of a reading."""

    def __init__(self, tape: Tape, labels: bool) -> None:
        self.tape = tape
        self.labels = span.Labels(tape.log, tape.marks)
        self.is_labelled = labels
        self.start, self.end = tape.start, tape.end
        self.position = self.start  # what comes next
        self.grep: Grep | None = None


Label = Callable[[Source, Labels, int, bytes], Iterator[Piece]]


class Shelf(Protocol):
    """Where the logs of a service are to be found, and how one goes on with them."""

    def tapes(self, service: str, stream: str) -> Sequence[Tape]:
        """They are closed by whoever asked. Raises ReadError."""

    def position(self, tape: Tape, cursors: dict[str, int]) -> int | None:
        """Where a cursor leads to; None if there is none for this log."""

    def followed(
        self, sources: list[Source], label: Label, wait: Callable[[int], bool], wall: Callable[[], float]
    ) -> Iterator[Item]:
        """Items for ever, or until `wait` says that it is enough."""


class Captured:
    """What the logger has captured: the files in `log_dir`."""

    def __init__(self, log_dir: str) -> None:
        self._log_dir = log_dir

    def tapes(self, service: str, stream: str) -> list[Tape]:
        streams = [is_stderr for is_stderr in (False, True) if stream in ("", "err" if is_stderr else "out")]
        return [open_tape(self._log_dir, names.log_name(service, is_stderr=is_stderr)) for is_stderr in streams]

    def position(self, tape: Tape, cursors: dict[str, int]) -> int | None:
        return cursors.get(tape.log)

    def followed(
        self, sources: list[Source], label: Label, wait: Callable[[int], bool], wall: Callable[[], float]
    ) -> Iterator[Item]:
        from amonsup.logbook.following import followed

        return followed(self._log_dir, sources, label, wait, wall)


class Reading:
    """Raises ReadError for what cannot be asked. Close it."""

    def __init__(self, shelf: Shelf, query: Query, now: datetime.datetime) -> None:
        self._shelf = shelf
        self._query = query
        self._pattern = _pattern(query)
        since, until = _moment("since", query.since, now), _moment("until", query.until, now)
        cursors = parse_cursors(query.cursor) if query.cursor else {}
        _check(query)
        self.sources: list[Source] = []
        try:
            for service in query.services:
                self.sources += self._open(service)
            for source in self.sources:
                self._limit(source, since, until, cursors)
            if query.life:
                self._limit_to_life()
            for source in self.sources:
                self._shorten(source)
        except ReadError:
            self.close()
            raise

    def close(self) -> None:
        for source in self.sources:
            source.tape.close()

    def items(self, wait: Callable[[int], bool] | None = None, wall: Callable[[], float] = time.time) -> Iterator[Item]:
        """Everything asked for. `wait(fd)` returns once the descriptor is readable; False: it is enough."""
        yield from self._absences()
        yield from merged([self._history(source) for source in self.sources])
        if self._query.follow and wait is not None:
            yield from self._shelf.followed(self.sources, self.label, wait, wall)

    def label(self, source: Source, labels: span.Labels, position: int, data: bytes) -> Iterator[Piece]:
        """What is to be shown of a block."""
        for begin, lines in span.cut_at_lives(labels.life_starts, position, data):
            runs = source.grep.feed(begin, lines) if source.grep is not None else [(begin, lines, False)]
            for at, shown, is_context in runs:
                if source.is_labelled:
                    yield from labels.pieces(at, shown, is_context)
                else:
                    yield Piece(source.tape.log, at, shown, is_context=is_context)

    # -- what is meant --

    def _absences(self) -> Iterator[Item]:
        """Of whom stderr was asked that has no log of it: no line would look as if it had been silent."""
        if self._query.stream == "err" and not self._query.file:
            for source in self.sources:
                if not source.tape.parts:
                    service = names.service_of(source.tape.log)
                    yield Note(
                        f"{service}: no log of stderr; unless it has `stderr: separate` that stands in its one log"
                    )

    def _open(self, service: str) -> list[Source]:
        tapes = self._shelf.tapes(service, self._query.stream)
        # Several logs are ordered by time, so it must be known.
        are_many = len(self._query.services) > 1 or sum(bool(tape.parts) for tape in tapes) > 1
        return [Source(tape, self._query.is_labelled or are_many) for tape in tapes]

    def _limit(self, source: Source, since: float, until: float, cursors: dict[str, int]) -> None:
        tape = source.tape
        if since:
            moment = span.since(tape.spans, since, is_guess=tape.is_rebuilt)
            source.start = max(source.start, tape.line_start(min(moment, source.end)))
        if until:
            source.end = min(source.end, tape.line_start(min(span.until(tape.spans, until), source.end)))
        position = self._shelf.position(tape, cursors)
        if position is not None:
            source.start = max(source.start, position)
        source.start = min(source.start, source.end)

    def _limit_to_life(self) -> None:
        """Each service by itself: the number of a life says nothing about another service."""
        for service in self._query.services:
            own = [source for source in self.sources if names.service_of(source.tape.log) == service]
            try:
                life = span.find_life([source.tape.marks for source in own], self._query.life)
            except ReadError as error:
                raise ReadError(error.code, f"{service}: {error.text}") from None
            for source in own:
                start, end = span.of_life(source.tape.marks, life)
                source.start = min(max(source.start, start), source.end)
                source.end = max(source.start, min(source.end, end))

    def _shorten(self, source: Source) -> None:
        """To the last lines, and to the last that match."""
        query = self._query
        lines = query.lines
        if lines < 0 and query.follow and not (query.since or query.cursor or query.life):
            lines = LINES_WHEN_FOLLOWING
        before, after = max(query.before_context, query.context), max(query.after_context, query.context)
        not_before = 0
        if lines >= 0 and self._pattern is None:
            source.start = source.tape.last_lines(lines, source.start, source.end)
        elif lines >= 0 and self._pattern is not None:
            not_before = _last_matches(source, self._pattern, lines)
            source.start = source.tape.last_lines(before, source.start, not_before)
        if self._pattern is not None:
            source.grep = Grep(self._pattern, before, after, not_before=not_before)
        source.position = source.start

    # -- what is there --

    def _history(self, source: Source) -> Iterator[Item]:
        tape = source.tape
        told = source.start
        total = source.end - source.start
        yield Scanned(tape.log, source.start, 0.0, 0, total)
        for position, data in tape.blocks(source.start, source.end, keeps_rest=self._query.follow):
            end = position + len(data)
            yield from source.labels.drops(told, end)
            yield from self.label(source, source.labels, position, data)
            source.position = told = end
            at = source.labels.time_of(position) if source.is_labelled else 0.0
            yield Scanned(tape.log, end, at, end - source.start, total)
        yield from tape.notes


def _check(query: Query) -> None:
    for name in ("context", "before_context", "after_context"):
        value = getattr(query, name)
        if not 0 <= value <= MOST_CONTEXT:
            raise ReadError("bad-request", f"{name}: 0 to {MOST_CONTEXT} lines are allowed, not {value}")
    if query.stream not in ("", "out", "err"):
        raise ReadError("bad-request", f"stream: {query.stream[:20]!r}; allowed: out, err")
    if query.file and (query.stream or query.life):
        raise ReadError("bad-request", "file: streams and lives are those of what was captured; not together with file")
    if query.file and len(query.services) != 1:
        raise ReadError("bad-request", "file: the files of one service can be read at a time")
    if query.follow and query.until:
        raise ReadError("bad-request", "follow goes on for ever, until does not: only one of them is allowed")
    if query.follow and query.life not in ("", "last"):
        raise ReadError("bad-request", "follow: a life that is over cannot be followed; allowed: life last")
    if (query.context or query.before_context or query.after_context or query.ignore_case) and not query.grep:
        raise ReadError("bad-request", "context and ignore_case belong to grep")


def _pattern(query: Query) -> Pattern | None:
    if not query.grep:
        return None
    try:
        return Pattern(query.grep, ignores_case=query.ignore_case)
    except PatternError as error:
        place = f" (column {error.column})" if error.column else ""
        text = f"grep: {error.text}{place}; allowed: RE2 syntax, github.com/google/re2/wiki/Syntax"
        raise ReadError("bad-request", text) from None


def _moment(name: str, text: str, now: datetime.datetime) -> float:
    """Unix time; 0.0 for none."""
    if not text:
        return 0.0
    try:
        return max(moments.parse(text, now).timestamp(), 1e-6)
    except (ValueError, OverflowError) as error:
        raise ReadError("bad-request", f"{name}: {error}") from None


def _last_matches(source: Source, pattern: Pattern, count: int) -> int:
    """Where the last `count` matching lines begin; files are searched newest first, no more of them than needed."""
    found: list[int] = []
    for part in reversed(source.tape.parts):
        low, high = max(source.start, part.start), min(source.end, part.end)
        here: list[int] = []
        for position, data in source.tape.blocks(low, high) if low < high else ():
            at = 0
            while at < len(data) and (line := pattern.first(data, at)) is not None:
                here.append(position + line[0])
                at = line[1]
            del here[: max(0, len(here) - count)]
        found = [*here, *found]
        if len(found) >= count:
            break
    if not count:
        return source.end
    return found[-count] if len(found) >= count else source.start


def logs_of(log_dir: str) -> list[str]:
    """The services that have logs there, by name."""
    try:
        entries = os.listdir(log_dir)
    except OSError:
        return []
    return sorted({entry.removesuffix(".log") for entry in entries if entry.count(".") == 1 and entry.endswith(".log")})
