"""A page for a terminal: colours for the tones, tables that fit the width.

Only the last column wraps; the others keep to one line and are cut only if the terminal is too narrow even
so. Lines of text are left to the terminal, so that they can be copied as one.
"""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from amonsup.cli.harmless import harmless
from amonsup.verbs.page import Cell, Page, Table, Tone

_STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BUSY: "yellow",
    Tone.BAD: "bold red",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
}


def render(page: Page, width: int) -> str:
    """Text with escape sequences, which are ours alone: what the cells held is made harmless first."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        for block in page:
            if isinstance(block, Table):
                console.print(_table(block))
            else:
                console.print(Text.assemble(*(_text(cell) for cell in block.cells)), soft_wrap=True)
    return captured.get()


def _text(cell: Cell) -> Text:
    return Text(harmless(cell.text), style=_STYLES[cell.tone])


def _table(table: Table) -> RichTable:
    shown = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(table.columns))
    for index, name in enumerate(table.columns):
        is_last = index == len(table.columns) - 1
        shown.add_column(
            Text(name),
            header_style="dim",
            justify="right" if name in table.right else "left",
            no_wrap=not is_last,
            overflow="fold" if is_last else "ellipsis",
        )
    for row in table.rows:
        shown.add_row(*(_text(cell) for cell in row))
    return shown
