"""Control's copy of the supervision tree: the rows of `status`, by name, and a digest of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from amonsup.verbs.results import StatusRow

WORST = ("fatal", "unhealthy", "backoff", "stopping", "starting", "waiting", "running", "exited", "stopped")
"""States, worst first: the order in which they are told."""

UP = frozenset({"running"})


class Mirror:
    """`revision` grows with every change that somebody outside could notice."""

    def __init__(self) -> None:
        self.rows: dict[str, StatusRow] = {}
        self.revision = 0
        self.is_known = False  # False until the first snapshot: nothing is said before

    def snapshot(self, rows: Iterable[StatusRow]) -> bool:
        """Everything, anew. True if anything is different now."""
        self.is_known = True
        new = {row.name: row for row in rows}
        is_changed = _visible(new.values()) != _visible(self.rows.values())
        self.rows = new
        self.revision += is_changed
        return is_changed

    def update(self, rows: Iterable[StatusRow]) -> bool:
        """Some rows. True if anything is different now."""
        before = _visible(self.rows.values())
        for row in rows:
            self.rows[row.name] = row
        is_changed = _visible(self.rows.values()) != before
        self.revision += is_changed
        return is_changed

    def counts(self) -> dict[str, int]:
        """How many services are in each state, worst first."""
        states = [row.state for row in self.rows.values()]
        return {state: states.count(state) for state in WORST if state in states}

    def digest(self) -> str:
        """Eight hex digits that differ when the tree does."""
        return f"{zlib.crc32(repr(_visible(self.rows.values())).encode()):08x}"


def _visible(rows: Iterable[StatusRow]) -> list[tuple[str, str, str]]:
    return sorted((row.name, row.state, row.why) for row in rows)
