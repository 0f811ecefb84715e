"""Readers: a process each for clients who may not read the logs themselves (logs/reader.py).

The supervisor starts one and hands its other end to the client; what is read never passes through here. Readers run as
the logger's user, or for files that a service writes by itself as that service's user; with bounded memory, behind
everybody else in the queue for the processor. They are bounded in number, altogether and by caller, so that one who
reads nothing of what was asked for keeps no place from others.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping

import msgspec

from amonsup import boot
from amonsup.config.specs import ServiceSpec, SiteSpec
from amonsup.loop.kernel import start_ticks
from amonsup.supervisor.adapters import accounts, spawn
from amonsup.supervisor.adapters.watch import Ended, Watch
from amonsup.supervisor.handlers.desk import Refusal

MOST = 32
MOST_PER_CALLER = 12
DIES_S = 1.0
"""More than a process takes that was killed."""

MEMORY = 1 << 30
"""Bytes of address space: a reader needs some 60 MB, however much it reads."""

LINK_FD = 3


class Readers:
    """Those of this supervisor; they end with it."""

    def __init__(self, site: SiteSpec, watch: Watch, account_of: Callable[[ServiceSpec], accounts.Account]) -> None:
        """`account_of` raises LookupError."""
        self._site = site
        self._watch = watch
        self._account_of = account_of
        self._callers: dict[int, tuple[int, str]] = {}  # pid -> (start time, who asked)

    def start(self, query: msgspec.Struct, by: str, owner: ServiceSpec | None = None) -> tuple[int, int] | Refusal:
        """(pid, the client's end); the descriptor is the caller's. `owner`: its own files are to be read."""
        if len(self._callers) >= MOST:
            return Refusal("busy", f"{MOST} logs are being read just now; try again later")
        if sum(caller == by for _, caller in self._callers.values()) >= MOST_PER_CALLER:
            return Refusal("busy", f"{by} reads {MOST_PER_CALLER} logs already")
        try:
            account = self._account(owner)
            asked = os.memfd_create("amonsup-query", os.MFD_CLOEXEC)
            os.write(asked, msgspec.json.encode(query))
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except LookupError as error:
            return Refusal("failed", f"{f'user of {owner.name}' if owner is not None else 'log_user'}: {error}")
        except OSError as error:
            return Refusal("failed", f"a reader cannot be started: {error.strerror}")
        born = spawn.spawn(self._birth(account, asked, theirs.fileno(), owner))
        os.close(asked)
        theirs.close()
        if isinstance(born, spawn.SpawnFailure):
            ours.close()
            return Refusal("failed", f"a reader cannot be started: {born.text}")
        pid, ticks = born.pid, start_ticks(born.pid)
        self._callers[pid] = ticks, by
        self._watch.own(pid, born.pidfd, ticks, lambda end: self._ended(pid, end))
        return pid, ours.detach()

    def close(self) -> None:
        """Nothing of ours survives a shutdown: they are killed, and waited for until they are gone."""
        for pid, (ticks, _) in self._callers.items():
            self._watch.signal(pid, ticks, signal.SIGKILL)
        self._watch.wait_for(self._callers, DIES_S)

    def _ended(self, pid: int, _end: Ended) -> None:
        self._callers.pop(pid, None)

    def _account(self, owner: ServiceSpec | None) -> accounts.Account:
        if owner is not None:
            return self._account_of(owner)
        return accounts.own() if not self._site.log_user else accounts.of(self._site.log_user, "", ())

    def _birth(self, account: accounts.Account, query: int, link: int, owner: ServiceSpec | None) -> spawn.Birth:
        options: dict[str, object] = {"log_dir": self._site.log_dir}
        environment: Mapping[str, str] = os.environ
        if owner is not None:
            # Of our environment nothing is a service's business.
            options = {"files": list(owner.logging.files)}
            environment = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": os.environ.get("TZ", "")}
        return spawn.Birth(
            argv=tuple(boot.command_line("reader", options)),
            environment=tuple(environment.items()),
            working_dir="/",
            stdin_fd=query,
            stdout_fd=2,
            stderr_fd=2,
            inherited=((link, LINK_FD),),
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
            limits=((resource.RLIMIT_AS, MEMORY, MEMORY), (resource.RLIMIT_CORE, 0, 0)),
            no_new_privileges=True,
        )
