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


class Match(msgspec.Struct, frozen=True):
    """A line that a watch rule has matched, as it is told."""

    kind: str  # alert, or watch
    service: str
    rule: str
    text: str
    generation: int
    suppressed: int
    cursor: str
    name: str

    def happening(self, seq: int, at: str) -> Happening:
        return Happening(
            seq=seq,
            at=at,
            kind=self.kind,
            service=self.service,
            text=self.text,
            generation=self.generation,
            rule=self.rule,
            suppressed=self.suppressed,
            cursor=self.cursor,
            match=self.name,
        )


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
            self._tell(note for note in notes if is_wanted(note))

    def command(self, text: str, by: str) -> None:
        """Somebody commanded something."""
        self._tell([Note(name="", kind="command", text=text, by=by)])

    def say(self, kind: str, text: str) -> None:
        """Something about the daemon itself."""
        complain(f"{kind}: {text}")
        self._tell([Note(name="", kind=kind, text=text)])

    def matched(self, found: Iterable[Match]) -> None:
        """A watch rule's matches, all in one write: either the journal of events has them or it has none."""
        at = rfc3339(time.time())
        self._append([match.happening(self._next(), at) for match in found])

    def last_matches(self) -> dict[str, int]:
        """The last match of each log (by the epoch of its record) that is still in the journal of events."""
        found: dict[str, int] = {}
        decoder = msgspec.json.Decoder(Happening)
        for line in self._chronicle.read():
            if b'"match":' in line:
                try:
                    epoch, _, number = decoder.decode(line).match.rpartition(".")
                except msgspec.MsgspecError:
                    continue
                if number.isdigit():
                    found[epoch] = int(number)
        return found

    @property
    def newest(self) -> int:
        """The number of the last thing that happened."""
        return self._chronicle.sequence

    def happenings(self) -> Iterator[Happening]:
        """All that is kept, oldest first."""
        decoder = msgspec.json.Decoder(Happening)
        for line in self._chronicle.read():
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError:
                continue

    def _tell(self, notes: Iterable[Note]) -> None:
        at = rfc3339(time.time())
        self._append(
            [
                Happening(self._next(), at, each.kind, each.name, each.text, each.by, each.generation, ok=each.ok)
                for each in notes
            ]
        )

    def _next(self) -> int:
        self._chronicle.sequence += 1
        return self._chronicle.sequence

    def _append(self, happenings: list[Happening]) -> None:
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
