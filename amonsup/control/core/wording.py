"""Answers for people in a chat: short enough for a phone, no tables, nothing that a client would render as markup."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

from amonsup.control.core.mirror import WORST
from amonsup.logbook import names as logs
from amonsup.verbs.page import Line, Page, Table, duration, size
from amonsup.verbs.results import OperationResult, PlanResult, ShowResult, StatusResult, StatusRow
from amonsup.verbs.status import held
from amonsup.verbs.verb import Verb
from amonsup.wire.messages import Answer, Finished, Refused

MOST_LINES = 40
LONGEST = 3500
LONGEST_LINE = 400
MOST_NOTES = 5


@dataclass(frozen=True)
class Words:
    """What a person is told. `is_error`: not all was done that was asked for."""

    text: str
    is_error: bool = False


def accepted(verb: str, targets: tuple[str, ...]) -> str:
    """The first of two answers to a command."""
    return f"accepted: {verb} {_names(targets)}".rstrip()


def reply(verb: Verb, answer: Answer | Finished | Refused) -> Words:
    """The answer, the outcome, or why not."""
    if isinstance(answer, Refused):
        return Words(f"{answer.code}: {answer.text}", is_error=True)
    try:
        result = msgspec.json.decode(answer.result, type=verb.expected(is_at_once=isinstance(answer, Answer)))
    except msgspec.MsgspecError:
        return Words("done, but the answer was not understood")
    return Words(bounded(_words(verb, result)), is_error=isinstance(result, OperationResult) and not result.ok)


def _words(verb: Verb, result: Any) -> list[str]:
    if isinstance(result, StatusResult):
        return _status(result)
    if isinstance(result, ShowResult):
        return _show(result)
    if isinstance(result, OperationResult):
        return _operation(result)
    if isinstance(result, PlanResult):
        return _plan(result)
    return page_lines(verb.page(result))


def _status(result: StatusResult) -> list[str]:
    rows = sorted(result.services, key=lambda row: (WORST.index(row.state) if row.state in WORST else 0, row.name))
    lines = [_status_line(row) for row in rows]
    return [*lines, *(f"! {warning}" for warning in result.warnings)] or ["no services"]


def _status_line(row: StatusRow) -> str:
    parts = [f"{row.name}: {row.state}"]
    if row.uptime_s is not None:
        parts.append(f"up {duration(row.uptime_s)}")
    if row.why:
        parts.append(row.why)
    if row.retry_s is not None:
        parts.append(f"next start in {duration(row.retry_s)}")
    if row.muted_until:
        parts.append(f"no alerts until {row.muted_until[:19]}Z")
    if row.held_until:
        parts.append(held(row))  # last: its reason is free text
    return ", ".join(parts)


def _show(result: ShowResult) -> list[str]:
    row = result.row
    lines = [_status_line(row)]
    if row.memory_bytes is not None:
        lines.append(f"pid {row.pid}, memory {size(row.memory_bytes)}, restarts {row.restarts}")
    lines += [f"exit {exit.at}: {exit.reason}" for exit in reversed(result.exits[-3:])]
    lines += [f"| {line}" for line in result.last_lines[-8:]]
    return lines


def _operation(result: OperationResult) -> list[str]:
    bad = [f"{each.name}: {each.text or 'failed'}" for each in result.results if not each.ok]
    lines = [] if bad and len(bad) == len(result.results) else _done(result)
    if bad:
        lines.append(f"failed: {result.verb}: " + "; ".join(bad[:10]))
    return [*lines, result.note] if result.note else lines


def _done(result: OperationResult) -> list[str]:
    """A line for those of which the same is to be said: until when they are held, who held them."""
    alike: dict[str, list[str]] = {}
    for each in result.results:
        if each.ok:
            alike.setdefault(each.text, []).append(each.name)
    lines = [
        f"done: {result.verb} {_names(tuple(names))}" + (f": {text}" if text else "") for text, names in alike.items()
    ]
    return lines or [f"done: {result.verb}"]


def _plan(result: PlanResult) -> list[str]:
    """Where the command goes on is left to the door: a line of chat without the option, a form without the tick."""
    lines = [f"{change.action} {change.name}: {change.why}" for change in result.changes]
    if result.site_changes:
        lines.append(f"amonsup.yaml changed: {', '.join(result.site_changes)}")
    lines = ["this is the plan, nothing was changed:", *lines] if lines else ["nothing to change"]
    return [*lines, *(f"! {warning}" for warning in result.warnings)]


def page_lines(page: Page) -> list[str]:
    """A page as plain lines; of a table the cells, joined."""
    lines = []
    for block in page:
        if isinstance(block, Table):
            lines += ["  ".join(cell.text for cell in row if cell.text and cell.text != "-") for row in block.rows]
        elif isinstance(block, Line):
            lines.append("".join(cell if isinstance(cell, str) else cell.text for cell in block.cells))
    return lines


def bounded(lines: list[str]) -> str:
    """At most MOST_LINES lines and LONGEST characters; what is left out is said."""
    left = len(lines) - MOST_LINES
    text = "\n".join(lines[:MOST_LINES] + ([f"… and {left} more lines"] if left > 0 else []))
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n… (cut)"


class LogLines:
    """The last lines of a reading, within what a phone shows. `is_named`: each behind the name of its service."""

    def __init__(self, *, is_named: bool) -> None:
        self._is_named = is_named
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._count = 0
        self._begun: dict[str, bytes] = {}  # by log: a line whose end is still to come, as far as it is shown
        self._notes: list[str] = []
        self._refusal = ""

    def add(self, log: str, data: bytes) -> None:
        """A piece: whole lines as a rule; what has no end goes on with the log's next piece, if there is one."""
        *whole, begun = (self._begun.pop(log, b"") + data).split(b"\n")
        for line in whole:
            self._line(log, line)
        if begun:
            self._begun[log] = begun[: 4 * LONGEST_LINE + 1]

    def say(self, note: str) -> None:
        """A word beside the lines."""
        if len(self._notes) < MOST_NOTES:
            self._notes.append(note[:LONGEST_LINE])

    def refuse(self, text: str) -> None:
        """There is nothing but this to say."""
        self._refusal = text[:LONGEST]

    @property
    def is_refused(self) -> bool:
        return bool(self._refusal)

    def text(self) -> str:
        if self._refusal:
            return self._refusal
        for log, begun in self._begun.items():
            self._line(log, begun)
        self._begun.clear()
        left = LONGEST - sum(len(note) + 3 for note in self._notes)
        shown: list[str] = []
        for line in reversed(self._lines):
            left -= len(line) + 1
            if left < 0:
                break
            shown.insert(0, line)
        before = ["… earlier lines are left out"] if self._count > len(shown) else []
        return "\n".join([*before, *shown, *(f"! {note}" for note in self._notes)] or ["no lines"])

    def _line(self, log: str, raw: bytes) -> None:
        text = raw[: 4 * LONGEST_LINE].decode("utf-8", "replace").rstrip("\r")
        if len(text) > LONGEST_LINE or len(raw) > 4 * LONGEST_LINE:
            text = f"{text[:LONGEST_LINE]}… (cut)"
        self._lines.append(f"{logs.service_of(log)}: {text}" if self._is_named else text)
        self._count += 1


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
