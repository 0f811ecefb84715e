"""Command lines, specifiers and values of systemd units (systemd.service(5), 'Command lines'; systemd.unit(5)).

A command line of a unit looks like a shell's and is not one: `$VAR` as a word of its own is split at blanks, `${VAR}`
within a word is not, quotes protect neither. A `Word` keeps that apart until it is known where the variables come from.
"""

from __future__ import annotations

import re
import shlex

import msgspec

from amonsup.config import units

LITERAL, WHOLE, SPLIT = "literal", "whole", "split"

PREFIXES = "@-:+!|"
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_PIECE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^}]*))?\})")
_ALONE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Zµ]*)")
_UNITS_S = {
    "": 1.0, "us": 1e-6, "usec": 1e-6, "µs": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0,
    "seconds": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0,
    "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0, "w": 604800.0, "week": 604800.0, "weeks": 604800.0,
    "M": 2629800.0, "month": 2629800.0, "months": 2629800.0, "y": 31557600.0, "year": 31557600.0, "years": 31557600.0,
}  # fmt: skip
_SIZES = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SPECIFIER = re.compile(r"%(.)")


class Piece(msgspec.Struct, frozen=True):
    """A part of a word: text, or the name of a variable."""

    kind: str
    text: str


Word = tuple[Piece, ...]


class CommandLine(msgspec.Struct, frozen=True):
    prefixes: str
    words: tuple[Word, ...]

    @property
    def variables(self) -> set[str]:
        return {piece.text for word in self.words for piece in word if piece.kind != LITERAL}


class SyntaxFaultError(ValueError):
    """A value that systemd would not take either."""


def split(text: str) -> list[str]:
    """Words by systemd's quoting: '…', "…", C escapes in all of them. SyntaxFaultError."""
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "\\":
            meaning, position = _escape(text, position)
            word = word if word is not None else []
            word.append(meaning)
        elif quote:
            if char == quote:
                quote = ""
            else:
                assert word is not None
                word.append(char)
        elif char in "'\"":
            quote, word = char, word if word is not None else []
        elif char in " \t\n\r":
            if word is not None:
                words.append("".join(word))
            word = None
        else:
            word = word if word is not None else []
            word.append(char)
    if quote:
        raise SyntaxFaultError("a quote is not closed")
    if word is not None:
        words.append("".join(word))
    return words


def _escape(text: str, position: int) -> tuple[str, int]:
    """What a backslash stands for, and where the text goes on."""
    char = text[position : position + 1]
    if char in _ESCAPES:
        return _ESCAPES[char], position + 1
    for letter, width, base in (("x", 2, 16), ("u", 4, 16), ("U", 8, 16), ("", 3, 8)):
        digits = text[position + len(letter) : position + len(letter) + width]
        if char == letter or (not letter and char in "01234567" and char):
            try:
                value = chr(int(digits, base))
            except (ValueError, OverflowError):
                break
            return ("\ufffd" if units.printless(value) or value == "\0" else value), position + len(letter) + width
    if char in ("\\", '"', "'", ";", " "):
        return char, position + 1
    return "\\" + char, position + 1


def command_lines(value: str) -> list[CommandLine]:
    """The commands of one Exec…=: several only if `;` stands between them. SyntaxFaultError."""
    prefixes = value[: len(value) - len(value.lstrip(PREFIXES))]
    lines: list[CommandLine] = []
    words: list[Word] = []
    for text in split(value[len(prefixes) :]):
        if text == ";":
            lines.append(CommandLine(prefixes, tuple(words)))
            prefixes, words = "", []
            continue
        if not words and lines and text[:1] in PREFIXES:
            prefixes = text[: len(text) - len(text.lstrip(PREFIXES))]
            text = text[len(prefixes) :]
        words.append(_word(text, is_plain=":" in prefixes))
    if words or not lines:
        lines.append(CommandLine(prefixes, tuple(words)))
    if any(not line.words for line in lines):
        raise SyntaxFaultError("names no program")
    return lines


