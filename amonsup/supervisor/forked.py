"""Daemons that fork into the background: found again once what had started them is gone.

A service of type forking is started by a process that ends as soon as the daemon is up (daemon(7), 'SysV Daemons').
Its pid file names the daemon; but a pid file is written by whoever may, sometimes late and sometimes wrongly, so it
is believed only if the process it names is in the service's scope. Without a pid file, or with one that lies, the
daemon is the oldest process that is left in the scope: there it cannot hide.

The looks are few and at growing distances, so a daemon that writes its pid file late is waited for, and nothing polls.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from amonsup.config.specs import ServiceSpec
from amonsup.loop.kernel import start_ticks
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import pid_file
from amonsup.supervisor.adapters.scopes import Scopes
from amonsup.supervisor.model import events as ev

LOOKS_S = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""The pauses between looks. After them the pid file is given up."""

LIES = 4
"""A file that is there, and names no process of the service, is looked at so often: it may just be being written."""

SETTLED_S = 0.05
"""A process that is the oldest for so long is not just one of the steps of a double fork."""


class Seeker:
    """`found(name, generation, pid, ticks)` is called once for each daemon found; MainMissing is posted otherwise."""

    def __init__(
        self,
        loop: Loop,
        scopes: Scopes,
        found: Callable[[str, int, int, int], None],
        post: Callable[[ev.AnyEvent], None],
    ) -> None:
        self._loop = loop
        self._scopes = scopes
        self._found = found
        self._post = post
        self._sought: dict[str, int] = {}  # service -> generation; a later search ends an earlier one

    def seek(self, spec: ServiceSpec, generation: int, uid: int) -> None:
        """`uid`: whom the service runs as, -1 for us."""
        self._sought[spec.name] = generation
        if spec.pid_file:
            self._look(spec, generation, uid, 0)
        else:
            self._look_around(spec, generation, 0, 0)

    def _look(self, spec: ServiceSpec, generation: int, uid: int, looks: int) -> None:
        if self._sought.get(spec.name) != generation:
            return
        pid = pid_file.read(spec.pid_file, uid)
        ticks = start_ticks(pid) if pid else 0
        if ticks and self._scopes.holds(spec.name, pid):
            self._end(spec.name)
            self._found(spec.name, generation, pid, ticks)
        elif looks < (LIES if os.path.lexists(spec.pid_file) else len(LOOKS_S)) and self._members(spec.name):
            self._later(LOOKS_S[looks], lambda: self._look(spec, generation, uid, looks + 1))
        else:
            self._look_around(spec, generation, 0, 0)

    def _look_around(self, spec: ServiceSpec, generation: int, before: int, looks: int) -> None:
        if self._sought.get(spec.name) != generation:
            return
        members = self._members(spec.name)
        if not members:
            self._end(spec.name)
            reason = "the command ended and left no process behind (type: forking expects a daemon)"
            self._post(ev.MainMissing(name=spec.name, generation=generation, reason=reason))
            return
        oldest = min(members, key=lambda pid: (start_ticks(pid), pid))
        ticks = start_ticks(oldest)
        if ticks and (oldest == before or looks >= len(LOOKS_S)):
            self._end(spec.name)
            self._found(spec.name, generation, oldest, ticks)
        else:
            self._later(SETTLED_S, lambda: self._look_around(spec, generation, oldest, looks + 1))

    def _members(self, name: str) -> list[int]:
        return [pid for pid in self._scopes.members(name, thorough=True) if start_ticks(pid)]

    def _later(self, after_s: float, call: Callable[[], None]) -> None:
        self._loop.call_at(self._loop.now() + after_s, call)

    def _end(self, name: str) -> None:
        self._sought.pop(name, None)
