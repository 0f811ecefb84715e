"""Getting ready: everything a life needs before its process is made, for the next one made in a quiet moment.

A FIFO, a notify socket, a cgroup and a look into /etc/passwd are most of the way from a crash to its successor. So the
life after this one is made ready soon after this one was born; whatever has changed by the time it is needed (spec,
account, scope), it is made anew.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping

import msgspec

from amonsup.config.specs import ServiceSpec, ServiceType
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import accounts, readiness, spawn
from amonsup.supervisor.adapters.accounts import Account
from amonsup.supervisor.adapters.outputs import STDERR, Outputs
from amonsup.supervisor.adapters.scopes import Scopes
from amonsup.supervisor.adapters.store import Store
from amonsup.supervisor.births import Births, Surroundings

READY_AFTER_S = 0.5
"""How long after a start its successor is made ready: not while a whole site comes up."""

READY_SOON_S = 0.02
"""The same for one that has just been restarted: what crashed once may crash again soon."""

MOST_READIED = 48
"""Each costs some kilobytes and three descriptors; on a larger site those that do crash come first."""

FIRST_TO_FOLLOW = 2
"""The generation after a first life."""

READY_PER_TURN = 20
READY_PAUSE_S = 0.02

RESERVED = 24
"""Descriptors that no service gets: a supervisor that used up its last one could neither listen nor be succeeded."""

Extra = Callable[[], tuple[tuple[int, int], ...]]


class Next(msgspec.Struct, frozen=True):
    """A life that could be born at once. `temporary` are descriptors to be closed after the birth, or without it."""

    spec: ServiceSpec
    generation: int
    readied: spawn.Readied
    temporary: tuple[int, ...]
    accounts_stamp: tuple[int, ...]

    def close(self) -> None:
        _close(self.temporary)


class GettingReady:
    """`generations` are those of the lives there are; `on_notice` takes what is said on notify sockets."""

    def __init__(
        self,
        loop: Loop,
        births: Births,
        scopes: Scopes,
        outputs: Outputs,
        store: Store,
        surroundings: Surroundings,
        generations: Mapping[str, int],
        on_notice: Callable[[str, readiness.Notice], None],
    ) -> None:
        self.extras: dict[str, Extra] = {}  # descriptors that one of our own processes is born with
        self.notify: dict[str, readiness.NotifySocket] = {}
        self._loop = loop
        self._births = births
        self._scopes = scopes
        self._outputs = outputs
        self._store = store
        self._run_dir = surroundings.run_dir
        self._generations = generations
        self._on_notice = on_notice
        self._readied: dict[str, Next] = {}
        self._to_ready: dict[str, tuple[ServiceSpec, int]] = {}
        # Each costs us two descriptors and the guardian one; most must stay free for clients and lives.
        hard = surroundings.nofile[1]
        self._most_readied = min(MOST_READIED, hard // 16)
        self._most_descriptors = hard - min(RESERVED, hard // 4)

    def take(self, spec: ServiceSpec, generation: int) -> Next:
        """What is ready, or is made now. Raises OSError, LookupError."""
        return self._take(spec, generation) or self._make(spec, generation)

    def soon(self, spec: ServiceSpec, generation: int) -> None:
        """The life before this one has just been born."""
        if not self._to_ready:
            wait_s = READY_SOON_S if generation > FIRST_TO_FOLLOW else READY_AFTER_S
            self._loop.call_at(self._loop.now() + wait_s, self._make_some)
        self._to_ready[spec.name] = spec, generation

    def forget(self, name: str) -> None:
        """The service is no longer configured."""
        self._to_ready.pop(name, None)
        self._drop(name)
        self._close_notify(name)

    def close(self) -> None:
        """No life follows any more."""
        self._to_ready.clear()
        for name in list(self._readied):
            self._drop(name)

    def _make(self, spec: ServiceSpec, generation: int) -> Next:
        """Everything a life needs before its process is made. Raises OSError, LookupError."""
        account = self._births.account(spec)
        temporary = []
        if spec.name not in self.extras:
            self._check_room()
        try:
            extra = self.extras[spec.name]() if spec.name in self.extras else ()
            temporary += [ours for ours, _ in extra]
            output = self._output(spec, generation, account)
            notify = self.notify_path(spec, account)
            holding = self._scopes.holding(spec.name)
            if holding.cgroup_fd >= 0:
                temporary.append(holding.cgroup_fd)
            is_ours = spec.name in self.extras
            birth = self._births.birth(spec, generation, account, output, notify, extra, holding, is_ours=is_ours)
            readied = spawn.ready(birth)
        except BaseException:
            _close(temporary)
            raise
        return Next(spec, generation, readied, tuple(temporary), accounts.stamp())

    def _check_room(self) -> None:
        """Raises OSError if what is left is reserved. The lowest free number tells how many are in use."""
        lowest = os.dup(self._births.null)
        os.close(lowest)
        if lowest >= self._most_descriptors:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def _make_some(self) -> None:
        """In a quiet moment: a crash must not wait for a FIFO, a cgroup and a look into /etc/passwd."""
        for name in list(self._to_ready)[:READY_PER_TURN]:
            spec, generation = self._to_ready.pop(name)
            if self._generations.get(name) != generation - 1:
                continue
            self._drop(name)
            if len(self._readied) >= self._most_readied:
                if generation == FIRST_TO_FOLLOW:
                    continue  # it has never crashed
                self._drop(next(iter(self._readied)))
            try:
                self._readied[name] = self._make(spec, generation)
            except (OSError, LookupError):
                continue  # it will be tried, and said, when it is needed
        if self._to_ready:
            self._loop.call_at(self._loop.now() + READY_PAUSE_S, self._make_some)

    def _take(self, spec: ServiceSpec, generation: int) -> Next | None:
        coming = self._readied.pop(spec.name, None)
        if coming is None:
            return None
        is_same = coming.spec is spec and coming.generation == generation and not self._scopes.is_spent(spec.name)
        if is_same and (not spec.user or coming.accounts_stamp == accounts.stamp()):
            return coming
        coming.close()
        self._outputs.over(spec.name, coming.generation)
        return None

    def _drop(self, name: str) -> None:
        coming = self._readied.pop(name, None)
        if coming is not None:
            coming.close()
            self._outputs.over(name, coming.generation)

    def _output(self, spec: ServiceSpec, generation: int, account: Account) -> tuple[int, int]:
        """Where stdout and stderr go."""
        if spec.name in self.extras:
            return 2, 2  # our own processes complain where we do
        if not spec.logging.capture:
            return self._births.null, self._births.null
        make = self._outputs.of if spec.pre_start else self._outputs.make  # its hook may have written there already
        output = make(spec.name, generation, account)
        if spec.logging.stderr == "merge":
            return output, output
        return output, make(spec.name, generation, account, kind=STDERR)

    def notify_path(self, spec: ServiceSpec, account: Account) -> str:
        """The service's socket, made if need be."""
        if spec.type is not ServiceType.NOTIFY:
            return ""
        key = f"notify:{spec.name}"
        path = readiness.path_of(self._run_dir, spec.name)
        if key in self._store.descriptors and _belongs_to(path, account):
            if spec.name not in self.notify:
                self._open_notify(spec.name, self._store.descriptors[key])
            return path
        self._close_notify(spec.name)
        fd = readiness.make_socket(self._run_dir, spec.name, account)
        self._store.keep(key, fd)
        self._open_notify(spec.name, fd)
        return path

    def _open_notify(self, name: str, fd: int) -> None:
        self.notify[name] = readiness.NotifySocket(self._loop, fd, lambda notice: self._on_notice(name, notice))

    def _close_notify(self, name: str) -> None:
        sock = self.notify.pop(name, None)
        if sock is not None:
            sock.close()


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


def _belongs_to(path: str, account: Account) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return account.uid < 0 or (status.st_uid, status.st_gid) == (account.uid, account.gid)
