"""Going on with what is written from now on: several logs, one wait, no time in it.

The kernel says which file has changed (inotify): its log is looked at, no other. A new name in the directory concerns
the log whose name it is; with it rotation, removal and the very first line of a log come to notice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from amonsup.logbook import names
from amonsup.logbook.inotify import OF_DIRECTORY, Inotify
from amonsup.logbook.pieces import Idle, Item
from amonsup.logbook.tail import Tail

if TYPE_CHECKING:
    from amonsup.logbook.reading import Label, Source


def followed(
    log_dir: str, sources: list[Source], label: Label, wait: Callable[[int], bool], wall: Callable[[], float]
) -> Iterator[Item]:
    """Items for ever, or until `wait` says that it is enough. `wall` is Unix time. Raises ReadError."""
    inotify = Inotify()
    tails = [Tail(log_dir, source.tape.log, source.position, inotify, wall) for source in sources]
    directory = os.open(log_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        of_directory = inotify.watch(directory, OF_DIRECTORY)
        for source in sources:
            source.tape.close()  # what follows is opened anew
        due = set(range(len(tails)))
        looked: set[int] = set()
        while True:
            for number in sorted(due):
                yield from _news(sources[number], tails[number], label)
            looked |= due
            due = {number for number in due if tails[number].has_more}
            if due:
                continue
            yield Idle({tails[number].log: tails[number].position for number in looked})
            looked.clear()
            if not wait(inotify.fileno()):
                return
            due = _concerned(inotify.read(), tails, of_directory)
    finally:
        for tail in tails:
            tail.close()
        os.close(directory)
        inotify.close()


def _news(source: Source, tail: Tail, label: Label) -> Iterator[Item]:
    blocks = tail.look()
    yield from tail.notes
    tail.notes.clear()
    for position, data in blocks:
        yield from label(source, tail.labels, position, data)
    source.position = tail.position


def _concerned(events: list[tuple[int, str]], tails: list[Tail], of_directory: int) -> set[int]:
    """The numbers of the logs that something has happened to."""
    found: set[int] = set()
    for watch, name in events:
        if watch < 0:
            return set(range(len(tails)))
        for number, tail in enumerate(tails):
            if tail.watch == watch or (watch == of_directory and names.parse(tail.log, name) is not None):
                found.add(number)
    return found
