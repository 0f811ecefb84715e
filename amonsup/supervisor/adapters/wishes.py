"""What people want of single services and a boot must not undo, in state_dir: stopped, enabled, held, run up to when.

conf.d says what a service is; this is what was said about it on the command line since, one small file for all. It is
written as a whole after a turn that changed it, and a failure is tried again: nothing that runs waits for it. A file
that cannot be read is set aside, not believed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from amonsup.supervisor.adapters import files
from amonsup.supervisor.model.records import Hold

FORMAT = 1


class Autostart(msgspec.Struct, frozen=True):
    """Whether it starts by itself, over conf.d's autostart. `at`: wall clock, Unix seconds."""

    is_enabled: bool
    by: str
    at: float


class Mute(msgspec.Struct, frozen=True):
    """No alerts until a wall time (Unix seconds)."""

    until: float
    by: str
    why: str = ""


class Wish(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of one service. `dealt`: up to which wall time the `calendar` was dealt with."""

    is_stopped: bool = False
    autostart: Autostart | None = None
    hold: Hold | None = None
    calendar: str = ""
    dealt: float = 0.0
    mute: Mute | None = None


class _File(msgspec.Struct, frozen=True):
    format: int
    services: dict[str, Wish]


NONE = Wish()


class Wishes:
    """By name of a service, of an instance, or of what instances are made of."""

    def __init__(self, state_dir: str) -> None:
        self._path = os.path.join(state_dir, "wishes.json")
        self._is_dirty = False
        self._known: dict[str, Wish] = {}
        self.error = ""
        try:
            raw = files.read(self._path)
            if raw is not None:
                found = msgspec.json.decode(raw, type=_File)
                if found.format == FORMAT:
                    self._known = found.services
                else:
                    files.set_aside(self._path)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            files.set_aside(self._path)
        except OSError as error:
            self.error = f"{self._path}: {error.strerror}"

    def of(self, name: str) -> Wish:
        return self._known.get(name, NONE)

    def stop(self, name: str, *, is_stopped: bool) -> None:
        """A person stopped it, or started it again."""
        self._put(name, msgspec.structs.replace(self.of(name), is_stopped=is_stopped))

    def enable(self, name: str, autostart: Autostart) -> None:
        self._put(name, msgspec.structs.replace(self.of(name), autostart=autostart))

    def hold(self, name: str, hold: Hold | None) -> None:
        self._put(name, msgspec.structs.replace(self.of(name), hold=hold))

    def mute(self, name: str, mute: Mute | None) -> None:
        self._put(name, msgspec.structs.replace(self.of(name), mute=mute))

    def deal(self, name: str, calendar: str, dealt: float) -> None:
        self._put(name, msgspec.structs.replace(self.of(name), calendar=calendar, dealt=dealt))

    def keep_only(self, names: Iterable[str]) -> None:
        """Whatever is not configured any more has no wishes."""
        for gone in self._known.keys() - set(names):
            del self._known[gone]
            self._is_dirty = True

    def save(self) -> None:
        """Write if something changed; a failure is kept in `error` and tried again next time."""
        if not self._is_dirty:
            return
        raw = msgspec.json.encode(_File(FORMAT, self._known))
        try:
            files.write_atomically(self._path, raw, is_durable=False)
        except OSError as error:
            self.error = f"{self._path}: {error.strerror}"
            return
        self._is_dirty, self.error = False, ""

    def _put(self, name: str, wish: Wish) -> None:
        if wish == self.of(name):
            return
        if wish == NONE:
            del self._known[name]
        else:
            self._known[name] = wish
        self._is_dirty = True