def _word(text: str, *, is_plain: bool) -> Word:
    if is_plain or "$" not in text:
        return (Piece(LITERAL, text),)
    alone = _ALONE.fullmatch(text)
    if alone:
        return (Piece(SPLIT, alone[1]),)
    pieces: list[Piece] = []
    end = 0
    for match in _PIECE.finditer(text):
        if match.start() > end:
            pieces.append(Piece(LITERAL, text[end : match.start()]))
        pieces.append(Piece(LITERAL, "$") if match[1] else Piece(WHOLE, match[2]))
        end = match.end()
    if end < len(text) or not pieces:
        pieces.append(Piece(LITERAL, text[end:]))
    return tuple(pieces)


def known(line: CommandLine, values: dict[str, str]) -> list[str]:
    """The words with all variables filled in from these; one that is not there is empty."""
    words: list[str] = []
    for word in line.words:
        if len(word) == 1 and word[0].kind == SPLIT:
            words += values.get(word[0].text, "").split()
        else:
            words.append("".join(p.text if p.kind == LITERAL else values.get(p.text, "") for p in word))
    return words


def as_shell(line: CommandLine) -> str:
    """The same for a shell with `set -f`, which fills in the variables when it runs."""
    return " ".join("".join(_shell_piece(piece) for piece in word) for word in line.words)


def _shell_piece(piece: Piece) -> str:
    if piece.kind == LITERAL:
        return shlex.quote(piece.text)
    return f"${piece.text}" if piece.kind == SPLIT else f'"${{{piece.text}}}"'


# ---- values -------------------------------------------------------------------------------------------------------


def seconds(text: str) -> float | None:
    """A time span; None: without end. SyntaxFaultError."""
    if text.strip() == "infinity":
        return None
    total, end = 0.0, 0
    for match in _SPAN.finditer(text):
        if text[end : match.start()].strip() or match[2] not in _UNITS_S:
            raise SyntaxFaultError(f"'{text}' is not a time span")
        total += float(match[1]) * _UNITS_S[match[2]]
        end = match.end()
    if end == 0 or text[end:].strip() or total > units.LONGEST_S:
        raise SyntaxFaultError(f"'{text}' is not a time span")
    return total


def duration(span_s: float) -> str:
    """As conf.d writes it."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if span_s >= length and span_s % length == 0:
            return f"{int(span_s // length)}{unit}"
    return f"{int(span_s)}s" if span_s == int(span_s) else f"{round(span_s * 1000)}ms"


def bytes_of(text: str) -> int | None:
    """A size with K, M, G, T to the base of 1024; None: infinity. SyntaxFaultError."""
    if text == "infinity":
        return None
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([BKMGT]?)", text)
    if not match:
        raise SyntaxFaultError(f"'{text}' is not a size")
    return int(float(match[1]) * _SIZES[match[2]])


# ---- specifiers ---------------------------------------------------------------------------------------------------


def unescape(text: str) -> str:
    """The opposite of systemd-escape."""
    plain = text.replace("-", "/")
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), plain)


class Specifiers:
    """`%n` and the like for one unit; what differs from machine to machine is not known and noted in `unknown`."""

    def __init__(self, name: str, prefix: str, instance: str | None, host: str = "") -> None:
        stem = name.rpartition(".")[0]
        self.unknown: set[str] = set()
        tail = prefix.rpartition("-")[2]
        self._known = {
            "%": "%", "n": name, "N": stem, "p": prefix, "P": unescape(prefix), "j": tail, "J": unescape(tail),
            "i": instance or "", "I": unescape(instance or ""), "f": "/" + unescape(instance or prefix).lstrip("/"),
            "t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc", "T": "/tmp", "V": "/var/tmp",
            "h": "/root", "u": "root", "U": "0", "g": "root", "G": "0", "s": "/bin/sh", "H": host,
            "l": host.partition(".")[0],
        }  # fmt: skip

    def fill(self, text: str) -> str:
        if "%" not in text:
            return text

        def one(match: re.Match[str]) -> str:
            found = self._known.get(match[1])
            if found is None or (match[1] in "Hl"):
                self.unknown.add(match[0])
            return match[0] if found is None else found

        return _SPECIFIER.sub(one, text)
