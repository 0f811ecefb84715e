"""Secrets, handed over as files that only the service's user can read: run_dir/secrets/SERVICE, in $AMONSUP_SECRETS.

They are read from their sources when a life is born, not when it is made ready, so that a changed secret is in force
from the next start on; and they go when the life is swept. Nothing of them passes through an environment, an argument,
a record or an event. run_dir is a tmpfs where the machine is set up as usual; then they never touch a disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from amonsup.config.secret_files import MAX_BYTES, SecretError, read
from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.adapters.accounts import Account

__all__ = ["SecretError", "Secrets"]


class Secrets:
    """The secrets of all services that have any."""

    def __init__(self, run_dir: str) -> None:
        self._directory = os.path.join(run_dir, "secrets")
        self._held = set(_names(self._directory))

    def path(self, name: str) -> str:
        """Where the service finds them."""
        return os.path.join(self._directory, name)

    def hand_over(self, spec: ServiceSpec, account: Account, *, anew: bool = True) -> None:
        """Write them for a process about to be born; not `anew`: only if they are not there yet.

        Raises OSError, SecretError; then nothing is left of them.
        """
        if not spec.secrets and spec.name not in self._held:
            return
        path = self.path(spec.name)
        if not anew and os.path.isdir(path):
            return
        self.drop(spec.name)
        if not spec.secrets:
            return
        left = MAX_BYTES
        contents = []
        for secret, source in spec.secrets:
            try:
                contents.append((secret, read(source, left)))
            except SecretError as wrong:
                raise SecretError(f"secret {secret}: {wrong}") from None
            left -= len(contents[-1][1])
        try:
            self._write(path, contents, account)
        except OSError:
            self.drop(spec.name)
            raise

    def _write(self, path: str, contents: list[tuple[str, bytes]], account: Account) -> None:
        """The directory stays ours, readable for the group of the service: its user cannot put anything there."""
        if not os.path.isdir(self._directory):
            os.mkdir(self._directory)
            os.chmod(self._directory, 0o711)
        os.mkdir(path, 0o700)
        self._held.add(os.path.basename(path))
        for secret, content in contents:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(os.path.join(path, secret), flags, 0o400)
            try:
                written = 0
                while written < len(content):
                    written += os.write(fd, content[written:])
                if account.uid >= 0:
                    os.fchown(fd, account.uid, account.gid)
            finally:
                os.close(fd)
        if account.uid >= 0:
            os.chown(path, -1, account.gid)
            os.chmod(path, 0o750)

    def drop(self, name: str) -> None:
        """The life is over. The directory is ours, so there is nothing in it but what we wrote."""
        if name not in self._held:
            return
        path = self.path(name)
        try:
            for secret in os.listdir(path):
                os.unlink(os.path.join(path, secret))
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            return  # a plain user's service put something in there by itself; the next birth will say so
        self._held.discard(name)

    def keep_only(self, names: Iterable[str]) -> None:
        """After a start of ours: those of services that do not live any more go."""
        for name in self._held.difference(names):
            self.drop(name)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
