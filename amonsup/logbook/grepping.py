"""Matching lines, with lines around them, out of a log that comes by in blocks.

Pure: blocks of whole lines go in, in order; what is to be shown comes out, neighbours as one run. Between two blocks
only the last few lines are remembered, as many as might be wanted before the next match.
"""

from __future__ import annotations

from amonsup.logbook.patterns import Pattern

Run = tuple[int, bytes, bool]
"""position, lines, whether they are context only"""


class Grep:
    """`before` and `after`: lines of context. Matches that begin before `not_before` do not count."""

    def __init__(self, pattern: Pattern, before: int = 0, after: int = 0, *, not_before: int = 0) -> None:
        self._pattern = pattern
        self._before, self._after = before, after
        self._not_before = not_before
        self._owed = 0  # lines of context that the last match has still to get
        self._kept: list[tuple[int, bytes]] = []  # the last lines that were not shown

    def feed(self, position: int, data: bytes) -> list[Run]:
        """A block that begins at `position`."""
        runs: list[Run] = []
        at = 0  # everything before it is shown, or has become too old to be
        for begin, end in self._matches(position, data):
            at = self._pay(position, data, at, begin, runs)
            start = max(at, _lines_back(data, begin, self._before)) if self._before else begin
            if start == 0 and self._kept:
                wanted = self._before - data.count(b"\n", 0, begin)
                _add(runs, [(*line, True) for line in self._kept[-wanted:]] if wanted > 0 else [])
            self._kept.clear()
            _add(runs, [(position + start, data[start:begin], True), (position + begin, data[begin:end], False)])
            at, self._owed = end, self._after
        at = self._pay(position, data, at, len(data), runs)
        if self._before:
            self._keep(position, data, at)
        return runs

    def _matches(self, position: int, data: bytes) -> list[tuple[int, int]]:
        """Matching lines as (begin, end); those that follow each other directly as one."""
        spans: list[tuple[int, int]] = []
        at = 0
        first = self._pattern.first
        while at < len(data) and (span := first(data, at)) is not None:
            begin, at = span
            if position + begin < self._not_before:
                continue
            if spans and spans[-1][1] == begin:
                spans[-1] = spans[-1][0], at
            else:
                spans.append(span)
        return spans

    def _pay(self, position: int, data: bytes, at: int, limit: int, runs: list[Run]) -> int:
        """Show the lines that the last match is owed, as far as they are there; returns where they end."""
        begin = at
        while self._owed and at < limit:
            end = data.find(b"\n", at, limit)
            at = limit if end < 0 else end + 1
            self._owed -= 1
        _add(runs, [(position + begin, data[begin:at], True)])
        return at

    def _keep(self, position: int, data: bytes, at: int) -> None:
        start = max(at, _lines_back(data, len(data), self._before))
        if start > 0:
            self._kept.clear()
        while start < len(data):
            end = data.find(b"\n", start) + 1 or len(data)
            self._kept.append((position + start, data[start:end]))
            start = end
        del self._kept[: -self._before]


def _add(runs: list[Run], more: list[Run]) -> None:
    """Append what is not empty; what continues the last run becomes part of it."""
    for position, data, is_context in more:
        if not data:
            continue
        if runs and runs[-1][2] == is_context and runs[-1][0] + len(runs[-1][1]) == position:
            runs[-1] = runs[-1][0], runs[-1][1] + data, is_context
        else:
            runs.append((position, data, is_context))


def _lines_back(data: bytes, end: int, count: int) -> int:
    """Where the last `count` lines before `end` begin; `end` is where a line begins, or the end of the block."""
    at = end
    if at and data[at - 1 : at] != b"\n":
        at += 1  # a last line without its newline
    for _ in range(count):
        if at <= 0:
            return 0
        at = data.rfind(b"\n", 0, at - 1) + 1
    return max(at, 0)
