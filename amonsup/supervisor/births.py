"""What a child of a service is born with: account, environment, limits, from its spec and its surroundings.

The same for the main process of a life and for whatever else is started on behalf of it. Nothing is started here, and
nothing is remembered but who we are.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

import msgspec

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.adapters import accounts, rights
from amonsup.supervisor.adapters.accounts import Account
from amonsup.supervisor.adapters.limits import Limits
from amonsup.supervisor.adapters.scopes import Holding
from amonsup.supervisor.adapters.secrets import Secrets
from amonsup.supervisor.adapters.spawn import Birth

TRANSIENT = {
    errno.EAGAIN,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ETIMEDOUT,
}
"""Errors that say that a resource is short just now, not that the service is described wrongly."""

INHERITED = ("PATH", "LANG", "TZ")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Surroundings(msgspec.Struct, frozen=True):
    """What all services are born with. `nofile`: the soft limit we found when we were started."""

    site: str
    run_dir: str
    nofile: tuple[int, int]
    oom_score_adj: int | None
    base_environment: tuple[tuple[str, str], ...]


class Births:
    """`null` is /dev/null, for whoever has no input or no output."""

    def __init__(self, surroundings: Surroundings, limits: Limits) -> None:
        self.surroundings = surroundings
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.limits = limits
        self.secrets = Secrets(surroundings.run_dir)
        self._own_account = accounts.own()

    def account(self, spec: ServiceSpec) -> Account:
        """Who the service runs as. Raises LookupError."""
        if spec.user:
            return accounts.of(spec.user, spec.group, spec.supplementary_groups)
        return self._own_account

    def birth(
        self,
        spec: ServiceSpec,
        generation: int,
        account: Account,
        output: tuple[int, int],
        notify: str,
        extra: tuple[tuple[int, int], ...],
        holding: Holding,
        *,
        is_ours: bool,
    ) -> Birth:
        """`is_ours`: one of our own processes, which keeps our limits. `output` is for stdout and stderr; all
        descriptors stay the caller's.

        Just before the birth `secrets.hand_over` has to follow: what is made ready beforehand must hold none.
        """
        around = self.surroundings
        limits = () if is_ours else rights.limits(spec, around.nofile)
        given = {"oom_score_adj": None if is_ours else around.oom_score_adj, **rights.of(spec)}
        return Birth(
            argv=spec.command,
            environment=self._environment(spec, generation, account, notify),
            working_dir=spec.working_dir,
            stdin_fd=self.null,
            stdout_fd=output[0],
            stderr_fd=output[1],
            inherited=extra,
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
            limits=(*limits, *holding.limits),
            no_new_privileges=spec.no_new_privileges,
            cgroup_fd=holding.cgroup_fd,
            v1_procs=() if is_ours else self.limits.place(spec),
            cpus=self.limits.cpus_at_birth(spec),
            **given,
        )

    def _environment(
        self, spec: ServiceSpec, generation: int, account: Account, notify: str
    ) -> tuple[tuple[str, str], ...]:
        found = dict(self.surroundings.base_environment)
        found.update(HOME=account.home, USER=account.name, LOGNAME=account.name, SHELL=account.shell)
        found.update(spec.environment)
        found.update(AMONSUP_SITE=self.surroundings.site, AMONSUP_SERVICE=spec.name, AMONSUP_LIFE=str(generation))
        if spec.secrets:
            found["AMONSUP_SECRETS"] = self.secrets.path(spec.name)
        if notify:
            found["NOTIFY_SOCKET"] = notify
            if spec.watchdog_s > 0:
                found["WATCHDOG_USEC"] = str(int(spec.watchdog_s * 1_000_000))
        return tuple(found.items())


def base_environment(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What of our own environment services inherit."""
    found = {key: value for key, value in environ.items() if key in INHERITED or key.startswith("LC_")}
    found.setdefault("PATH", DEFAULT_PATH)
    return tuple(found.items())
