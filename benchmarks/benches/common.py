"""Choosing peers and surviving one that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from subprocess import SubprocessError

from lab import Lab, LabError
from peers import NotInstalledError, Peer
from report import Row, Table
from settings import Settings


def say(text: str) -> None:
    """Progress, on the way to a table."""
    print(f"  … {text}", flush=True)


def present(lab: Lab, settings: Settings, kinds: Sequence[type[Peer]], table: Table) -> list[Peer]:
    """An adapter for each peer that is installed and wanted; the table names the missing ones."""
    found = []
    for kind in kinds:
        if settings.only and kind.name not in settings.only:
            continue
        peer = kind(lab, settings.use_shell)
        try:
            peer.path()
        except NotInstalledError as missing:
            table.notes.append(f"skipped: {missing}")
            continue
        found.append(peer)
    return found


def guarded(row: Row, measure: Callable[[], list[float]]) -> None:
    """Fill a row; a peer that cannot be measured says why in it."""
    try:
        row.samples += measure()
    except (LabError, OSError, SubprocessError, ValueError) as error:
        row.failed = f"{error}"
        say(f"{row.subject} failed: {error}")
