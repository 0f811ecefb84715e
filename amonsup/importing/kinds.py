"""The kinds of source, and which file is of which. To add one: a module with `claims` and `gather`, and a line here."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from amonsup.importing import supervisord, sysv, units
from amonsup.importing.draft import Draft
from amonsup.importing.machine import Machine, UnusableError


class Kind(msgspec.Struct, frozen=True):
    """`claims(name, text)`: is this file of the kind? `gather(machine, paths)`: drafts, and what could not be read."""

    claims: Callable[[str, str], bool]
    gather: Callable[[Machine, list[str]], tuple[list[Draft], list[str]]]


KINDS = {
    units.KIND: Kind(units.claims, units.gather),
    supervisord.KIND: Kind(supervisord.claims, supervisord.gather),
    sysv.KIND: Kind(sysv.claims, sysv.gather),
}


def is_instance(path: str) -> bool:
    """ce@one.service need not be a file: it is an instance of ce@.service."""
    name = path.rpartition("/")[2]
    return "@" in name and name.endswith(units.SUFFIXES)


def sort(machine: Machine, files: list[str], named: set[str], problems: list[str]) -> dict[str, list[str]]:
    """Files by kind. Of a directory's files those of no kind are passed over; one that was named is a problem."""
    found: dict[str, list[str]] = {}
    for path in files:
        name = path.rpartition("/")[2]
        is_named = any(machine.there(each) == path for each in named)
        if units.claims(name, ""):
            found.setdefault(units.KIND, []).append(path)
            continue
        try:
            text = machine.text(path)
        except UnusableError as wrong:
            if is_named or not name.startswith("README"):
                problems.append(f"{path}: {wrong}")
            continue
        kind = next((each for each, kind in KINDS.items() if kind.claims(name, text)), "")
        if kind:
            found.setdefault(kind, []).append(path)
        elif is_named:
            problems.append(f"{path}: is neither a systemd unit, an init script nor a supervisord.conf")
    return found
