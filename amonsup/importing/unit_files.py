"""systemd units as text: sections, assignments, continuations, drop-ins (systemd.syntax(7)); nothing is interpreted.

An assignment with nothing behind the `=` resets what stood before it, for keys that are lists; for all others the last
one holds. Which is which the translation knows, so a `Unit` hands out what is left after resets and lets it choose.
"""

from __future__ import annotations

import msgspec

from amonsup.importing.draft import Place
from amonsup.importing.machine import Machine, UnusableError

MAX_ENTRIES = 2000
MAX_VALUE = 64 * 1024


class Entry(msgspec.Struct, frozen=True):
    """KEY=value as written, continuation lines joined by a space."""

    section: str
    key: str
    value: str
    place: Place

    @property
    def text(self) -> str:
        return f"{self.key}={self.value}"


class Oddity(msgspec.Struct, frozen=True):
    """A line that is no assignment."""

    text: str
    place: Place


class Unit:
    """A unit with its drop-ins, in the order in which they count."""

    def __init__(self, name: str, file: str) -> None:
        self.name, self.file = name, file
        self.entries: list[Entry] = []
        self.oddities: list[Oddity] = []
        self.wanted_by: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Without the suffix: `ce@one` of ce@one.service."""
        return self.name.rpartition(".")[0]

    @property
    def prefix(self) -> str:
        return self.stem.partition("@")[0]

    @property
    def instance(self) -> str | None:
        """None: no template; '': a template without an instance."""
        before, at, after = self.stem.partition("@")
        return after if at and before else None

    def all(self, key: str, section: str = "Service") -> list[Entry]:
        """What counts of a key that is a list."""
        found: list[Entry] = []
        for entry in self.entries:
            if entry.key == key and entry.section == section:
                found = [*found, entry] if entry.value else []
        return found

    def last(self, key: str, section: str = "Service") -> Entry | None:
        """What counts of a key that is one value; None: not said, or taken back."""
        found = [entry for entry in self.entries if entry.key == key and entry.section == section]
        return found[-1] if found and found[-1].value else None

    def value(self, key: str, default: str = "", section: str = "Service") -> str:
        entry = self.last(key, section)
        return entry.value if entry is not None else default

    def is_yes(self, key: str, section: str = "Service") -> bool:
        return self.value(key, "no", section).lower() in ("1", "yes", "true", "on", "y", "t")


def parse(text: str, file: str) -> tuple[list[Entry], list[Oddity]]:
    """Never raises, whatever the text is."""
    entries: list[Entry] = []
    oddities: list[Oddity] = []
    section = ""
    pending: list[str] = []
    begun = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        if pending and line.lstrip()[:1] in ("#", ";"):
            continue  # a comment between continuation lines
        if not pending and (not line.strip() or line.lstrip()[0] in "#;"):
            continue
        begun = begun or number
        if line.endswith("\\"):
            pending.append(line[:-1].strip() if pending else line[:-1].rstrip())
            continue
        whole = " ".join([*pending, line.strip()]).strip()
        place, pending, begun = Place(file, begun), [], 0
        section = _take(whole, section, place, entries, oddities)
        if len(entries) + len(oddities) > MAX_ENTRIES:
            oddities.append(Oddity("more lines than a unit has; the rest is not read", place))
            return entries, oddities
    if pending:
        _take(" ".join(pending).strip(), section, Place(file, begun), entries, oddities)
    return entries, oddities


def _take(line: str, section: str, place: Place, entries: list[Entry], oddities: list[Oddity]) -> str:
    """One logical line; the section that holds from then on."""
    if line.startswith("[") and line.endswith("]"):
        return line[1:-1].strip()
    key, equals, value = line.partition("=")
    if not equals or not section or not key.strip():
        oddities.append(Oddity(line[:MAX_VALUE], place))
    else:
        entries.append(Entry(section, key.strip(), value.strip()[:MAX_VALUE], place))
    return section


def load(machine: Machine, path: str, name: str) -> Unit:
    """A unit of the machine with its drop-ins; `path` is that of its file or of its template. UnusableError."""
    unit = Unit(name, path)
    unit.entries, unit.oddities = parse(machine.text(path), path)
    directory, _, file_name = path.rpartition("/")
    seen: dict[str, str] = {}
    stem, _, suffix = name.rpartition(".")
    kinds = dict.fromkeys(
        (
            f"{suffix}.d",
            *([f"{stem.partition('@')[0]}@.{suffix}.d"] if "@" in stem else []),
            f"{file_name}.d",
            f"{name}.d",
        )
    )
    for place in dict.fromkeys((directory, "/lib/systemd/system", "/usr/lib/systemd/system", "/etc/systemd/system")):
        for below in kinds:
            for each in machine.names(f"{place}/{below}"):
                if each.endswith(".conf"):
                    seen[each] = f"{place}/{below}/{each}"  # of one name, the later directory's counts
    for each in sorted(seen):
        try:
            entries, oddities = parse(machine.text(seen[each]), seen[each])
        except UnusableError as wrong:
            unit.oddities.append(Oddity(f"the drop-in {wrong}", Place(seen[each])))
            continue
        unit.entries += entries
        unit.oddities += oddities
    unit.wanted_by = _enabled_by(machine, name)
    return unit


def _enabled_by(machine: Machine, name: str) -> tuple[str, ...]:
    """The targets whose .wants or .requires hold the unit: who has enabled it."""
    top = "/etc/systemd/system"
    return tuple(
        each.rpartition(".")[0]
        for each in machine.names(top)
        if each.endswith((".wants", ".requires")) and machine.exists(f"{top}/{each}/{name}")
    )
