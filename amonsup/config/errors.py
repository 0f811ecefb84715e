"""What is wrong with a configuration, and where: the one record for it, and the list that collects them.

Nothing in this room stops at the first mistake. Whoever finds one puts a `ConfigError` into the `Findings`
of the load and goes on with the rest, so that a person sees all that is wrong at once. Two bounds keep
hostile or broken input cheap: the same words about the same place are kept once (defaults are merged under
many services), and of a flood only the first LIMIT are handed out, with a count of the rest.
"""

from __future__ import annotations

import msgspec

LIMIT = 200
KEPT = 5000  # files are read in order, so what a flood drops would have been cut by LIMIT anyway
SHOWN = 60


class ConfigError(msgspec.Struct, frozen=True):
    """One mistake. line and column count from 1; 0 stands for 'the file as a whole'."""

    file: str
    line: int
    column: int
    path: str
    text: str
    allowed: str = ""
    hint: str = ""

    def render(self) -> str:
        """`file:line:column: path: what is wrong; did you mean …?`, as compilers and editors have it."""
        parts = []
        if self.file:
            parts.append(f"{self.file}:{self.line}:{self.column}" if self.line else self.file)
        if self.path:
            parts.append(self.path)
        says = self.text
        if self.hint:
            says += f"; did you mean '{self.hint}'?"
        if self.allowed:
            says += f"; allowed: {self.allowed}"
        return ": ".join([*parts, says])


class Findings:
    """The mistakes and warnings of one load, over all its files."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[int, int]] = {}  # by path: what is looked at again once the file was read
        self._remarks: list[ConfigError] = []
        self._errors: list[ConfigError] = []
        self._seen: set[tuple[str, int, int, str]] = set()

    def add(self, error: ConfigError) -> None:
        """Keep a mistake unless the same was said of the same place."""
        sign = (error.file, error.line, error.column, error.text)
        if sign in self._seen:
            return
        self._seen.add(sign)
        if len(self._errors) < KEPT:
            self._errors.append(error)

    def warn(self, remark: ConfigError) -> None:
        """Keep a remark that stops nothing."""
        if len(self._remarks) < LIMIT and remark not in self._remarks:
            self._remarks.append(remark)

    @property
    def warnings(self) -> tuple[str, ...]:
        """All remarks as texts, by file and place; files in the order in which they were first remarked on."""
        files = {remark.file: number for number, remark in reversed(list(enumerate(self._remarks)))}
        ordered = sorted(self._remarks, key=lambda remark: (files[remark.file], remark.line, remark.column))
        return tuple(dict.fromkeys(remark.render() for remark in ordered))

    @property
    def are_many(self) -> bool:
        """Whether what follows will not be shown, so that no hints need be worked out for it."""
        return len(self._errors) >= LIMIT

    def errors(self) -> list[ConfigError]:
        """All of them by file and place; of a flood the first LIMIT and a count of the rest."""
        ordered = sorted(self._errors, key=lambda error: (error.file, error.line, error.column))
        rest = len(self._seen) - LIMIT
        if rest > 0:
            return [*ordered[:LIMIT], ConfigError("", 0, 0, "", f"and {rest} more errors")]
        return ordered


def counted(count: int, noun: str) -> str:
    """`1 service`, `6 services`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shown(text: str) -> str:
    """A piece of somebody's file, fit for a line of an error text: short, quoted, nothing unprintable."""
    if not text:
        return "an empty value"
    short = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    return f"'{short}'" if short.isprintable() else ascii(short)


def path_part(text: str) -> str:
    """The same for a key within a path: unquoted where it reads well without."""
    short = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    return short if short.isprintable() else ascii(short)


def printable(file: str) -> str:
    """A file's name as text that can be encoded: names on disk are bytes, not always UTF-8."""
    return file.encode("utf-8", "backslashreplace").decode("utf-8")


def nearest(word: str, known: list[str]) -> str:
    """The known word that was probably meant, or ''."""
    from difflib import get_close_matches  # only somebody who mistyped pays for the import

    spelled = {each.lower(): each for each in known}
    for match in get_close_matches(word[:SHOWN].lower(), list(spelled), n=1, cutoff=0.6):
        return spelled[match]
    return ""
