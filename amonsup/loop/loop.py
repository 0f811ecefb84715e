"""The event loop of guardian, supervisor and logger: descriptors, timers and signals over one epoll.

It is small on purpose: these three processes must stay light (asyncio would cost each about 10 MB) and easy to be
sure of. A callback runs to its end before the next; nothing here ever sleeps with work at hand, and with nothing to
do the process does not wake at all. Time is CLOCK_MONOTONIC seconds.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import signal
import time
from collections.abc import Callable, Iterable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
HANGUP = select.EPOLLHUP
PRIORITY = select.EPOLLPRI

_BATCH = 64
"""Descriptors served per turn: more only delays the timers and the rest."""


class Timer:
    """A call that is due at `at`; `cancel` may be called at any time, also after it was made."""

    __slots__ = ("at", "callback")

    def __init__(self, at: float, callback: Callable[[], None] | None) -> None:
        self.at = at
        self.callback = callback

    def cancel(self) -> None:
        self.callback = None

    def __lt__(self, other: Timer) -> bool:
        return self.at < other.at


class Loop:
    """One per process. Callbacks get the epoll event mask; what they raise ends the loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.now = clock
        self._epoll = select.epoll(flags=select.EPOLL_CLOEXEC)
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._timers: list[Timer] = []
        self._tidy_at = 64  # cancelled timers are thrown out when the heap has grown to this
        self._soon: list[Callable[[], None]] = []
        self._signal_handlers: dict[int, Callable[[], None]] = {}
        self._signal_pipe: tuple[int, int] | None = None
        self._is_stopping = False

    # -- descriptors --

    def watch(self, fd: int, callback: Callable[[int], None], mask: int = READ) -> None:
        """Call back with the event mask whenever `fd` is ready; a second call replaces mask and callback.

        Raises OSError for a descriptor that epoll cannot watch, or when the limit of watches is reached.
        """
        if fd in self._callbacks:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._callbacks[fd] = callback

    def unwatch(self, fd: int) -> None:
        """Must be called before the descriptor is closed. Unknown descriptors are ignored."""
        if self._callbacks.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    # -- time --

    def call_at(self, at: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(at, callback)
        if len(self._timers) >= self._tidy_at:
            self._timers = [t for t in self._timers if t.callback is not None]
            heapq.heapify(self._timers)
            self._tidy_at = max(64, 2 * len(self._timers))
        heapq.heappush(self._timers, timer)
        return timer

    def call_soon(self, callback: Callable[[], None]) -> None:
        """After the callbacks of this turn, before the loop waits again."""
        self._soon.append(callback)

    # -- signals --

    def on_signals(self, signums: Iterable[int], callback: Callable[[int], None]) -> None:
        """Deliver signals as ordinary callbacks. Main thread only."""
        if self._signal_pipe is None:
            self._signal_pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            signal.set_wakeup_fd(self._signal_pipe[1], warn_on_full_buffer=False)
            self.watch(self._signal_pipe[0], self._read_signals)
        for signum in signums:
            self._signal_handlers[signum] = lambda number=signum: callback(number)  # type: ignore[misc]
            signal.signal(signum, _noop)

    def _read_signals(self, _mask: int) -> None:
        assert self._signal_pipe is not None
        seen = os.read(self._signal_pipe[0], 4096)
        for signum in dict.fromkeys(seen):
            handler = self._signal_handlers.get(signum)
            if handler is not None:
                handler()

    # -- running --

    def stop(self) -> None:
        self._is_stopping = True

    def run(self) -> None:
        """Serve until `stop`."""
        while not self._is_stopping:
            self.turn()

    def turn(self) -> None:
        """Wait once, serve what is due."""
        for fd, mask in self._wait():
            callback = self._callbacks.get(fd)  # an earlier callback of this turn may have closed it
            if callback is not None:
                callback(mask)
        now = self.now()
        while self._timers and (self._timers[0].at <= now or self._timers[0].callback is None):
            due = heapq.heappop(self._timers).callback
            if due is not None:
                due()
        soon, self._soon = self._soon, []  # what these add comes after the next look at the descriptors
        for call in soon:
            call()

    def _wait(self) -> list[tuple[int, int]]:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        timeout: float | None = None
        if self._soon:
            timeout = 0.0
        elif self._timers:
            timeout = max(0.0, self._timers[0].at - self.now())
        return self._epoll.poll(timeout, _BATCH)


def _noop(_signum: int, _frame: object) -> None:
    """Python needs a handler for the wake-up descriptor to be written; the work is done in the loop."""
