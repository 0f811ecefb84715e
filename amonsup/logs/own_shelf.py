"""Which of the files that a service writes by itself are meant, for who reads them: `amonsup logs CE --file NAME`.

The configured patterns are looked up as the service's user, by the process that reads (reader.py): what he may not see,
or a link leads to, is not shown.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterator

from amonsup.logbook import names
from amonsup.logbook.pieces import Item, ReadError
from amonsup.logbook.reading import Label, Source
from amonsup.logbook.tape import Tape
from amonsup.logs import own_tail
from amonsup.logs.own_tape import OwnTape

MOST_FILES = 100
_MAGIC = "*?["


class OwnShelf:
    """`patterns` are those of `logging.files`; `wanted` is what somebody asks for: a name, a path, or a pattern."""

    def __init__(self, service: str, patterns: list[str], wanted: str) -> None:
        self._service = service
        self._patterns = patterns
        self._wanted = wanted
        self._known: set[str] = set()

    def tapes(self, service: str, stream: str) -> list[OwnTape]:
        """Raises ReadError if no file is meant."""
        found = self._new()
        if not found:
            known = ", ".join(sorted({os.path.basename(path) for path in self._paths()})[:20])
            text = f"{service} has no file {self._wanted[:200]!r} of its own"
            raise ReadError("bad-request", f"{text}; there are: {known or 'none yet'}")
        return found

    def position(self, tape: Tape, cursors: dict[str, int]) -> int | None:
        assert isinstance(tape, OwnTape)
        return tape.position_of(cursors)

    def followed(
        self, sources: list[Source], label: Label, wait: Callable[[int], bool], wall: Callable[[], float]
    ) -> Iterator[Item]:
        def more() -> list[Source]:
            return [Source(tape, labels=sources[0].is_labelled) for tape in self._new()]

        return own_tail.followed(sources, more, label, wait, wall)

    def _new(self) -> list[OwnTape]:
        tapes = []
        for path in self._paths():
            is_meant = any(fnmatch.fnmatchcase(text, self._wanted) for text in (path, os.path.basename(path)))
            if is_meant and path not in self._known and len(self._known) < MOST_FILES:
                self._known.add(path)
                tapes.append(OwnTape(self._service, path))
        return tapes

    def _paths(self) -> list[str]:
        """Every file there is or may be, without what was rotated away."""
        found: dict[str, None] = {}
        for pattern in self._patterns:
            if not any(c in pattern for c in _MAGIC):
                found[pattern] = None
                continue
            there = _files(pattern)
            if not there.intersection(_files(f"{pattern}.[0-9]*")):  # otherwise such names are files like others
                there |= _rotated_only(pattern)
            found.update(dict.fromkeys(sorted(path for path in there if _stem(path) not in there)))
        return list(found)


def _files(pattern: str) -> set[str]:
    return {path for path in glob.glob(pattern) if not os.path.isdir(path)}


def _rotated_only(pattern: str) -> set[str]:
    """The names of files that were rotated away, whether or not the next one has begun."""
    stems = {_stem(path) for path in _files(f"{pattern}.[0-9]*")}
    name = os.path.basename(pattern)
    return {stem for stem in stems if fnmatch.fnmatchcase(os.path.basename(stem), name)}


def _stem(path: str) -> str:
    """The name that `path` was rotated from; empty for any other file."""
    stem = path.removesuffix(names.PACKED).rpartition(".")[0]
    return stem if stem and names.parse(stem, path) is not None else ""
