"""Accepted commands: which are open, which are over, and what became of each target.

An operation's id is chosen by the caller and is its idempotency key: whoever asks twice gets the one answer. Finished
operations are kept for late askers (a client that was cut off by a restart of the supervisor), a bounded number.
"""

from __future__ import annotations

import msgspec

from amonsup.supervisor.model.records import Operation, Outcome

KEPT_FINISHED = 128


class Settled(msgspec.Struct, frozen=True):
    """One target of an operation has its outcome."""

    operation: str
    name: str
    outcome: Outcome


class Operations:
    """All operations by id.

    `dirty` holds the ids that changed as a whole since the owner last cleared it, `settled` the single outcomes: an
    operation on a thousand services must not be written down a thousand times.
    """

    def __init__(self) -> None:
        self.known: dict[str, Operation] = {}
        self.dirty: set[str] = set()
        self.settled: list[Settled] = []

    def add(self, operation: Operation) -> None:
        self.known[operation.id] = operation
        self.dirty.add(operation.id)
        self._trim()

    def settle(self, operation_id: str, name: str, outcome: Outcome, now: float) -> bool:
        """Record the outcome of one target; True if that finished the operation. Unknown ids are ignored."""
        operation = self.known.get(operation_id)
        if operation is None or operation.is_finished:
            return False
        operation.outcomes[name] = outcome
        self.settled.append(Settled(operation_id, name, outcome))
        if len(operation.outcomes) < len(operation.tasks):
            return False
        operation.finished = now
        self.dirty.add(operation_id)
        return True

    def finish(self, operation_id: str, now: float, note: str = "", *, is_failed: bool = False) -> Operation:
        """Declare an operation over, whatever is missing."""
        operation = self.known[operation_id]
        operation.finished = now
        operation.is_failed = is_failed
        operation.note = note or operation.note
        self.dirty.add(operation_id)
        return operation

    def open(self) -> list[Operation]:
        return [operation for operation in self.known.values() if not operation.is_finished]

    def _trim(self) -> None:
        finished = [o for o in self.known.values() if o.is_finished]
        for operation in finished[: max(0, len(finished) - KEPT_FINISHED)]:
            del self.known[operation.id]
