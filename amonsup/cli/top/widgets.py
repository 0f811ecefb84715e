"""The parts of the page: the table of services, the pane below it, and the lines at both ends."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.widgets import DataTable, RichLog, Static

from amonsup.cli.harmless import harmless
from amonsup.cli.top.model import Model
from amonsup.cli.top.view import COLUMNS, RIGHT, cells
from amonsup.verbs.page import Cell, Line, Tone

_STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BUSY: "yellow",
    Tone.BAD: "bold red",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
}


def text_of(line: Line) -> Text:
    """A line with its tones."""
    return Text.assemble(*((harmless(cell.text), _STYLES[cell.tone]) for cell in line.cells), end="")


class Bar(Static):
    """One line, never more."""

    def say(self, line: Line) -> None:
        text = text_of(line)
        text.no_wrap, text.overflow = True, "ellipsis"
        self.update(text)


class Services(DataTable[Text]):
    """Only cells that have changed are drawn anew; the cursor stays on its service."""

    def __init__(self) -> None:
        super().__init__(id="services", cursor_type="row", zebra_stripes=False, cell_padding=1)
        self._order: list[tuple[str, int]] = []
        self._shown: dict[str, tuple[Cell, ...]] = {}

    def on_mount(self) -> None:
        for name in COLUMNS:
            self.add_column(Text(name, justify="right" if name in RIGHT else "left"), key=name)

    @property
    def selected(self) -> str:
        """The service under the cursor; empty if there is none."""
        return self._order[self.cursor_row][0] if 0 <= self.cursor_row < len(self._order) else ""

    def renew(self, model: Model) -> None:
        order = model.visible()
        if order != self._order:
            self._rebuild(model, order)
            return
        for name, depth in order:
            new, old = cells(model, name, depth), self._shown[name]
            for at, cell in enumerate(new):
                if cell != old[at]:
                    self.update_cell(name, COLUMNS[at], _text(cell, COLUMNS[at]), update_width=True)
            self._shown[name] = new

    def _rebuild(self, model: Model, order: list[tuple[str, int]]) -> None:
        selected = self.selected
        self.clear()
        self._order, self._shown = order, {}
        for name, depth in order:
            self._shown[name] = cells(model, name, depth)
            texts = [_text(cell, column) for cell, column in zip(self._shown[name], COLUMNS, strict=True)]
            self.add_row(*texts, key=name)
        names = [name for name, _ in order]
        if selected in names:
            self.move_cursor(row=names.index(selected), animate=False)


def _text(cell: Cell, column: str) -> Text:
    justify = "right" if column in RIGHT else "left"
    return Text(harmless(cell.text), _STYLES[cell.tone], justify=justify, no_wrap=True)  # type: ignore[arg-type]


class Pane(RichLog):
    """Lines, newest below: a log, the journal, or a page."""

    def __init__(self) -> None:
        super().__init__(id="pane", max_lines=1000, wrap=False, min_width=1)
        self.can_focus = False

    def replace(self, lines: Iterable[Line], *, follows: bool) -> None:
        """`follows`: the end is what matters; otherwise the beginning."""
        self.clear()
        for line in lines:
            self.write(text_of(line), scroll_end=False)
        if follows:
            self.scroll_end(animate=False)
        else:
            self.scroll_home(animate=False)

    def append(self, text: str) -> None:
        self.write(Text(harmless(text)))
