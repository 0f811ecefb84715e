"""amonsupd: read the configuration, take the lock, become the guardian.

This process does all that needs YAML and then replaces itself by a lean interpreter, so none of what parsing needed
stays in memory. The first start applies conf.d; later ones use what was applied last, whatever conf.d says by now.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import gc
import os
import pwd
import resource
import sys
import time

from amonsup import __version__, boot

boot.travel_light()
gc.disable()  # importing makes nothing to collect

import msgspec  # noqa: E402

from amonsup.config.errors import ConfigError, counted  # noqa: E402
from amonsup.config.site import find_config_file, load_site  # noqa: E402
from amonsup.config.specs import Loaded, SiteSpec  # noqa: E402
from amonsup.supervisor.adapters import accounts, applied, files  # noqa: E402

gc.enable()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

DONE, FAILED, INVALID = 0, 1, 2

MALLOC = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc's own first values (mallopt(3)), but kept. Otherwise each large answer or batch that is freed raises them, and
what was once used for a moment is never given back: a megabyte with 1000 services. Services do not inherit this."""


def main() -> int:
    """The console script."""
    gc.disable()  # this process ends in an exec before there is anything to collect
    parser = argparse.ArgumentParser(
        prog="amonsupd",
        description="Supervise the services described in conf.d, in the foreground.",
        epilog="Signals: TERM stops everything in order, HUP applies conf.d, USR2 replaces amonsupd by the installed "
        "version without touching a service. Exit status: 0 stopped; 1 failed, or another amonsupd runs; 2 invalid "
        "configuration.",
    )
    parser.add_argument(
        "-c", metavar="FILE", dest="config", help="amonsup.yaml; default: $AMONSUP_CONFIG, ./, /etc/amonsup/"
    )
    parser.add_argument("--check", action="store_true", help="check the configuration and exit")
    parser.add_argument("--version", action="version", version=f"amonsupd {__version__}")
    args = parser.parse_args()
    config_file = find_config_file(args.config, os.environ)
    if isinstance(config_file, ConfigError):
        return complain([config_file])
    if args.check:
        return check(config_file)
    site = load_site(config_file, environ=os.environ, euid=os.geteuid())
    if not isinstance(site, SiteSpec):
        return complain(site)
    return start(site)


def check(config_file: str) -> int:
    from amonsup.config.load import load

    loaded = load(config_file, environ=os.environ, euid=os.geteuid())
    if not isinstance(loaded, Loaded):
        return complain(loaded)
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    say(f"{config_file}: valid, {counted(len(loaded.fleet.services), 'service')}")
    return DONE


def start(site: SiteSpec) -> int:
    """Prepare the ground and become the guardian; returns only if that was impossible."""
    try:
        os.umask(0o022)
        make_directories(site)
        lock = take_lock(site.run_dir)
        os.umask(0o077)  # ours from now on, over every exec; a service has its own
    except LookupError as error:
        say(f"cannot start: {error}")
        return FAILED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        say(f"cannot start: {place}{error.strerror or error}")
        return FAILED
    if lock is None:
        return FAILED
    errors = ensure_applied(site)
    if errors is not None:
        return errors
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    protect_from_oom()
    os.set_inheritable(lock, True)
    os.chdir("/")
    options = {
        "run_dir": site.run_dir,
        "state_dir": site.state_dir,
        "site": msgspec.to_builtins(site),
        "nofile": [soft, hard],
        "lock": lock,
    }
    return become_guardian(options)


def become_guardian(options: dict[str, object]) -> NoReturn:
    """A lean interpreter in place of this process: nothing of what parsing needed stays."""
    argv = boot.command_line("guardian", options)
    os.execve(argv[0], argv, {**os.environ, **MALLOC})


def ensure_applied(site: SiteSpec) -> int | None:
    """A first start applies conf.d; an exit status if that is impossible."""
    current, set_aside = applied.read(site.state_dir, site.run_dir)
    if set_aside:
        instead = "conf.d is applied" if current is None else "what was applied since the last boot is used"
        say(f"the applied configuration could not be read; it was set aside as {set_aside}, {instead}")
    if current is not None:
        if set_aside:
            applied.write(site.state_dir, site.run_dir, current)
        return None
    from amonsup.config.load import load

    loaded = load(site.config_file, environ=os.environ, euid=os.geteuid())
    if not isinstance(loaded, Loaded):
        return complain(loaded)
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    record = applied.Applied(applied.FORMAT, 1, time.time(), loaded)
    try:
        applied.write(site.state_dir, site.run_dir, record)
    except OSError as error:
        say(f"cannot record the configuration in {site.state_dir}: {error.strerror}")
        return FAILED
    return None


def make_directories(site: SiteSpec) -> None:
    """run_dir is open to pass through (the socket decides who may what), what is in it is private."""
    files.ensure_directory(site.run_dir, 0o711)
    # FIFOs and sockets of services are reached by path by their users, so these may be passed through as well.
    files.ensure_directory(os.path.join(site.run_dir, "fifo"), 0o711)
    files.ensure_directory(os.path.join(site.run_dir, "notify"), 0o711)
    files.ensure_directory(site.state_dir, 0o711 if site.run_dir.startswith(site.state_dir + "/") else 0o700)
    make_log_directory(site.log_dir, site.log_user)
    # Made by others if it is not run_dir, and without it no supervisor would live for long.
    directory = os.path.dirname(site.socket)
    if not os.access(directory, os.W_OK | os.X_OK):
        os.stat(directory)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), directory)


def make_log_directory(log_dir: str, log_user: str) -> None:
    """As root 2750 LOG_USER:adm, so that every log in it is readable for the group; otherwise 0750.

    Logs that were root's are handed over with the directory, once: as long as it is root's, so is all that lies in it.
    """
    if os.geteuid() != 0:
        files.ensure_directory(log_dir, 0o750)
        return
    uid, gid = pwd.getpwnam(log_user).pw_uid if log_user else 0, -1
    with contextlib.suppress(LookupError):
        gid = accounts.group_id("adm")
    if uid and os.path.isdir(log_dir) and os.stat(log_dir).st_uid == 0:
        for directory, _, names in os.walk(log_dir):
            for name in names:
                os.chown(os.path.join(directory, name), uid, gid, follow_symlinks=False)
            if directory != log_dir:
                os.chown(directory, uid, gid)
    files.ensure_directory(log_dir, 0o2750, uid, gid)


def take_lock(run_dir: str) -> int | None:
    """The lock that makes us the only amonsupd of this run_dir; None if somebody else is."""
    fd = os.open(os.path.join(run_dir, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        say(f"another amonsupd (pid {holder}) runs this site: {run_dir}")
        os.close(fd)
        return None
    return fd


def protect_from_oom() -> None:
    """As root: the kernel should take anything else before us (proc_pid_oom_score_adj(5)); children get 0."""
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-900")


def complain(errors: list[ConfigError]) -> int:
    for error in errors:
        say(error.render())
    return INVALID


def say(text: str) -> None:
    sys.stderr.write(f"amonsupd: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
