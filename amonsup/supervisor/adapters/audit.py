"""Who commanded what: an append-only file in state_dir whose every entry carries the hash of the one before.

Whoever changes, removes or inserts an entry breaks the chain from there on; `verify` says where. What nobody can see
from the file alone is that its *end* was cut off; the number of the last entry stands in `amonsup audit` for that.
The chain goes on across rotation: the first entry of a file carries the hash of the last one of the file before.

Mutating commands and their ends are entries of their own, local ones too. Refusals are, the first of a caller in a
minute; further ones are counted and told in one entry when the minute is over.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from amonsup.verbs.results import AuditEntry, AuditResult

try:
    from _blake2 import blake2b  # hashlib would load OpenSSL with it: 3 MB in a process that must stay small
except ImportError:
    from hashlib import blake2b

NAME = "audit.jsonl"
FULL = 4 * 1024 * 1024
KEPT = 4
GENESIS = "0" * 64
LONGEST_TEXT = 500


class Entry(AuditEntry, frozen=True, omit_defaults=True):
    """As it stands in the file: what `amonsup audit` shows, and the chain. `hash` covers all other fields."""

    prev: str = ""
    hash: str = ""


class Audit:
    """Appends entries. `error` says why the last could not be written; they are counted then, and told later."""

    def __init__(self, directory: str) -> None:
        self.error = ""
        self._path = os.path.join(directory, NAME)
        self._fd = -1
        self._size = 0
        self._unwritten = 0
        self._seq, self._last = self._end_of_file()

    def append(self, kind: str, by: str, at: str, **fields: object) -> None:
        """One entry; `at` is RFC 3339. Never raises."""
        if self._unwritten:
            lost, self._unwritten = self._unwritten, 0
            self._write("unwritten", "amonsup", at, text=self.error, count=lost)
            if self._unwritten:
                self._unwritten += lost
                return
        self._write(kind, by, at, **fields)

    @property
    def sequence(self) -> int:
        """The number of the last entry."""
        return self._seq

    def _write(self, kind: str, by: str, at: str, **fields: object) -> None:
        text = str(fields.pop("text", ""))[:LONGEST_TEXT]
        entry = Entry(seq=self._seq + 1, at=at, kind=kind, by=by, text=text, prev=self._last, **fields)  # type: ignore[arg-type]
        entry = msgspec.structs.replace(entry, hash=hash_of(entry))
        raw = msgspec.json.encode(entry) + b"\n"
        try:
            self._open()
            if os.write(self._fd, raw) < len(raw):
                os.ftruncate(self._fd, self._size)
                raise OSError(28, "No space left on device")
        except OSError as error:
            self.error = f"{self._path}: {error.strerror}"
            self._unwritten += 1
            return
        self._seq, self._last, self.error = entry.seq, entry.hash, ""
        self._size += len(raw)
        if self._size > FULL:
            self._turn_over()

    def _open(self) -> None:
        if self._fd < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self._path, flags, 0o600)
            self._size = os.fstat(self._fd).st_size

    def _turn_over(self) -> None:
        os.close(self._fd)
        self._fd = -1
        try:
            for number in range(KEPT - 1, 0, -1):
                if os.path.exists(f"{self._path}.{number}"):
                    os.rename(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            os.rename(self._path, f"{self._path}.1")
        except OSError as error:
            self.error = f"{self._path}: {error.strerror}"

    def _end_of_file(self) -> tuple[int, str]:
        """Where the chain goes on. A torn last line (a full disk, a power cut) is cut off."""
        self._mend()
        for path in (self._path, f"{self._path}.1"):
            last = None
            for entry in _entries(path):
                last = entry
            if last is not None:
                return last.seq, last.hash
        return 0, GENESIS

    def _mend(self) -> None:
        try:
            with open(self._path, "r+b") as file:
                raw = file.read()
                if raw and not raw.endswith(b"\n"):
                    file.truncate(raw.rfind(b"\n") + 1)
        except FileNotFoundError:
            return
        except OSError as error:
            self.error = f"{self._path}: {error.strerror}"


def hash_of(entry: Entry) -> str:
    """The hash that belongs into the entry: of everything else in it."""
    bare = msgspec.structs.replace(entry, hash="")
    return blake2b(msgspec.json.encode(bare), digest_size=32).hexdigest()


def files(directory: str) -> list[str]:
    """The files there are, oldest first."""
    path = os.path.join(directory, NAME)
    found = [f"{path}.{number}" for number in range(KEPT, 0, -1)] + [path]
    return [each for each in found if os.path.exists(each)]


def read(directory: str) -> Iterator[Entry]:
    """Every entry that can be read, oldest first."""
    for path in files(directory):
        yield from _entries(path)


def verify(directory: str) -> tuple[int, str]:
    """How many entries are whole, and what is wrong with the next one; empty: nothing."""
    count, last = 0, None
    for path in files(directory):
        number = 0
        try:
            with open(path, "rb") as file:
                for raw in file:
                    number += 1
                    where = f"{os.path.basename(path)}:{number}"
                    try:
                        entry = msgspec.json.decode(raw, type=Entry)
                    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                        return count, f"{where}: not an entry"
                    if entry.hash != hash_of(entry):
                        return count, f"{where}: entry {entry.seq} was changed"
                    if last is not None and (entry.prev != last.hash or entry.seq != last.seq + 1):
                        return count, f"{where}: entry {entry.seq} does not follow entry {last.seq}"
                    count, last = count + 1, entry
        except OSError as error:
            return count, f"{path}: {error.strerror}"
    return count, ""


def _entries(path: str) -> Iterator[Entry]:
    try:
        with open(path, "rb") as file:
            for raw in file:
                try:
                    yield msgspec.json.decode(raw, type=Entry)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    continue
    except OSError:
        return


def main(options: dict[str, Any]) -> int:
    """The process behind `amonsup audit`. options: state_dir, lines, verify."""
    directory = options["state_dir"]
    last: deque[Entry] = deque(maxlen=max(1, options["lines"]))
    for entry in read(directory):
        last.append(entry)
    verified, broken = verify(directory) if options["verify"] else (None, "")
    shown = tuple(last)[-options["lines"] :] if options["lines"] else ()
    result = AuditResult(
        entries=tuple(msgspec.convert(msgspec.to_builtins(each), AuditEntry) for each in shown),
        last=last[-1].seq if last else 0,
        verified=verified,
        broken=broken,
    )
    sys.stdout.write(msgspec.json.encode(result).decode())
    return 0
