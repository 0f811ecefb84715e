"""What counts as a change, and what is drawn where there is little room."""

from __future__ import annotations

from amonsup.cli.watch import fitting, lasting
from amonsup.verbs.page import Cell, Line, Page, Table, line, state


def table(*states: str) -> Table:
    rows = tuple((Cell(f"s{at}"), state(word)) for at, word in enumerate(states))
    return Table(("NAME", "STATE"), rows)


def names(page: Page) -> list[str]:
    return [row[0].text for block in page if isinstance(block, Table) for row in block.rows]


def test_figures_are_no_change() -> None:
    row = {"name": "ce", "state": "running", "pid": 7, "uptime_s": 1.0, "since": "x", "cpu_percent": 3, "exit": None}
    assert lasting(row) == lasting(
        {**row, "uptime_s": 9.0, "since": "y", "cpu_percent": 4, "memory_bytes": 1, "tasks": 2}
    )
    assert lasting(row) != lasting({**row, "pid": 8})
    assert lasting(row) != lasting({**row, "novel": "words"})
    ended = {**row, "exit": {"generation": 1, "reason": "exit 1", "at": "x"}}
    assert lasting(ended) == lasting({**row, "exit": {"generation": 1, "reason": "exit 1", "at": "y"}})
    assert lasting(ended) != lasting({**row, "exit": {"generation": 2, "reason": "exit 1", "at": "x"}})


def test_what_fits_is_left_alone() -> None:
    page: Page = [line("head"), table("running", "fatal")]
    assert fitting(page, 4) == page


def test_the_worst_stay_in_their_order() -> None:
    page: Page = [line("head"), table("running", "stopping", "running", "fatal", "running"), line("! warning")]
    found = fitting(page, 6)
    assert names(found) == ["s1", "s3"]
    last = found[2]
    assert isinstance(last, Line)
    assert last.cells[0].text.startswith("… and 3 more")
    assert found[-1] == line("! warning")
    assert names(fitting(page, 1)) == ["s3"], "one at least"
