"""Going on with what services write into files of their own, from now on: over every way of rotating them.

The kernel says which file has changed (inotify), and when a name appears beside one. No time is in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from amonsup.logbook import names
from amonsup.logbook.index import Marks
from amonsup.logbook.inotify import OF_DIRECTORY, OF_FILE, Inotify
from amonsup.logbook.lines import Lines
from amonsup.logbook.pieces import Idle, Item, Note
from amonsup.logbook.span import Labels
from amonsup.logbook.tape import Block
from amonsup.logs.own_tape import OwnTape

if TYPE_CHECKING:
    from amonsup.logbook.reading import Label, Source

MOST_AT_ONCE = 4 * 1024 * 1024
"""Bytes taken from one file before others get their turn."""


class OwnTail(Lines):
    """`look` gives what is new. `position` is where the first line begins that was not given yet."""

    def __init__(self, tape: OwnTape, position: int, inotify: Inotify) -> None:
        super().__init__(position)
        self.tape = tape
        self.has_more = False
        self.watch = -1
        self._inotify = inotify
        self._listened = -1
        self._listen()

    def look(self) -> list[Block]:
        """Whole lines, in order."""
        found: list[Block] = []
        taken = 0
        while taken < MOST_AT_ONCE:
            at = self.at
            self.tape.grow()
            before = taken
            for position, data in self.tape.raw(at, min(self.tape.end, at + MOST_AT_ONCE)):
                if position != self.at:
                    self.skip_to(position)
                taken += len(data)
                self.cut(data, found)
            if self._listened != self.tape.renewals:
                self._listen()  # something may have come before that
            elif taken == before and not self._has_gone_on():
                self.has_more = False
                return found
        self.has_more = True
        return found

    def _has_gone_on(self) -> bool:
        """Whether there may be something elsewhere, now that nothing more is to be had here."""
        if self.tape.has_moved():
            self.tape.renew()
            return True
        return False

    def _listen(self) -> None:
        """To the current file; an inode's number says nothing, it is used again."""
        self._listened = self.tape.renewals
        current, before = self.tape.current, self.watch
        if current is not None:
            self.watch = self._inotify.watch(current.fd, OF_FILE)
            if before not in (-1, self.watch):
                self._inotify.unwatch(before)


def followed(
    sources: list[Source],
    more: Callable[[], list[Source]],
    label: Label,
    wait: Callable[[int], bool],
    wall: Callable[[], float],
) -> Iterator[Item]:
    """Items for ever, or until `wait` says that it is enough. `more` looks for files that were not there before;
    those it gives are added to `sources`. Raises ReadError."""
    inotify = Inotify()
    tails: list[OwnTail] = []
    folders: dict[str, int] = {}
    try:
        due = _added(sources, tails, folders, inotify)
        while True:
            for number in sorted(due):
                yield from _news(sources[number], tails[number], label, wall)
            looked = due
            due = {number for number in due if tails[number].has_more}
            if due:
                continue
            yield Idle({tails[number].tape.log: tails[number].position for number in looked})
            if not wait(inotify.fileno()):
                return
            due, is_new = _concerned(inotify.read(), tails, folders)
            if is_new:
                sources += more()
                due |= _added(sources, tails, folders, inotify)
    finally:
        inotify.close()


def _added(sources: list[Source], tails: list[OwnTail], folders: dict[str, int], inotify: Inotify) -> set[int]:
    """Tails for the sources that have none yet: their numbers."""
    new = range(len(tails), len(sources))
    for source in sources[len(tails) :]:
        assert isinstance(source.tape, OwnTape)
        folder = os.path.dirname(source.tape.path)
        if folder not in folders:
            folders[folder] = _watched(folder, inotify)
        tails.append(OwnTail(source.tape, source.position, inotify))
    return set(new)


def _watched(folder: str, inotify: Inotify) -> int:
    """-1: it is not there."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        return inotify.watch(fd, OF_DIRECTORY)
    finally:
        os.close(fd)


def _news(source: Source, tail: OwnTail, label: Label, wall: Callable[[], float]) -> Iterator[Item]:
    tape = tail.tape
    blocks = tail.look()
    yield from _taken(tape.notes)
    labels = Labels(tape.log, Marks(b""), wall())
    for position, data in blocks:
        yield from label(source, labels, position, data)
    source.position = tail.position


def _taken(notes: list[Note]) -> list[Note]:
    taken = notes[:]
    notes.clear()
    return taken


def _concerned(events: list[tuple[int, str]], tails: list[OwnTail], folders: dict[str, int]) -> tuple[set[int], bool]:
    """The numbers of the files that something has happened to; and whether a name appeared that is none of theirs."""
    found: set[int] = set()
    is_new = False
    for watch, name in events:
        if watch < 0:
            return set(range(len(tails))), True
        number_of_folder = [folder for folder, number in folders.items() if number == watch]
        is_ours = not number_of_folder
        for number, tail in enumerate(tails):
            folder, own = os.path.split(tail.tape.path)
            is_copy = folder in number_of_folder and names.parse(own, name) is not None
            if tail.watch == watch or is_copy:
                found.add(number)
                is_ours = True
        is_new |= not is_ours
    return found, is_new
