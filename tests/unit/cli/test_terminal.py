"""Pages on a terminal: what is coloured, what wraps, and what cannot get through."""

from __future__ import annotations

import re

import pytest

from amonsup.cli.terminal import render
from amonsup.verbs.page import Cell, Table, Tone, line

_OURS = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def test_tones_are_colours() -> None:
    assert render([line(Cell("fatal", Tone.BAD), " plain")], 80) == "\x1b[1;31mfatal\x1b[0m plain\n"


def test_only_our_own_escapes_get_through_and_markup_is_text() -> None:
    shown = render([line("\x1b[2J[bold]:smile: \x9b"), Table(("A",), ((Cell("\x07[red]"),),))], 80)
    lines = [each.rstrip() for each in _OURS.sub("", shown).splitlines()]
    assert lines == ["\\x1b[2J[bold]:smile: \\x9b", "A", "\\x07[red]"]


@pytest.mark.parametrize("width", [12, 20, 40, 80])
def test_a_table_fits_the_width_and_its_last_column_wraps(width: int) -> None:
    table = Table(("NAME", "WHAT"), ((Cell("ce"), Cell("one two three four five six seven " * 3)),))
    lines = _OURS.sub("", render([table], width)).splitlines()
    assert all(len(each) <= width for each in lines)
    assert " ".join(" ".join(lines[1:]).split()) == "ce " + "one two three four five six seven " * 2 + (
        "one two three four five six seven"
    )


def test_lines_of_text_are_left_to_the_terminal() -> None:
    assert render([line("x" * 200)], 40) == "x" * 200 + "\n"
