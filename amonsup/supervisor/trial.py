"""Before an upgrade: could this version go on from what the running one has on disk? Reads, never touches."""

from __future__ import annotations

import os

import msgspec

from amonsup.supervisor.adapters import applied, files, journal, procfs


def objection(state_dir: str, run_dir: str) -> str:
    """Why this version must not take over, in words; empty if it can."""
    for directory, what in ((state_dir, "applied configuration"), (run_dir, "journal")):
        try:
            if what == "journal":
                journal.understand(files.read(os.path.join(run_dir, "journal")) or b"", procfs.boot_id())
            elif applied.decode(files.read(applied.path_of(state_dir))) is None:
                return f"it does not understand the {what} in {directory}"
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            return f"it does not understand the {what} in {directory}: {error}"
    return ""
