"""What a successor needs, on disk in run_dir: one append-only file, the last word on each service counts.

A batch of changes is one write(2), so either all of it is there or none; kill -9 cannot tear it. The file's first
line names the boot, so what a reboot left behind is never taken for the present. A file that cannot be read as a
whole is set aside and not believed: the sweep before each start then finds whatever still runs. A torn *tail* is
what a full disk leaves of a batch; the batch never happened.

The file is rewritten (into a new one, then renamed) when it has grown to several times what it needs to say.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable

import msgspec

from amonsup.supervisor.adapters.files import set_aside
from amonsup.supervisor.core.operations import Settled
from amonsup.supervisor.model.records import Operation, ServiceState

FORMAT = 1
COMPACT_AT = 4 * 1024 * 1024


class Head(msgspec.Struct, frozen=True):
    """Which boot and which site instance the file speaks of."""

    format: int
    boot_id: str
    instance: str


class Line(msgspec.Struct, omit_defaults=True):
    """One record: exactly one field is set."""

    head: Head | None = None
    s: ServiceState | None = None
    o: Operation | None = None
    d: Settled | None = None
    gone: str = ""
    applied: int = 0  # serial of the last apply that is on record here


class Recovered(msgspec.Struct):
    """What a predecessor left. `set_aside` is where an unbelievable file went, or empty."""

    instance: str = ""
    states: dict[str, ServiceState] = {}
    operations: dict[str, Operation] = {}
    applied: int = 0
    set_aside: str = ""


class Journal:
    """Open for appending. Every method may meet a full disk: `append` says so and keeps what was there intact."""

    def __init__(self, path: str, head: Head) -> None:
        self.path = path
        self.head = head
        self._encoder = msgspec.json.Encoder()
        self._fd = -1
        self._size = 0
        self._wanted = 0
        self.error = ""

    def append(self, lines: Iterable[Line]) -> bool:
        """Write the lines as one batch. False: nothing of them is on disk, `error` says why."""
        raw = self._encoder.encode_lines(lines)
        if not raw:
            return True
        if self._fd < 0:
            self.error = self.error or "the journal could not be opened"
            return False
        try:
            written = os.write(self._fd, raw)
        except OSError as error:
            self.error = f"{self.path}: {error.strerror}"
            return False
        if written < len(raw):
            os.ftruncate(self._fd, self._size)
            self.error = f"{self.path}: no space left"
            return False
        self._size += written
        self.error = ""
        return True

    def is_due(self) -> bool:
        """Whether it is time to rewrite the file."""
        return self._size > COMPACT_AT and self._size > 4 * self._wanted

    def rewrite(self, lines: Iterable[Line]) -> bool:
        """Replace the file by a head and `lines`, atomically. False: the old file stays in use."""
        new_path = self.path + ".new"
        raw = self._encoder.encode_lines(itertools.chain((Line(head=self.head),), lines))
        fd = -1
        try:
            fd = os.open(new_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if os.write(fd, raw) != len(raw):
                raise OSError(28, "No space left on device")
            os.rename(new_path, self.path)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            self.error = f"{self.path}: {error.strerror}"
            return False
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._wanted = fd, len(raw), len(raw)
        self.error = ""
        return True


def recover(path: str, boot_id: str) -> Recovered:
    """Read a predecessor's file. Nothing is recovered from another boot, nothing believed of a foreign file."""
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        return Recovered()
    except OSError:
        return Recovered(set_aside=set_aside(path))
    try:
        return understand(raw, boot_id)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Recovered(set_aside=set_aside(path))


def understand(raw: bytes, boot_id: str) -> Recovered:
    """What the file says, a torn tail left out. Raises MsgspecError, ValueError or RecursionError if it is not ours."""
    complete, _, _torn = raw.rpartition(b"\n")
    return _fold(complete.splitlines(), boot_id)


def _fold(lines: list[bytes], boot_id: str) -> Recovered:
    decoder = msgspec.json.Decoder(Line)
    if not lines:
        raise ValueError("empty")
    head = decoder.decode(lines[0]).head
    if head is None or head.format != FORMAT:
        raise ValueError("no head")
    found = Recovered(instance=head.instance)
    if head.boot_id != boot_id:
        return Recovered()
    for raw in lines[1:]:
        line = decoder.decode(raw)
        if line.s is not None:
            found.states[line.s.name] = line.s
        elif line.o is not None:
            found.operations[line.o.id] = line.o
        elif line.d is not None:
            if line.d.operation in found.operations:
                found.operations[line.d.operation].outcomes[line.d.name] = line.d.outcome
        elif line.applied:
            found.applied = line.applied
        elif line.gone:
            found.states.pop(line.gone, None)
    return found
