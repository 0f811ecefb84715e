"""status --watch: the same page again whenever something has changed.

On a terminal it is redrawn in place, cut to what fits, with the figures of every two seconds. In a pipe there is a
block for every change that is more than a figure moving, an empty line between two; with --json a list in a line.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import msgspec

from amonsup.cli.conversation import Conversation
from amonsup.cli.errors import DONE
from amonsup.cli.live import Exchange, Lost, Rows, updates
from amonsup.cli.output import Output
from amonsup.verbs.page import Cell, Line, Page, Table, Tone, line
from amonsup.verbs.results import StatusResult
from amonsup.verbs.verb import Verb

REFRESH_S = 2.0
CALM_S = 0.25

_MEASURED = ("_s", "_bytes", "_percent")
_FLEETING = frozenset({"since", "began", "tasks", "open_files", "exit"})
"""What moves by itself, or is a moment that was reckoned from the monotonic clock and so differs by a millisecond."""


def run(verb: Verb, args: dict[str, Any], conversation: Conversation, output: Output) -> int:
    """Ends by Ctrl-C, with 0, or when nobody reads any more."""
    try:
        if output.redraws:
            _redraw(verb, args, conversation, output)
        else:
            _write_changes(verb, args, conversation, output)
    except KeyboardInterrupt:  # that is how one ends it
        if output.redraws:
            output.text("\n")  # behind the ^C that the terminal shows
    return DONE


def _write_changes(verb: Verb, args: dict[str, Any], conversation: Conversation, output: Output) -> None:
    shown: Any = None
    with closing(updates(conversation, Exchange(conversation.path, args))) as changes:
        for update in changes:
            if not isinstance(update, Rows):
                continue
            document = msgspec.json.decode(update.raw)
            now = [lasting(row) for row in document["services"]], document.get("warnings")
            if now == shown:
                continue
            if output.is_json:
                output.lines([document["services"]])
            else:
                output.page([*([line()] if shown is not None else []), *verb.page(update.result)])
            shown = now
            if not output.is_open:
                return


def lasting(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what changes although nothing happens."""
    kept = {key: value for key, value in row.items() if not key.endswith(_MEASURED) and key not in _FLEETING}
    last = row.get("exit") or {}
    return kept | {"exit": (last.get("generation"), last.get("reason"))}


def _redraw(verb: Verb, args: dict[str, Any], conversation: Conversation, output: Output) -> None:
    screen = Screen(output)
    page: Page = []
    exchange = Exchange(conversation.path, args, refresh_s=REFRESH_S, calm_s=CALM_S)
    with closing(updates(conversation, exchange)) as changes:
        for update in changes:
            if isinstance(update, Rows):
                page = [heading(update.result, time.strftime("%H:%M:%S")), *verb.page(update.result)]
            elif isinstance(update, Lost):
                page = [line(Cell("reconnecting: the supervisor is being replaced", Tone.BUSY)), *page[1:]]
            else:
                continue
            screen.draw(page)
            if not output.is_open:
                return


def heading(result: StatusResult, clock: str) -> Line:
    """`gsi  4 of 5 running  15:04:05`"""
    running = sum(row.state == "running" for row in result.services)
    return line(Cell(result.site, Tone.STRONG), Cell(f"  {running} of {len(result.services)} running  {clock}"))


class Screen:
    """A page that replaces the one before it, in place: no line wraps, and it never scrolls."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._height = 0
        self._size = (0, 0)

    def draw(self, page: Page) -> None:
        size = self._output.size()
        columns, lines = size
        shown = self._output.drawn(fitting(page, lines - 1), columns).splitlines()
        if self._size not in ((0, 0), size):
            begin = "\x1b[2J\x1b[H"  # where the old lines are after a change of size only the terminal knows
        else:
            begin = f"\x1b[{self._height}A\r" if self._height else ""
        self._output.text(begin + "".join(f"{text}\x1b[K\n" for text in shown[: lines - 1]) + "\x1b[J")
        self._height, self._size = min(len(shown), lines - 1), size


def fitting(page: Page, lines: int) -> Page:
    """At most so many lines; of a table that is too long the worst rows are kept, in their order."""
    height = sum(_height(block) for block in page)
    if height <= lines:
        return page
    found: Page = []
    for block in page:
        if isinstance(block, Table):
            room = max(1, len(block.rows) - (height - lines) - 1)
            kept = _worst(block, room)
            left = len(block.rows) - len(kept)
            found.append(Table(block.columns, kept, block.right))
            found.append(line(Cell(f"… and {left} more: make the window higher, or name services", Tone.FAINT)))
        else:
            found.append(block)
    return found


def _height(block: Table | Line) -> int:
    return len(block.rows) + any(block.columns) if isinstance(block, Table) else 1


def _worst(table: Table, room: int) -> tuple[tuple[Cell, ...], ...]:
    at = table.columns.index("STATE") if "STATE" in table.columns else 0
    order = {Tone.BAD: 0, Tone.BUSY: 1}
    ranked = sorted(range(len(table.rows)), key=lambda row: order.get(table.rows[row][at].tone, 2))
    return tuple(table.rows[row] for row in sorted(ranked[:room]))
