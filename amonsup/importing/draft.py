"""A service under translation: the keys it will have, and what became of everything its source says.

The fates: *carried* means the same here as there; *approximated* means nearly, and says what differs; *left out* has no
equivalent, and says why; *needless* has no effect on a service that amonsup runs (an alias, the order after a target
that is reached before amonsupd itself is started).
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from amonsup.config.errors import SHOWN, printable
from amonsup.config.units import NAME
from amonsup.verbs.results import ImportRemark

CARRIED, APPROXIMATED, LEFT_OUT, NEEDLESS = "carried", "approximated", "left out", "needless"
EXACT, REDUCED, REFUSED = "exact", "reduced", "refused"
LONGEST_NAME = 63
FOREVER = "365d"
"""What stands for 'no limit' where a duration must stand."""

HARDENING = "sandboxing: amonsup does not restrict what a service sees of the system"


class Place(msgspec.Struct, frozen=True):
    """Where something was said. Line 0: the file as a whole."""

    file: str
    line: int = 0


class Filled(str):
    """Text in which NUL NAME SOH stands for the daemon's own variable NAME, to be filled in at an apply."""

    __slots__ = ()


class RefusedError(Exception):
    """A service cannot be carried over; the text says why and what to do."""

    def __init__(self, reason: str, place: Place | None = None) -> None:
        super().__init__(reason)
        self.place = place


class Draft:
    """`keys` are those of a conf.d service, in plain values; `companions` are further services that it needs."""

    def __init__(self, name: str, kind: str, source: str) -> None:
        self.name, self.kind, self.source = name, kind, source
        self.keys: dict[str, Any] = {}
        self.remarks: list[ImportRemark] = []
        self.companions: dict[str, dict[str, Any]] = {}
        self.aliases: set[str] = set()
        self.reason = ""

    def carried(self, place: Place, what: str, how: str = "") -> None:
        self._remark(place, what, CARRIED, how)

    def approximated(self, place: Place, what: str, how: str) -> None:
        self._remark(place, what, APPROXIMATED, how)

    def left_out(self, place: Place, what: str, why: str) -> None:
        self._remark(place, what, LEFT_OUT, why)

    def needless(self, place: Place, what: str, why: str = "") -> None:
        self._remark(place, what, NEEDLESS, why)

    def refuse(self, reason: str, place: Place | None = None) -> NoReturn:
        raise RefusedError(reason, place)

    @property
    def outcome(self) -> str:
        if self.reason:
            return REFUSED
        lossy = [each for each in self.remarks if each.fate in (APPROXIMATED, LEFT_OUT)]
        if not lossy:
            return EXACT
        return REDUCED if all(each.fate == LEFT_OUT for each in lossy) else APPROXIMATED

    def _remark(self, place: Place, what: str, fate: str, how: str) -> None:
        self.remarks.append(ImportRemark(printable(place.file), place.line, brief(what), fate, how))


def brief(text: str) -> str:
    """A line of a source as it stands in a report: one line, short."""
    one = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return one if len(one) <= 2 * SHOWN else one[: 2 * SHOWN] + "…"


def fit_name(text: str) -> str:
    """A name for a service out of any text; what may not stand in a name becomes a dash."""
    import re

    name = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:LONGEST_NAME].strip("-_")
    return name if re.fullmatch(NAME, name) else "service"
