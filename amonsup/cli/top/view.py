"""The model as cells and lines: what stands in the table, in the head and in the panes. Pure."""

from __future__ import annotations

from amonsup.cli.top.model import Model
from amonsup.verbs.events import event_line
from amonsup.verbs.page import Cell, Line, Tone, duration, line, size, state
from amonsup.verbs.results import StatusRow
from amonsup.verbs.status import what

COLUMNS = ("NAME", "STATE", "PID", "UPTIME", "RST", "CPU", "CPU ~", "MEM", "MEM ~", "WHAT")
RIGHT = frozenset({"PID", "UPTIME", "RST", "CPU", "MEM"})
CURVE = 6

HELP = (
    "s start   t stop   r restart     the service at the cursor; t and r ask first",
    "l log     e events i show        what stands in this pane",
    "/ filter                         part of a name, a state, or @tag; Escape clears",
    "T tree                           indented by dependency, and back",
    "up down j k PageUp PageDown      move the cursor",
    "q quit                           what was commanded goes on",
)

KEYS = "s start t stop r restart  l log e events i show  / filter T tree  ? help q quit"


def cells(model: Model, name: str, depth: int) -> tuple[Cell, ...]:
    """One row of the table."""
    row = model.rows[name]
    indent = "  " * (depth - 1) + "└ " if depth else ""
    return (
        Cell(indent + name, Tone.STRONG),
        state(row.state),
        Cell(str(row.pid) if row.pid else "-"),
        Cell(duration(row.uptime_s)),
        Cell(str(row.restarts), Tone.BAD if row.restarts else Tone.PLAIN),
        Cell("-" if row.cpu_percent is None else f"{row.cpu_percent:.0f}%"),
        Cell(model.cpu_curve(name, CURVE), Tone.FAINT),
        Cell(size(row.memory_bytes)),
        Cell(model.memory_curve(name, CURVE), Tone.FAINT),
        what(row),
    )


def head(model: Model, clock: str) -> Line:
    """The first line: how the site is as a whole."""
    if not model.rows and not model.is_connected:
        return line(Cell("connecting to amonsupd …", Tone.BUSY))
    running, number, cpu, memory = model.totals()
    tone = Tone.GOOD if running == number else Tone.BUSY
    parts = [
        Cell(model.site, Tone.STRONG),
        Cell("  "),
        Cell(f"{running} of {number} running", tone),
        Cell(f"  cpu {cpu:.0f}%  mem {size(memory)}  {clock}"),
    ]
    if model.filter:
        parts.append(Cell(f"  /{model.filter}", Tone.BUSY))
    if not model.is_connected:
        parts.append(Cell("  reconnecting …", Tone.BAD))
    elif model.warnings:
        parts.append(Cell(f"  ! {model.warnings[0]}", Tone.BAD))
    return Line(tuple(parts))


def event_lines(model: Model) -> list[Line]:
    """The journal, shortened: the time of day is enough here."""
    found = []
    for event in model.events:
        whole = event_line(event)
        found.append(Line((Cell(event.at[11:19], Tone.FAINT), *whole.cells[1:])))
    return found


def about(row: StatusRow | None) -> Line:
    """The head of the lower pane: which service is meant, and what is wrong with it."""
    if row is None:
        return line(Cell("no service", Tone.FAINT))
    return line(Cell(row.name, Tone.STRONG), "  ", state(row.state), "  ", what(row))
