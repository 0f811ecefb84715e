"""The record: what the engine knows, put into the journal before anything is done that depends on it.

A successor that reads it may do again what was ordered, but never finds less than was done. Everything that changed
in a turn goes out in one write. A full disk stops nothing: the record is completed as soon as there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from amonsup.loop.loop import Loop, Timer
from amonsup.supervisor.adapters import journal
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.core.operations import Operations

RETRY_S = 5.0


class Record:
    """The journal of some fleets. `serial` is that of the last apply that is to stand in it."""

    def __init__(self, loop: Loop, path: str, head: journal.Head, fleets: Sequence[Fleet], serial: int) -> None:
        self.serial = serial
        self._loop = loop
        self._path = path
        self._fleets = fleets
        self._journal = journal.Journal(path, head)
        self._written_serial = 0
        self._retry: Timer | None = None

    @property
    def error(self) -> str:
        """Why the last write failed; empty if it did not."""
        return self._journal.error

    def write(self) -> None:
        """Everything that changed, in one write."""
        lines: list[journal.Line] = []
        if self._written_serial != self.serial:
            lines.append(journal.Line(applied=self.serial))
            self._written_serial = self.serial
        for fleet in self._fleets:
            for name in fleet.dirty:
                if name in fleet.states:
                    lines.append(journal.Line(s=fleet.states[name]))
            fleet.dirty.clear()
            if fleet.operations.dirty or fleet.operations.settled:
                lines += _changed(fleet.operations)
        if not lines:
            return
        if not self._journal.append(lines):
            self._retry_later()
        elif self._journal.is_due():
            self._journal.rewrite(self._all_lines())

    def begin(self, *, is_applied: bool) -> None:
        """A new file: all that is known now. `is_applied`: the apply of `serial` need not be carried out any more."""
        self._written_serial = self.serial if is_applied else 0
        self._journal.rewrite(self._all_lines())

    def forget(self, name: str) -> None:
        """The service is no longer configured, and nothing of it is left."""
        self._journal.append((journal.Line(gone=name),))

    def _all_lines(self) -> Iterable[journal.Line]:
        yield journal.Line(applied=self._written_serial)
        for fleet in self._fleets:
            yield from (journal.Line(s=state) for state in fleet.states.values())
        # The first one's: what our own household was told to do, a successor decides anew.
        yield from (journal.Line(o=operation) for operation in self._fleets[0].operations.known.values())

    def _retry_later(self) -> None:
        if self._retry is None:
            self._retry = self._loop.call_at(self._loop.now() + RETRY_S, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        if self.error and not self._journal.rewrite(self._all_lines()):
            self._retry_later()


def _changed(operations: Operations) -> list[journal.Line]:
    """What is new of operations; known as written from now on."""
    lines = [journal.Line(o=operations.known[known]) for known in operations.dirty if known in operations.known]
    # An operation that is written as a whole has these in it already.
    lines += [journal.Line(d=each) for each in operations.settled if each.operation not in operations.dirty]
    operations.dirty.clear()
    operations.settled.clear()
    return lines
