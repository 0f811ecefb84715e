"""One log and the lives that write to it, the first of which is being read.

Lives of one log are taken one after the other: the next one's FIFO is read only once the one before is over and empty,
so each byte belongs to one life, and where a life begins in the log is marked before its first byte is moved.

Fairness: a step moves at most a FIFO's content, and each stream has one step a turn of the loop. After a step that did
not find the FIFO full there is a short pause, because a service that writes line by line would otherwise wake us
for each line. Of a service that floods the FIFO is enlarged (life.py), and emptied through the transfer pipe
(transfer.py), so that its writer does not wait while we write.

Listening has a price for the writer: each write wakes whoever listens, which is a tenth of its time, and once somebody
has listened to a pipe (poll(2)) each write looks whether somebody does, another eighth. So a life is first looked at
by the clock, and listened to only once it is quiet; in a flood it is the clock again.

Trouble (a full disk, a directory that is gone): after any error the sink is given up and made anew a second later, if
there is something to write. Until then what was written waits in its FIFO (`on_full: wait`), or is thrown away and
counted (`drop`).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from functools import partial

from amonsup.logbook import names
from amonsup.logs.life import Life, waiting
from amonsup.logs.rotation import next_look
from amonsup.logs.settings import Settings
from amonsup.logs.sink import CHUNK, Sink
from amonsup.logs.spool import BEGIN, Spool
from amonsup.logs.trouble import RETRY_S, Trouble
from amonsup.loop.loop import READ, Loop, Timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from amonsup.logs.transfer import Transfer

    class Owner(Protocol):
        """What a stream needs of the logger."""

        loop: Loop
        log_dir: str
        null: int
        transfer: Transfer | None

        def wall(self) -> float: ...
        def listing(self, log: str) -> list[str] | None: ...
        def flooded(self) -> None: ...
        def drained(self, stream: Stream, generation: int) -> None: ...
        def troubled(self, stream: Stream, text: str, dropped: int) -> None: ...
        def rotated(self, stream: Stream) -> None: ...
        def ended(self, stream: Stream) -> None: ...


PAUSE_S = 0.003
"""After a small splice: a flooding service fills less than an enlarged FIFO in it, so the writer hardly ever waits."""

BRIEF_S = 0.001
"""After a splice that found an enlarged FIFO more than half full."""

FULL = (errno.ENOSPC, errno.EDQUOT)


class Stream:
    """One log. `on_grown(log, start, end)`, if set, is called after [start, end) has been put into the current file,
    while it still is the current file."""

    __slots__ = ("due", "lives", "log", "on_grown", "owner", "service", "settings", "sink", "spool", "trouble", "wake")

    def __init__(self, owner: Owner, service: str, log: str, settings: Settings) -> None:
        self.owner = owner
        self.service = service
        self.log = log
        self.settings = settings
        self.lives: list[Life] = []
        self.sink: Sink | None = None
        self.spool: Spool | None = None
        self.trouble: Trouble | None = None
        self.due: Timer | None = None
        self.wake: Timer | None = None  # while paused
        self.on_grown: Callable[[str, int, int], None] | None = None

    # -- told by the supervisor --

    def capture(self, life: Life) -> None:
        if any(each.is_same_as(life) for each in self.lives):
            os.close(life.fd)
            if self.trouble is not None:  # a new supervisor does not know of it
                self.owner.troubled(self, self.trouble.text, self.trouble.dropped)
            return
        self.lives.append(life)
        if len(self.lives) == 1:
            self._begin()

    def over(self, generation: int) -> None:
        for life in self.lives:
            if life.generation == generation:
                life.is_over = True
        if self.lives and self.lives[0].is_over:
            self._step()

    def set(self, settings: Settings) -> None:
        if settings is self.settings:
            return
        self.settings = settings
        if self.sink is not None:
            self.sink.set(settings)
            self._arm()

    def rotate(self) -> None:
        """On demand. Raises OSError; nothing to rotate is fine."""
        try:
            sink = self._opened()
            sink.check()
            self._rotate(sink, is_forced=False)
        except OSError:
            self._give_up()
            raise

    def reopen(self) -> None:
        """Somebody has moved the file: the next line goes to whatever has the name then."""
        with contextlib.suppress(OSError):  # the next step meets it again, and says it
            if self.sink is not None and self.sink.reopen():
                return
        self._give_up()

    def close(self) -> None:
        self._give_up()
        if self.due is not None:
            self.due.cancel()
            self.due = None

    # -- moving --

    def _begin(self) -> None:
        """The first life's turn has come."""
        if self.lives[0].is_over or self._has_spooled() or self._held() is not None:
            # Nothing else may ever come: an earlier logger was killed over it, or its service is.
            self._listen()
            self.owner.loop.call_soon(self._again)
        else:
            self._pause(PAUSE_S, self._look)

    def _look(self) -> None:
        """For the first time. Who says nothing has no log opened."""
        self.wake = None
        life = self.lives[0]
        if life.is_over or waiting(life.fd):
            self._step()
        else:
            self._listen()

    def _listen(self) -> None:
        self._awake()
        self.owner.loop.watch(self.lives[0].fd, self._ready, READ)

    def _ready(self, _mask: int) -> None:
        self._step()

    def _pause(self, seconds: float, then: Callable[[], None] | None = None) -> None:
        self._awake()
        loop = self.owner.loop
        loop.unwatch(self.lives[0].fd)
        self.wake = loop.call_at(loop.now() + seconds, then or self._resume)

    def _awake(self) -> None:
        if self.wake is not None:
            self.wake.cancel()
            self.wake = None

    def _resume(self) -> None:
        self.wake = None
        self._again()

    def _again(self) -> None:
        if self.lives and self.wake is None:
            self._step()

    def _step(self) -> None:
        """One bounded step; then pause, listen, or go on to the next life."""
        life = self.lives[0]
        trouble = self.trouble
        if trouble is not None and self.settings.drops and self.owner.loop.now() < trouble.retry_at:
            self._throw_away(life, trouble)
            return
        try:
            moved, is_all = self._move(life)
        except BlockingIOError:
            moved, is_all = 0, True
        except OSError as error:
            self._fail(life, error)
            return
        if trouble is not None and (moved or not is_all):
            self._recovered(trouble)
        self._after(life, moved, is_all)

    def _after(self, life: Life, moved: int, is_all: bool) -> None:
        """`is_all`: nothing of what was read still waits to be written."""
        if not moved and is_all:
            if life.is_over:
                self._finish()
                return
            life.shrink()
            self._listen()
        elif life.is_over or not is_all:
            self.owner.loop.call_soon(self._again)
        elif moved >= min(life.size, CHUNK) // 2:  # full by its pages, each of which may be half empty
            life.enlarge()
            if self.owner.transfer is None:
                self.owner.flooded()
            if life.is_flooding:
                self._pause(BRIEF_S)
            else:
                self._listen()
        else:
            self._pause(PAUSE_S)

    def _move(self, life: Life) -> tuple[int, bool]:
        """(bytes moved, whether all of them are in the log). Raises OSError."""
        held = self._held()
        if life.is_over and self.spool is None and held is None and not self._is_worth_opening(life):
            return 0, True
        sink = self._opened()
        sink.check()
        self._rotate_if_due(sink)
        if held is not None:
            sink.begin_life(held.generation, held.instance)
        elif self.spool is None or self.spool.is_empty:
            sink.begin_life(life.generation, life.instance)
        if self.spool is not None:
            return self._move_through_spool(life, self.spool, sink)
        while sink.is_full:  # once, unless what was carried over fills the next one too: then that is split
            self._rotate(sink, is_forced=True)
        start = sink.end
        moved, is_all = self._splice(life, sink, held)
        self._grown(sink, start)
        return moved, is_all and not sink.is_full

    def _splice(self, life: Life, sink: Sink, held: Transfer | None) -> tuple[int, bool]:
        """From the FIFO, in a flood through the transfer pipe; what already is in there comes before all else."""
        if held is not None:
            return held.pour(sink), False
        transfer = self.owner.transfer
        if transfer is None or not transfer.may_take(life):
            return sink.splice(life.fd), True
        moved = transfer.fill(life, self.log)
        if moved:
            transfer.pour(sink)
        return moved, not transfer.count

    def _held(self) -> Transfer | None:
        """The transfer pipe, if it has something of this log."""
        transfer = self.owner.transfer
        return transfer if transfer is not None and transfer.holds(self.log) else None

    def _move_through_spool(self, life: Life, spool: Spool, sink: Sink) -> tuple[int, bool]:
        moved = 0
        if spool.is_empty:
            if not self.settings.timestamps:
                spool.remove()
                self.spool = None
                return 0, False
            moved = spool.fill(life.fd)
            if not moved:
                return 0, True
        start = sink.end
        poured = spool.pour(sink)
        if poured == 0:
            self._rotate(sink, is_forced=True)
        self._grown(sink, start)
        return moved or poured, spool.is_empty

    def _is_worth_opening(self, life: Life) -> bool:
        """A life that ended: is there something in its FIFO, or a log in which to mark where it was?"""
        if waiting(life.fd) or self.sink is not None:
            return True
        return os.path.exists(names.index_path(self.owner.log_dir, self.log))

    def _opened(self) -> Sink:
        owner = self.owner
        is_new = self.sink is None
        if self.sink is None:
            entries = owner.listing(self.log) if self.trouble is None else None
            self.sink = Sink(owner.log_dir, self.log, self.settings, entries)
            self._arm()
            if self.sink.is_unpacked:
                owner.rotated(self)
        # The spool notes how far the log is: nothing may go past it once it is there.
        is_wanted = self.settings.timestamps or (is_new and self._has_spooled())
        if self.spool is None and is_wanted and self._held() is None:
            self.spool = Spool(owner.log_dir, self.sink)
        return self.sink

    def _has_spooled(self) -> bool:
        """Whether something waits in the spool, even if lines are no longer to be stamped."""
        try:
            return os.stat(names.spool_path(self.owner.log_dir, self.log)).st_size > BEGIN
        except OSError:
            return False

    def _grown(self, sink: Sink, start: int) -> None:
        end = sink.end
        if end > start:
            sink.mark_time(start, self.owner.loop.now())
            if sink.due:
                self._arm()
            if self.on_grown is not None:
                self.on_grown(self.log, start, end)

    # -- rotating --

    def _rotate(self, sink: Sink, *, is_forced: bool) -> bool:
        if not sink.rotate(is_forced=is_forced):
            return False
        self._arm()
        self.owner.rotated(self)
        return True

    def _rotate_if_due(self, sink: Sink) -> None:
        if sink.due and self.owner.wall() >= sink.due and not self._rotate(sink, is_forced=False):
            sink.postpone()

    def _arm(self) -> None:
        """A timer for the rotation by time, if the file has something in it."""
        due = self.sink.due if self.sink is not None else 0.0
        if self.due is not None:
            if due and self.due.callback is not None:
                return  # it looks again when it fires
            self.due.cancel()
            self.due = None
        if due:
            loop, wall = self.owner.loop, self.owner.wall()
            self.due = loop.call_at(loop.now() + max(0.0, next_look(due, wall) - wall) + 0.001, self._boundary)

    def _boundary(self) -> None:
        self.due = None
        sink = self.sink
        if sink is None:
            return
        try:
            sink.check()
            self._rotate_if_due(sink)
        except OSError:
            self._give_up()  # what is wrong will be said when there is something to write
        self._arm()

    # -- ends --

    def _finish(self) -> None:
        """The first life is drained: say so, and take up the next."""
        life = self.lives.pop(0)
        self._awake()
        self.owner.loop.unwatch(life.fd)
        os.close(life.fd)
        self.owner.drained(self, life.generation)
        if self.lives:
            self._begin()
        else:
            if self.trouble is not None:
                self._end_in(self.trouble)
            self.close()
            self.owner.ended(self)

    def _end_in(self, trouble: Trouble) -> None:
        """Nobody writes any more; if it can be done, what was dropped is marked for who reads the log."""
        if trouble.end():
            with contextlib.suppress(OSError):
                self._opened().mark_dropped(trouble.dropped)
        self.owner.troubled(self, "", trouble.dropped)

    def pour_out(self) -> None:
        """We end, and what is in the transfer pipe nobody else may hold."""
        with contextlib.suppress(OSError):
            while self._held() is not None and self.lives:
                self._move(self.lives[0])

    def _give_up(self) -> None:
        if self.sink is not None:
            self.sink.close()
            self.sink = None
        if self.spool is not None:
            self.spool.close()
            self.spool = None

    # -- trouble --

    def _fail(self, life: Life, error: OSError) -> None:
        discarded = self._discard() if self.settings.drops and error.errno in FULL else 0
        self._give_up()
        text = f"{self.log}: {error.strerror}"
        trouble = self.trouble
        if trouble is None or trouble.text != text:
            dropped = trouble.end() if trouble is not None else 0
            trouble = self.trouble = Trouble(self.owner.loop, partial(self.owner.troubled, self), text, dropped)
        trouble.dropped += discarded
        trouble.retry_at = self.owner.loop.now() + RETRY_S
        if self.settings.drops:
            self._throw_away(life, trouble)
        else:
            self._pause(RETRY_S)

    def _discard(self) -> int:
        """Empty the spool, which fills the disk itself; raw bytes."""
        if self.spool is None or self.sink is None:
            return 0
        try:
            return self.spool.discard(self.sink)
        except OSError:
            return 0  # the next logger, or the next try, finds it as it is

    def _throw_away(self, life: Life, trouble: Trouble) -> None:
        """What waits in transfer pipe and FIFO; what has come as far as the spool is kept."""
        held, null = self._held(), self.owner.null
        try:
            if held is not None:
                dropped = held.throw_away(null)
            else:
                dropped = os.splice(life.fd, null, CHUNK, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            dropped = 0
        trouble.dropped += dropped
        trouble.tell_dropped()
        if not dropped and self._has_spooled():
            self._pause(RETRY_S)
        else:
            self._after(life, dropped, is_all=True)

    def _recovered(self, trouble: Trouble) -> None:
        """What was dropped is marked first: as long as not even that can be written, it is no end."""
        if trouble.dropped and self.sink is not None:
            try:
                self.sink.mark_dropped(trouble.dropped)
            except OSError:
                self._give_up()
                trouble.retry_at = self.owner.loop.now() + RETRY_S
                return
        trouble.end()
        self.trouble = None
        self.owner.troubled(self, "", trouble.dropped)
