"""Clean lives: after the main process is gone, see that nothing else of the life is left, and say what was.

A sweep looks, signals and looks again until nobody is left: a process that forks while it is being killed only makes
one more round. Between rounds it waits for the pidfds of those it saw, so it costs nothing while they take their
time, and what cannot die (a process in uninterruptible sleep) keeps the sweep, and so the next life, waiting: that is
then what blocks the stop, and `show` names it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import procfs
from amonsup.supervisor.adapters.scopes import Scopes
from amonsup.supervisor.model.records import Stray

AWAITED = 512
"""How many pidfds a sweep holds at a time; the others are seen in its next round."""

REPORTED = 20
LOOK_AGAIN_S = 0.02


class Sweep:
    """One sweep of one service. Ends by calling `on_clean(strays)` once, possibly within `begin`."""

    def __init__(
        self,
        loop: Loop,
        scopes: Scopes,
        name: str,
        spared: set[int],
        on_clean: Callable[[tuple[Stray, ...]], None],
        is_expected: Callable[[int], bool] | None = None,
    ) -> None:
        """`is_expected`: tells who goes as well, but is not to be called a stray."""
        self._loop = loop
        self._scopes = scopes
        self._name = name
        self._spared = spared
        self.on_clean = on_clean
        self._is_expected = is_expected
        self._pidfds: dict[int, int] = {}
        self._strays: dict[int, Stray] = {}
        self._signum = int(signal.SIGKILL)
        self._is_thorough = False
        self._is_over = False

    def begin(self, signum: int, *, thorough: bool) -> None:
        """signum 0: SIGKILL. Called again with 0, it escalates."""
        self._signum = signum or int(signal.SIGKILL)
        self._is_thorough = thorough
        self._look()

    @property
    def left(self) -> list[Stray]:
        """Who is still there, for 'what blocks the stop'."""
        return [self._strays[pid] for pid in self._pidfds if pid in self._strays]

    def cancel(self) -> None:
        self._is_over = True
        self._release()

    def _look(self) -> None:
        self._release()
        members = [
            pid for pid in self._scopes.members(self._name, thorough=self._is_thorough) if pid not in self._spared
        ]
        if not members:
            self._is_over = True
            self.on_clean(tuple(self._strays.values()))
            return
        self._is_thorough = True
        for pid in members[:REPORTED]:
            if pid not in self._strays and not (self._is_expected is not None and self._is_expected(pid)):
                self._strays[pid] = Stray(pid=pid, command=procfs.command(pid))
        killed = self._signum == signal.SIGKILL and not self._spared and self._scopes.kill(self._name)
        for pid in members[:AWAITED]:
            self._await(pid, None if killed else self._signum)
        if not self._pidfds:  # all gone meanwhile, or nothing could be opened just now
            self._loop.call_at(self._loop.now() + LOOK_AGAIN_S, self._look_again)

    def _await(self, pid: int, signum: int | None) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return
        if signum is not None:
            if not self._scopes.holds(self._name, pid):  # the number may have gone to somebody else meanwhile
                os.close(pidfd)
                return
            try:
                signal.pidfd_send_signal(pidfd, signum)
            except ProcessLookupError:
                os.close(pidfd)
                return
            except OSError:
                pass  # not ours to signal (a setuid program): its end is waited for all the same, and `show` names it
        self._pidfds[pid] = pidfd
        self._loop.watch(pidfd, lambda _mask: self._gone(pid))

    def _gone(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid)
        self._loop.unwatch(pidfd)
        os.close(pidfd)
        if not self._pidfds:
            self._look()

    def _look_again(self) -> None:
        if not self._is_over:
            self._look()

    def _release(self) -> None:
        for pidfd in self._pidfds.values():
            self._loop.unwatch(pidfd)
            os.close(pidfd)
        self._pidfds.clear()
