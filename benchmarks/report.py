"""Figures and how they are shown: one plain table a benchmark, one JSON document for all."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """At most `limit`, of the median, the worst value, or the ratio to the base (of medians)."""

    of: str  # median | worst | ratio
    limit: float

    def text(self, unit: str) -> str:
        """For people."""
        return f"{self.of} <= {self.limit:g}" + ("x" if self.of == "ratio" else f" {unit}")


@dataclass
class Row:
    """One subject's samples in one benchmark. `failed` says why there are none."""

    subject: str
    samples: list[float] = field(default_factory=list)
    unit: str = "ms"
    base: str = ""  # subject of the row that the ratio refers to
    targets: tuple[Target, ...] = ()
    failed: str = ""

    @property
    def median(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)

    @property
    def worst(self) -> float:
        """The largest sample."""
        return max(self.samples)

    @property
    def p90(self) -> float:
        """The 90th percentile, by rank."""
        return sorted(self.samples)[min(len(self.samples) - 1, int(0.9 * len(self.samples)))]


@dataclass
class Table:
    """One benchmark's result."""

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def ratio(self, row: Row) -> float | None:
        """Median over the base row's median; None without one."""
        for other in self.rows:
            if other.subject == row.base and other.samples and row.samples and other.median > 0:
                return row.median / other.median
        return None

    def verdicts(self, row: Row) -> list[str]:
        """PASS or MISS with each target; a target without a figure is missed."""
        found = []
        for target in row.targets:
            value = None
            if row.samples:
                value = {"median": row.median, "worst": row.worst, "ratio": self.ratio(row)}[target.of]
            word = "PASS" if value is not None and value <= target.limit else "MISS"
            found.append(f"{word} ({target.text(row.unit)})")
        return found

    def missed(self) -> bool:
        """Whether any target was missed."""
        return any(verdict.startswith("MISS") for row in self.rows for verdict in self.verdicts(row))

    def print(self) -> None:
        """The aligned table."""
        head = ["", "median", "p90", "min", "worst", "n", "unit", "ratio", "to", "target"]
        lines = [head]
        failed = []
        for row in self.rows:
            if not row.samples:
                failed.append(f"{row.subject}: {row.failed or 'no samples'}")
                if not row.targets:
                    continue
            lines.append(self._cells(row))
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        print(f"\n{self.title}")
        for line in lines:
            print(
                "  "
                + "  ".join(
                    _pad(cell, width, column) for column, (cell, width) in enumerate(zip(line, widths, strict=True))
                ).rstrip()
            )
        for note in [*failed, *self.notes]:
            print(f"  note: {note}")

    def _cells(self, row: Row) -> list[str]:
        if not row.samples:
            return [row.subject, *["-"] * 5, row.unit, "-", row.base, ", ".join(self.verdicts(row))]
        ratio = self.ratio(row)
        figures = [_number(value) for value in (row.median, row.p90, min(row.samples), row.worst)]
        shown = "-" if ratio is None else f"{ratio:.2f}"
        base = row.base if ratio is not None else ""
        return [
            row.subject,
            *figures,
            str(len(row.samples)),
            row.unit,
            shown,
            base,
            ", ".join(self.verdicts(row)),
        ]

    def document(self) -> dict[str, Any]:
        """For --json."""
        rows = []
        for row in self.rows:
            entry = asdict(row)
            entry["median"] = row.median if row.samples else None
            entry["worst"] = row.worst if row.samples else None
            entry["ratio"] = self.ratio(row)
            entry["verdicts"] = self.verdicts(row)
            rows.append(entry)
        return {"title": self.title, "rows": rows, "notes": self.notes}


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _pad(cell: str, width: int, column: int) -> str:
    is_figure = 1 <= column <= 5 or column == 7
    return cell.rjust(width) if is_figure else cell.ljust(width)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = "unknown cpu"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "arch": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "root": os.geteuid() == 0,
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def machine_line(facts: dict[str, Any]) -> str:
    """The same in one line."""
    who = "root" if facts["root"] else "a plain user"
    load = "/".join(f"{value:g}" for value in facts["load"])
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['arch']}, Linux {facts['kernel']}, "
        f"Python {facts['python']}, as {who}, load {load}"
    )


def failures(tables: Sequence[Table]) -> bool:
    """Whether a target was missed anywhere."""
    return any(table.missed() for table in tables)
