"""What top shows, without a terminal: fed by updates (live.py) and keys, asked by the widgets. Pure.

The rows are the last answer of status; cpu and memory of the answers before it are kept for the little curves, bounded.
"""

from __future__ import annotations

from collections.abc import Iterable

from amonsup.cli.live import Happened, Lost, Rows, Update
from amonsup.verbs.results import Happening, StatusRow, TreeRow

KEPT_FIGURES = 60
KEPT_EVENTS = 200

_MARKS = "▁▂▃▄▅▆▇█"
_PLAIN_MARKS = "_.-=+*#@"


class Model:
    """`names` are those shown, in their order; `depths` how far each is indented."""

    def __init__(self, *, has_blocks: bool = True) -> None:
        self.site = ""
        self.warnings: tuple[str, ...] = ()
        self.rows: dict[str, StatusRow] = {}
        self.events: list[Happening] = []
        self.is_connected = False
        self.filter = ""
        self.is_tree = False
        self._needs: dict[str, tuple[str, ...]] = {}
        self._cpu: dict[str, list[float]] = {}
        self._memory: dict[str, list[float]] = {}
        self._marks = _MARKS if has_blocks else _PLAIN_MARKS

    def take(self, update: Update) -> None:
        if isinstance(update, Rows):
            self._take_rows(update)
        elif isinstance(update, Happened):
            self.events = [*self.events, *update.events][-KEPT_EVENTS:]
        elif isinstance(update, Lost):
            self.is_connected = False

    def _take_rows(self, update: Rows) -> None:
        result = update.result
        self.site, self.warnings, self.is_connected = result.site, result.warnings, True
        self.rows = {row.name: row for row in result.services}
        self._cpu = {name: _longer(self._cpu, name, row.cpu_percent) for name, row in self.rows.items()}
        self._memory = {name: _longer(self._memory, name, row.memory_bytes) for name, row in self.rows.items()}

    def take_tree(self, rows: Iterable[TreeRow]) -> None:
        """Who needs whom."""
        self._needs = {row.name: tuple(need.partition(" ")[0] for need in row.depends_on) for row in rows}

    def visible(self) -> list[tuple[str, int]]:
        """Names that pass the filter, with their depth (0 unless shown as a tree)."""
        named = self._branches() if self.is_tree else [(name, 0) for name in self.rows]
        wanted = self.filter.lower()
        return [(name, depth) for name, depth in named if self._passes(self.rows[name], wanted)]

    def _passes(self, row: StatusRow, wanted: str) -> bool:
        if wanted.startswith("@"):
            return any(tag.lower().startswith(wanted[1:]) for tag in row.tags)
        return wanted in row.name.lower() or wanted in row.state

    def _branches(self) -> list[tuple[str, int]]:
        """Below each service those that need it; one that needs several stands below the first of them."""
        below: dict[str, list[str]] = {}
        roots = []
        for name in self.rows:
            needs = [need for need in self._needs.get(name, ()) if need in self.rows]
            if needs:
                below.setdefault(needs[0], []).append(name)
            else:
                roots.append(name)
        found: list[tuple[str, int]] = []
        left = [(name, 0) for name in reversed(roots)]
        while left:
            name, depth = left.pop()
            found.append((name, depth))
            left += [(each, depth + 1) for each in reversed(below.get(name, ()))]
        return found

    def cpu_curve(self, name: str, width: int) -> str:
        """The last figures as marks; full height is 100 % of a processor, or the highest if that is more."""
        return curve(self._cpu.get(name, ()), width, self._marks, least=100.0)

    def memory_curve(self, name: str, width: int) -> str:
        """The last figures as marks, from 0 to the highest."""
        return curve(self._memory.get(name, ()), width, self._marks)

    def totals(self) -> tuple[int, int, float, int]:
        """Services that run, all of them, their cpu in per cent of a processor, their memory in bytes."""
        rows = self.rows.values()
        running = sum(row.state == "running" for row in rows)
        cpu = sum(row.cpu_percent or 0.0 for row in rows)
        return running, len(rows), cpu, sum(row.memory_bytes or 0 for row in rows)


def curve(figures: Iterable[float], width: int, marks: str, least: float = 0.0) -> str:
    """The last `width` figures as one mark each, the highest figure (or `least`, if that is more) at full height."""
    last = list(figures)[-width:]
    highest = max([*last, least])
    if highest <= 0:
        return marks[0] * len(last)
    top = len(marks) - 1
    return "".join(marks[min(top, round(figure / highest * top))] for figure in last)


def _longer(kept: dict[str, list[float]], name: str, figure: float | None) -> list[float]:
    return [*kept.get(name, ()), float(figure or 0.0)][-KEPT_FIGURES:]
