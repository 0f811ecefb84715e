"""Who a service runs as, looked up when it is started: accounts may appear, change and vanish while we run."""

from __future__ import annotations

import grp
import os
import pwd

import msgspec


class Account(msgspec.Struct, frozen=True):
    """uid -1: nobody in particular, the child stays who we are. The texts are what login(1) would set."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str
    shell: str


def own() -> Account:
    """Ourselves; also works for a uid without an account."""
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        return Account(-1, -1, (), str(os.geteuid()), "/", "/bin/sh")
    return Account(-1, -1, (), entry.pw_name, entry.pw_dir, entry.pw_shell or "/bin/sh")


def of(user: str, group: str, supplementary: tuple[str, ...]) -> Account:
    """The account of a service that names a user (name or number) and perhaps groups. Raises LookupError."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise LookupError(f"there is no user {user!r}") from None
    gid = group_id(group) if group else entry.pw_gid
    if supplementary:
        groups = tuple(group_id(name) for name in supplementary)
    else:
        groups = tuple(g for g in os.getgrouplist(entry.pw_name, gid))
    return Account(entry.pw_uid, gid, groups, entry.pw_name, entry.pw_dir, entry.pw_shell or "/bin/sh")


def group_id(group: str) -> int:
    """Raises LookupError."""
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise LookupError(f"there is no group {group!r}") from None


def user_name(uid: int) -> str:
    """For people; the number where there is no account."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def group_names(gids: list[int]) -> set[str]:
    names = set()
    for gid in gids:
        try:
            names.add(grp.getgrgid(gid).gr_name)
        except KeyError:
            names.add(str(gid))
    return names


def stamp() -> tuple[int, ...]:
    """Changes when the local account files do, so that what was looked up before can be told from what holds."""
    found = []
    for path in ("/etc/passwd", "/etc/group"):
        try:
            status = os.stat(path)
        except OSError:
            continue
        found += [status.st_ino, status.st_mtime_ns]
    return tuple(found)
