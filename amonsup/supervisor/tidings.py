"""What happens, told: to the journal of events, to whoever follows it, and (of the daemon itself) on stderr."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from amonsup.supervisor.adapters.chronicle import Chronicle
from amonsup.supervisor.model.effects import Note
from amonsup.verbs.results import Happening


class Tidings:
    """`followers` is called with what is new once somebody may follow; before that nobody can."""

    def __init__(self, state_dir: str) -> None:
        self.followers: Callable[[list[Happening]], None] | None = None
        self._chronicle = Chronicle(state_dir)
        self._notes: list[Note] = []

    @property
    def error(self) -> str:
        """Why the last entry could not be written; empty if it was."""
        return self._chronicle.error

    def note(self, note: Note) -> None:
        """Something about a service; told by `flush`, when the turn is over."""
        self._notes.append(note)

    def flush(self, is_wanted: Callable[[Note], bool]) -> None:
        if self._notes:
            notes, self._notes = self._notes, []
            self._tell((note.kind, note.name, note.text, note.by, note.generation) for note in notes if is_wanted(note))

    def command(self, text: str, by: str) -> None:
        """Somebody commanded something."""
        self._tell([("command", "", text, by, 0)])

    def say(self, kind: str, text: str) -> None:
        """Something about the daemon itself."""
        complain(f"{kind}: {text}")
        self._tell([(kind, "", text, "", 0)])

    def happenings(self) -> Iterator[Happening]:
        """All that is kept, oldest first."""
        decoder = msgspec.json.Decoder(Happening)
        for line in self._chronicle.read():
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError:
                continue

    def _tell(self, entries: Iterable[tuple[str, str, str, str, int]]) -> None:
        at = rfc3339(time.time())
        happenings = []
        for kind, service, text, by, generation in entries:
            self._chronicle.sequence += 1
            happenings.append(Happening(self._chronicle.sequence, at, kind, service, text, by, generation))
        if happenings:
            self._chronicle.append(happenings)
            if self.followers is not None:
                self.followers(happenings)


def complain(text: str) -> None:
    """A line on our stderr."""
    try:
        os.write(2, f"{rfc3339(time.time())} supervisor: {text}\n".encode())
    except OSError:
        pass  # nobody reads our stderr any more; the journal of events has it


def rfc3339(at: float) -> str:
    """A wall-clock time, in UTC, to the millisecond (RFC 3339)."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
