"""A page for a terminal: colours for the tones, tables that fit the width.

Only the last column wraps; the others keep to one line and are cut only if the terminal is too narrow even
so. Lines of text are left to the terminal, so that they can be copied as one. A table with `is_brief` (status),
and everything where `cuts` (a page that is redrawn in place), has its last column cut instead.
"""

from __future__ import annotations

import io

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from amonsup.cli.harmless import harmless
from amonsup.verbs.page import Cell, Line, Page, Table, Tone

_STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BUSY: "yellow",
    Tone.BAD: "bold red",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
}

_GAP = 2
_LEAST = 8


def render(page: Page, width: int, *, cuts: bool = False, has_colours: bool = True) -> str:
    """Text with escape sequences, which are ours alone: what the cells held is made harmless first."""
    console = Console(
        file=io.StringIO(),
        force_terminal=has_colours,
        color_system="auto" if has_colours else None,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as captured:
        for block in page:
            if isinstance(block, Table):
                console.print(_table(block, _room(block, width) if cuts or block.is_brief else 0))
            elif cuts:
                console.print(_line(block), no_wrap=True, overflow="ellipsis")
            else:
                console.print(_line(block), soft_wrap=True)
    return captured.get()


def _line(block: Line) -> Text:
    return Text.assemble(*(_text(cell) for cell in block.cells))


def _text(cell: Cell) -> Text:
    return Text(harmless(cell.text), style=_STYLES[cell.tone])


def _room(table: Table, width: int) -> int:
    """Columns that are left for the last one."""
    rows = [[cell_len(harmless(cell.text)) for cell in row] for row in table.rows]
    if any(table.columns):
        rows.append([len(name) for name in table.columns])
    others = sum(max((row[at] for row in rows), default=0) + _GAP for at in range(len(table.columns) - 1))
    return max(width - others, _LEAST)


def _table(table: Table, room: int) -> RichTable:
    """`room`: the last column is cut to it; 0: it wraps."""
    shown = RichTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=any(table.columns))
    for index, name in enumerate(table.columns):
        is_last = index == len(table.columns) - 1
        shown.add_column(
            Text(name),
            header_style="dim",
            justify="right" if name in table.right else "left",
            no_wrap=bool(room) or not is_last,
            overflow="fold" if is_last and not room else "ellipsis",
            max_width=room or None if is_last else None,
        )
    for row in table.rows:
        shown.add_row(*(_text(cell) for cell in row))
    return shown
