"""What survives a boot, in state_dir: the applied configuration.

What runs is the last *applied* configuration. It is written as a whole before an apply has its first effect, so that
whoever comes next (a successor, a boot) carries out the same. A file that cannot be read is set aside, not believed;
then the copy in run_dir, which lasts as long as the boot, takes its place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

import msgspec

from amonsup.config.instances import Scaled
from amonsup.config.specs import Loaded, ServiceSpec
from amonsup.supervisor.adapters import files
from amonsup.supervisor.model.records import Operation

FORMAT = 1

SHARED = (
    "backoff",
    "command",
    "depends_on",
    "environment",
    "healthcheck",
    "logging",
    "start_limit",
    "tags",
    "working_dir",
)
"""Fields of specs that are often the same, and not small."""


class Applied(msgspec.Struct, frozen=True):
    """`at`: wall clock, seconds, for display. `serial` grows by one with every apply.

    `scaled` is what `amonsup scale` said and conf.d has not overtaken. `operation` is the apply (or scale) itself and
    `leaving` what it removes: with them a successor can finish it, even if our predecessor died before anything else
    of it was on record.
    """

    format: int
    serial: int
    at: float
    loaded: Loaded
    instance: str = ""
    operation: Operation | None = None
    leaving: tuple[ServiceSpec, ...] = ()
    scaled: dict[str, Scaled] = {}


def path_of(state_dir: str) -> str:
    return os.path.join(state_dir, "applied.json")


def write(state_dir: str, run_dir: str, applied: Applied) -> None:
    """Raises OSError; the old one is untouched then."""
    raw = msgspec.json.encode(applied)
    # Not flushed: an fsync can take seconds on a busy disk, and the rename keeps old or new whole on every crash.
    files.write_atomically(path_of(state_dir), raw, is_durable=False)
    with contextlib.suppress(OSError):  # only a second copy
        files.write_atomically(path_of(run_dir), raw, is_durable=False)


def read(state_dir: str, run_dir: str) -> tuple[Applied | None, str]:
    """The applied configuration, or None; and where an unbelievable file was put, or empty. Raises OSError."""
    raw = files.read(path_of(state_dir))
    found = decode(raw)
    set_aside = files.set_aside(path_of(state_dir)) if raw is not None and found is None else ""
    if set_aside:
        with contextlib.suppress(OSError):
            found = decode(files.read(path_of(run_dir)))
    return found, set_aside


def decode(raw: bytes | None) -> Applied | None:
    """What the bytes say, or None if this version does not understand them."""
    try:
        applied = msgspec.json.decode(raw or b"", type=Applied)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if applied.format != FORMAT:
        return None
    share(applied.loaded.fleet.services)
    return applied


def share(services: Iterable[ServiceSpec]) -> None:
    """Let what is equal be one object: on a large site many services say the same of these, and they live for long."""
    known: dict[object, object] = {}
    for spec in services:
        for key in SHARED:
            value = getattr(spec, key)
            if value:
                msgspec.structs.force_setattr(spec, key, known.setdefault((key, value), value))
