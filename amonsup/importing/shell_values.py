"""What words and tests of an init script come to, as far as that can be known without running anything."""

from __future__ import annotations

import fnmatch

from amonsup.importing.machine import Machine
from amonsup.importing.shell_syntax import Simple, parse
from amonsup.importing.shell_words import TEXT, UNKNOWN, Piece, TooMuchError


class UnknownError(Exception):
    """A word cannot be known; the text names what of it."""


class Values:
    """Variables (None: unknown) and parameters; expansion and tests."""

    def __init__(self, machine: Machine, name: str, argument: str) -> None:
        self.machine = machine
        self.values: dict[str, str | None] = {"0": f"/etc/init.d/{name}", "?": "0", "IFS": " "}
        self.parameters: list[str] = [argument]

    def value(self, name: str) -> str:
        return self.values.get(name) or ""

    def expand(self, word: tuple[Piece, ...], *, is_split: bool = True) -> list[str]:
        """A word as the shell would hand it on. UnknownError."""
        done: list[str] = []
        current, is_there = "", False
        for piece in word:
            if piece.kind == TEXT:
                current += piece.text
                is_there = is_there or bool(piece.text) or piece.is_quoted
                continue
            values = self._piece(piece)
            if piece.is_quoted or not is_split:
                glue = values if piece.text == "@" and is_split else [" ".join(values)]
                for index, value in enumerate(glue):
                    if index:
                        done.append(current)
                        current = ""
                    current += value
                is_there = is_there or bool(glue)
                continue
            parts = [part for value in values for part in value.split()]
            if values and values[0][:1].isspace() and is_there:
                done.append(current)
                current, is_there = "", False
            for index, part in enumerate(parts):
                if index:
                    done.append(current)
                    current = ""
                current += part
                is_there = True
            if parts and values[-1][-1:].isspace():
                done.append(current)
                current, is_there = "", False
        if is_there:
            done.append(current)
        return done

    def _piece(self, piece: Piece) -> list[str]:
        if piece.kind == UNKNOWN:
            return [self._substituted(piece.text)]
        if piece.text in ("@", "*"):
            return list(self.parameters)
        if piece.text == "#":
            return [str(len(self.parameters))]
        if piece.text.isdigit() and piece.text != "0":
            index = int(piece.text) - 1
            value: str | None = self.parameters[index] if index < len(self.parameters) else ""
        elif piece.text in ("$", "!", "-"):
            raise UnknownError(f"${piece.text}")
        else:
            value = self.values.get(piece.text, "")
        return self._operated(piece, value)

    def _operated(self, piece: Piece, value: str | None) -> list[str]:
        operator = piece.operator
        if not operator:
            if value is None:
                raise UnknownError(f"${piece.text}")
            return [value]
        if operator in (":-", "-", ":=", "=", ":?", "?"):
            if value is None:
                raise UnknownError(f"${piece.text}")
            if not value and operator not in (":?", "?"):
                value = "".join(self.expand(piece.word, is_split=False))
                if operator.endswith("="):
                    self.values[piece.text] = value
            return [value]
        if operator in (":+", "+"):
            if value == "":
                return []
            return (
                self.expand(piece.word, is_split=True)
                if not piece.is_quoted
                else ["".join(self.expand(piece.word, is_split=False))]
            )
        if value is None:
            raise UnknownError(f"${piece.text}")
        return [_stripped(value, operator, "".join(self.expand(piece.word, is_split=False)))]

    def _substituted(self, text: str) -> str:
        """The few commands whose output is known without running them."""
        words = text.split()
        if len(words) >= 2 and words[0] in ("basename", "dirname", "echo", "readlink"):
            try:
                inner = [word for token in _words(text) for word in self.expand(token)]
            except (UnknownError, TooMuchError):
                raise UnknownError(f"$({text[:40]})") from None
            if words[0] == "basename" and len(inner) in (2, 3):
                return inner[1].rstrip("/").rpartition("/")[2].removesuffix(inner[2] if len(inner) == 3 else "\0")
            if words[0] == "dirname" and len(inner) == 2:
                return inner[1].rpartition("/")[0] or "/"
            if words[0] == "echo" and "|" not in text and not "".join(inner[1:2]).startswith("-"):
                return " ".join(inner[1:])
        raise UnknownError(f"$({text[:40]})")

    # -- tests --

    def test(self, words: list[str]) -> bool | None:
        """None: only a running system could tell."""
        for joint in ("-o", "||", "-a", "&&"):
            if joint in words:
                index = words.index(joint)
                left, right = self.test(words[:index]), self.test(words[index + 1 :])
                if joint in ("-o", "||"):
                    return True if True in (left, right) else None if None in (left, right) else False
                return False if False in (left, right) else None if None in (left, right) else True
        if words and words[0] == "!":
            found = self.test(words[1:])
            return None if found is None else not found
        if len(words) == 1:
            return bool(words[0])
        if len(words) == 2:
            return self._one(words[0], words[1])
        if len(words) == 3:
            return _compared(*words)
        return None if words else False

    def _one(self, operator: str, word: str) -> bool | None:
        if operator == "-z":
            return not word
        if operator == "-n":
            return bool(word)
        if operator == "-x":
            return True  # the program is taken to be installed
        if operator in ("-f", "-r", "-e", "-s", "-d"):
            if word.startswith(("/lib/lsb/", "/lib/init/")):
                return True
            is_there = self.machine.is_directory(word) if operator == "-d" else self.machine.exists(word)
            if word.startswith(("/run/", "/var/run/", "/proc/", "/sys/", "/dev/", "/tmp/")):
                return None
            return True if is_there else None
        return None


def _compared(left: str, operator: str, right: str) -> bool | None:
    if operator in ("=", "=="):
        return fnmatch.fnmatchcase(left, right) if "*" in right else left == right
    if operator == "!=":
        return not fnmatch.fnmatchcase(left, right) if "*" in right else left != right
    numbers = {"-eq": "==", "-ne": "!=", "-gt": ">", "-lt": "<", "-ge": ">=", "-le": "<="}
    if operator in numbers and left.isdecimal() and right.isdecimal() and len(left) < 19 and len(right) < 19:
        one, two = int(left), int(right)
        return {
            "-eq": one == two,
            "-ne": one != two,
            "-gt": one > two,
            "-lt": one < two,
            "-ge": one >= two,
            "-le": one <= two,
        }[operator]
    return None


def _stripped(value: str, operator: str, pattern: str) -> str:
    """${value#pattern} and its like."""
    lengths = range(len(value) + 1)
    if operator.startswith("#"):
        order = lengths if operator == "#" else reversed(lengths)
        return next((value[each:] for each in order if fnmatch.fnmatchcase(value[:each], pattern)), value)
    order = lengths if operator == "%" else reversed(lengths)
    return next(
        (value[: len(value) - each] for each in order if fnmatch.fnmatchcase(value[len(value) - each :], pattern)),
        value,
    )


def _words(text: str) -> list[tuple[Piece, ...]]:
    found = parse(text)
    return list(found[0].words) if found and isinstance(found[0], Simple) else []
