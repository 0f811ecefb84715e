"""What the translators of a unit's directives share: the unit, the draft it becomes, the machine it comes from."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from amonsup.importing.draft import Draft
from amonsup.importing.machine import Machine
from amonsup.importing.unit_files import Entry, Unit
from amonsup.importing.unit_words import CommandLine, Specifiers, SyntaxFaultError, as_shell, command_lines, known

SHELL = "/bin/sh"


class Context:
    """`variables`: values that are known now; `has_env_files`: further ones come from files when it runs."""

    def __init__(self, unit: Unit, draft: Draft, machine: Machine, host: str = "") -> None:
        self.unit, self.draft, self.machine = unit, draft, machine
        self.specifiers = Specifiers(unit.name, unit.prefix, unit.instance, host)
        self.variables: dict[str, str] = {}
        self.has_env_files = False
        self.prepares: list[str] = []  # shell commands that root carries out before the first start
        self.is_root = True

    def fill(self, entry: Entry) -> str:
        """An entry's value with its specifiers filled in; what is another thing elsewhere is said."""
        self.specifiers.unknown.clear()
        text = self.specifiers.fill(entry.value)
        for each in sorted(self.specifiers.unknown):
            how = (
                "is the name of this machine now"
                if each in ("%H", "%l")
                else "is left as it stands: nothing here fills it in"
            )
            self.draft.approximated(entry.place, entry.text, f"{each} {how}")
        return text

    def lines(self, entry: Entry) -> list[CommandLine]:
        """The commands of an Exec…=. RefusedError if systemd would not take it."""
        try:
            return command_lines(self.fill(entry))
        except SyntaxFaultError as fault:
            self.draft.refuse(f"{entry.text}: {fault}", entry.place)

    def words(self, line: CommandLine) -> list[str]:
        """One command as words: by a shell only if a variable comes from a file."""
        if self._is_dynamic(line):
            return [SHELL, "-c", f"set -f; exec {as_shell(line)}"]
        return known(line, self.variables)

    def shell(self, line: CommandLine) -> str:
        """One command as text for a shell; one that may fail does so quietly."""
        text = as_shell(line) if self._is_dynamic(line) else shlex.join(known(line, self.variables))
        return f"{{ {text} || :; }}" if "-" in line.prefixes else text

    def together(self, lines: list[CommandLine]) -> list[str]:
        """Several commands as one, each only if the one before succeeded."""
        if len(lines) == 1 and "-" not in lines[0].prefixes:
            return self.words(lines[0])
        script = " && ".join(self.shell(line) for line in lines)
        return [SHELL, "-c", f"set -f; {script}" if any(self._is_dynamic(line) for line in lines) else script]

    def _is_dynamic(self, line: CommandLine) -> bool:
        return "MAINPID" in line.variables or (self.has_env_files and bool(line.variables))


Handler = Callable[[Context, list[Entry]], None]
"""Translates all entries of one directive, in order, resets already made."""
