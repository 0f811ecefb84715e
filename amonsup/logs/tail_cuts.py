"""Having files that services write by themselves rotated: asked for here, done by an attendant (cutting.py).

During a cut positions move, so nothing is read until its outcome is known: told by the attendant, or, if whoever was
asked has died, by the ledger, once that is unlocked. A question that he had not read yet goes to his successor; it says
whom it was meant for, because nobody waits for what comes of it any more.
"""

from __future__ import annotations

import os

from amonsup.logs import ledger
from amonsup.logs.tailed import Beat, Tail, drop_unnamed, keep_copy
from amonsup.logs.watches import Watches
from amonsup.loop.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Protocol

    from amonsup.loop.channel import Message

    class Owner(Protocol):
        """What follows the files (tails.py)."""

        def forgiving(self, beat: Beat, tail: Tail) -> AbstractContextManager[None]: ...
        def save(self, beat: Beat, tail: Tail) -> None: ...
        def watch(self, beat: Beat, tail: Tail, start: int | None) -> None: ...
        def ask(self, beat: Beat) -> None: ...
        def look(self, beat: Beat, tail: Tail) -> None: ...


LOCKED_S = 0.05


class Cuts:
    """All cuts. `send` goes to the supervisor."""

    def __init__(
        self, tails: Owner, loop: Loop, watches: Watches, send: Callable[[Message, tuple[int, ...]], None]
    ) -> None:
        self._tails = tails
        self._loop = loop
        self._watches = watches
        self._send = send

    def cut(self, beat: Beat, tail: Tail) -> None:
        if not tail.cutting and not tail.is_former:
            with self._tails.forgiving(beat, tail):
                self._have_cut(beat, tail)

    def _have_cut(self, beat: Beat, tail: Tail) -> None:
        size = os.fstat(tail.fd).st_size
        if not size:
            return
        if not self._is_caught_up(tail):
            if not tail.is_behind:
                tail.is_behind = True
                self._loop.call_at(self._loop.now() + LOCKED_S, lambda: self._cut_later(beat, tail))
            return
        tail.cutting = True
        tail.asked_size = size
        message = {
            "do": "cut",
            "service": beat.service,
            "path": tail.path,
            "dev": tail.record["dev"],
            "ino": tail.record["ino"],
            "by": beat.by,
        }
        self._send(message, (tail.record_fd,))

    def _cut_later(self, beat: Beat, tail: Tail) -> None:
        tail.is_behind = False
        if tail.fd >= 0:
            self.cut(beat, tail)

    def done(self, beat: Beat, tail: Tail, copy: int = -1) -> None:
        tail.cutting = False
        with self._tails.forgiving(beat, tail):
            self._take_up(beat, tail, copy)

    def _take_up(self, beat: Beat, tail: Tail, copy: int) -> None:
        """Whatever became of it stands in the record."""
        record = ledger.load(tail.record_fd)
        if record is not None:
            if record["cut"] is not None:
                ledger.settle(record, tail.fd)
            if record["base"] != tail.record["base"]:
                tail.asked_size = 0
            tail.record = record
            drop_unnamed(tail)
        if copy >= 0:
            keep_copy(tail, os.fstat(copy).st_ino, copy)
        tail.seen = os.fstat(tail.fd).st_size
        if tail.seen < ledger.HEAD or record is None:
            tail.record["head"] = ledger.head_of(tail.fd)
        self._tails.save(beat, tail)
        if tail.log not in self._watches:
            self._tails.watch(beat, tail, None)
        if any(inode not in tail.earlier for inode, _, end in tail.record["earlier"]):
            position = self._watches.position(tail.log)
            if position is not None and position < tail.record["base"]:
                self._tails.ask(beat)  # the copy has to be found first
        self._tails.look(beat, tail)

    def wait(self, beat: Beat, tail: Tail) -> None:
        """Somebody else's order: until the record is unlocked its positions may still move."""
        is_free = False
        with self._tails.forgiving(beat, tail):
            fd = os.open(f"/proc/self/fd/{tail.record_fd}", os.O_RDWR | os.O_CLOEXEC)
            is_free = ledger.try_lock(fd)
            os.close(fd)
        if is_free:
            tail.asked_size = 0  # whoever was asked may never have heard of it
            self.done(beat, tail)
        elif tail.record_fd >= 0:
            self._loop.call_at(self._loop.now() + LOCKED_S, lambda: self._look_for_lock(beat, tail))

    def _look_for_lock(self, beat: Beat, tail: Tail) -> None:
        if tail.cutting and tail.record_fd >= 0:
            self.wait(beat, tail)

    def _is_caught_up(self, tail: Tail) -> bool:
        """Whether nothing of what was cut off is still to be judged, by a successor of ours neither.

        Only the latest copy is sure to be there as it is; with another cut the one before it may be packed, and its
        inode gone. So it must also be on record that it is judged.
        """
        position = self._watches.position(tail.log)
        return position is None or (position >= tail.record["base"] and self._watches.put_down(tail.log))
