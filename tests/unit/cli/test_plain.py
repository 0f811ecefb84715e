"""Pages as plain text, letter by letter."""

from __future__ import annotations

from amonsup.cli.plain import render
from amonsup.verbs.page import Cell, Table, Tone, line


def cells(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text, Tone.BAD) for text in texts)


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    table = Table(
        ("NAME", "PID", "WHAT"),
        (cells("ce", "7", "all " * 60), cells("database", "12345", "")),
        right=("PID",),
    )
    assert render([table, line("one ", Cell("two", Tone.STRONG), "  "), line()]) == (
        f"NAME        PID  WHAT\nce            7  {('all ' * 60).rstrip()}\ndatabase  12345\none two\n\n"
    )


def test_a_table_without_rows_keeps_its_header_and_one_without_header_its_rows() -> None:
    assert render([Table(("A", "B"), ())]) == "A  B\n"
    assert render([Table(("", ""), (cells("x", "y"),))]) == "x  y\n"
    assert render([Table(("", ""), ())]) == ""
    assert render([]) == ""


def test_widths_are_those_of_the_harmless_text() -> None:
    table = Table(("A", "B"), (cells("\x1b", "1"), cells("long", "2")))
    assert render([table]) == "A     B\n\\x1b  1\nlong  2\n"
