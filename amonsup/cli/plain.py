"""A page as plain text: for pipes, files, dumb terminals and people who want no colours.

Columns are as wide as what stands in them, two spaces apart; nothing is cut off, and no line ends in a
space, so that `cut`, `awk` and `diff` have an easy life.
"""

from __future__ import annotations

from amonsup.cli.harmless import harmless
from amonsup.verbs.page import Page, Table


def render(page: Page) -> str:
    lines: list[str] = []
    for block in page:
        if isinstance(block, Table):
            lines.extend(_table(block))
        else:
            lines.append("".join(harmless(cell.text) for cell in block.cells).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _table(table: Table) -> list[str]:
    rows = [tuple(harmless(cell.text) for cell in row) for row in table.rows]
    if any(table.columns):
        rows.insert(0, table.columns)
    widths = [max((len(row[index]) for row in rows), default=0) for index in range(len(table.columns))]
    sides = [column in table.right for column in table.columns]
    return [
        "  ".join(
            text.rjust(width) if is_right else text.ljust(width)
            for text, width, is_right in zip(row, widths, sides, strict=True)
        ).rstrip()
        for row in rows
    ]
