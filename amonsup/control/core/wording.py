"""Answers for people in a chat: short enough for a phone, no tables, nothing that a client would render as markup."""

from __future__ import annotations

from typing import Any

import msgspec

from amonsup.control.core.mirror import WORST
from amonsup.verbs.page import Line, Page, Table, duration, size
from amonsup.verbs.results import OperationResult, ShowResult, StatusResult, StatusRow
from amonsup.verbs.verb import Verb
from amonsup.wire.messages import Answer, Finished, Refused

MOST_LINES = 40
LONGEST = 3500


def accepted(verb: str, targets: tuple[str, ...]) -> str:
    """The first of two answers to a command."""
    return f"accepted: {verb} {_names(targets)}".rstrip()


def reply(verb: Verb, answer: Answer | Finished | Refused) -> str:
    """The answer, the outcome, or why not."""
    if isinstance(answer, Refused):
        return f"{answer.code}: {answer.text}"
    try:
        result = msgspec.json.decode(answer.result, type=verb.answer)
    except msgspec.MsgspecError:
        return "done, but the answer was not understood"
    return bounded(_words(verb, result))


def _words(verb: Verb, result: Any) -> list[str]:
    if isinstance(result, StatusResult):
        return _status(result)
    if isinstance(result, ShowResult):
        return _show(result)
    if isinstance(result, OperationResult):
        return _operation(result)
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
    good = [each.name for each in result.results if each.ok]
    bad = [f"{each.name}: {each.text or 'failed'}" for each in result.results if not each.ok]
    lines = [f"done: {result.verb} {_names(tuple(good))}".rstrip()] if good or not bad else []
    if bad:
        lines.append(f"failed: {result.verb}: " + "; ".join(bad[:10]))
    return [*lines, result.note] if result.note else lines


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


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
