"""How a value is written: pure readers from text to durations, sizes, signals and the like.

Each takes the raw text of a scalar and returns the value in the unit that specs use, or raises ValueError
with words a person can act on. Nobody here knows files or keys. Numbers are matched before they are
converted: Python's own int() and float() take underscores, foreign digits, `nan` and (slowly) ten thousand
digits.
"""

from __future__ import annotations

import enum
import re
import signal
from collections.abc import Mapping

from amonsup.config.errors import shown

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_.-]*"
DURATION = r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:ms|[smhdw]))+"
SIZE = r"[0-9]{1,18}(?:\.[0-9]{1,9})?(?: ?[KkMGT]?i?B)?"
OCTAL = r"(?:0o)?[0-7]{1,4}"

DURATIONS_ALLOWED = "a duration such as 250ms, 10s, 5m, 1h30m, 2d"
SIZES_ALLOWED = "a size such as 512KiB, 50MiB, 1GB"
BOOLEANS_ALLOWED = "true, false, yes, no, on, off"
SIGNALS_ALLOWED = "a signal such as SIGTERM, TERM or 15"

LONGEST_S = 10 * 366 * 86400.0
LARGEST = 2**62
LAST_PROCESSOR = 8191  # of the largest kernels

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_DURATION = re.compile(DURATION)
_DURATION_PART = re.compile(r"([0-9.]+)(ms|[smhdw])")
_SECONDS: dict[str, tuple[int, int]] = {  # (multiplier, divisor): 700 * 0.001 is not 0.7, 700 / 1000 is
    "ms": (1, 1000),
    "s": (1, 1),
    "m": (60, 1),
    "h": (3600, 1),
    "d": (86400, 1),
    "w": (604800, 1),
}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([KkMGT]?i?B)?")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_OCTAL = re.compile(OCTAL)
_NAME = re.compile(NAME)
_WORDS = re.compile(r"[^ \t\r\n]+")
_VARIABLE = re.compile(r"\$(?:(\$)|\{([^{}]*)\}|(\{))")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def parse_boolean(text: str) -> bool:
    """true/false, yes/no, on/off, in any case."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueError(f"{shown(text)} is neither true nor false")
    return value


def parse_integer(text: str) -> int:
    """A whole number in decimal."""
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a whole number")
    return int(text)


def parse_number(text: str) -> float:
    """A finite number in decimal, without an exponent."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a number")
    return float(text)


def parse_duration(text: str) -> float:
    """Seconds out of `10s`, `5m`, `1h30m`, `250ms`; a plain 0 needs no unit."""
    if text == "0":
        return 0.0
    if _NUMBER.fullmatch(text):
        raise ValueError(f"{shown(text)} has no unit")
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a duration")
    total = 0.0
    for number, unit in _DURATION_PART.findall(text):
        multiplier, divisor = _SECONDS[unit]
        total += float(number) * multiplier / divisor
    if total > LONGEST_S:
        raise ValueError(f"{shown(text)} is longer than ten years")
    return total


def parse_size(text: str) -> int:
    """Bytes out of `50MiB` (1024s), `1GB` (1000s) or a plain number."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"{shown(text)} is not a size")
    number, unit = match[1], (match[2] or "B")[:-1]
    base = 1024 if unit.endswith("i") else 1000
    if unit == "i":
        raise ValueError(f"{shown(text)} is not a size")
    factor: int = base ** _POWERS[unit.rstrip("i").upper()]
    value = int(float(number) * factor) if "." in number else int(number) * factor
    if value > LARGEST:
        raise ValueError(f"{shown(text)} is too large")
    return value


def parse_signal(text: str) -> int:
    """A signal's number out of SIGTERM, TERM, SIGRTMIN+3 or 15."""
    if text.isascii() and text.isdigit():
        number = int(text[:4])
        if 1 <= number <= signal.SIGRTMAX:
            return number
        raise ValueError(f"there is no signal {text[:8]}")
    word, _, above = text.upper().removeprefix("SIG").partition("+")
    found = getattr(signal, f"SIG{word}", None) if word.isalnum() else None
    if not isinstance(found, signal.Signals) or (above and word != "RTMIN"):
        raise ValueError(f"{shown(text)} is not a signal")
    number = int(found)
    if above:
        number += parse_integer(above)
        if not signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            raise ValueError(f"{shown(text)} is not a signal")
    return number


def parse_umask(text: str) -> int:
    """An octal mask: 0027, "0027", 27 and 0o27 are the same."""
    if not _OCTAL.fullmatch(text):
        raise ValueError(f"{shown(text)} is not an octal mask")
    value = int(text.removeprefix("0o"), 8)
    if value > 0o777:
        raise ValueError(f"{shown(text)} is more than 0777")
    return value


def parse_processors(text: str) -> frozenset[int]:
    """Numbers of processors out of `0-3,6`."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not all(_INTEGER.fullmatch(number) for number in (first, last or first)) or (dash and not last):
            raise ValueError(f"{shown(text)} is not a list of processors")
        low, high = int(first), int(last or first)
        if not 0 <= low <= high <= LAST_PROCESSOR:
            raise ValueError(f"{shown(part)} is no range of processors")
        found.update(range(low, high + 1))
    return frozenset(found)


def parse_name(text: str) -> str:
    """A name of a service, a site or a tag."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a name")
    return text


def parse_text(text: str) -> str:
    """Any text that a kernel can take: no NUL."""
    if "\0" in text:
        raise ValueError("a NUL character may not stand here")
    return text


def is_name(text: str) -> bool:
    """Whether something may be called so."""
    return _NAME.fullmatch(text) is not None


def split_words(text: str) -> list[str]:
    """Words as a shell splits them: quotes and backslashes, nothing else."""
    if "'" not in text and '"' not in text and "\\" not in text:
        return _WORDS.findall(text)
    import shlex  # only where there is a quote

    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("a quote is not closed, or a backslash ends the text") from None


def expand(text: str, environ: Mapping[str, str]) -> str:
    """`${VAR}` and `${VAR:-default}` filled in; `$$` is a dollar sign; any other `$` stays as it is.

    As in Compose the default also stands in for a variable that is set but empty. A value is put in as it
    is: what looks like a variable in it is not expanded again.
    """
    if "$" not in text:
        return text
    return _VARIABLE.sub(lambda match: _value(match, environ), text)


def _value(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match[1]:
        return "$"
    if match[3]:
        raise ValueError("'${' without a closing '}' (a literal dollar sign is written $$)")
    inside = _INSIDE.fullmatch(match[2])
    if not inside:
        raise ValueError(f"{shown(match[0])} is not understood")
    name, default = inside[1], inside[2]
    value = environ.get(name, "")
    if not value and default is not None:
        return default
    if name not in environ:
        raise ValueError(f"the variable {name} is not set in the daemon's environment")
    if not value.isascii() and printless(value):
        raise ValueError(f"the value of the variable {name} is not UTF-8 text")
    return value


def printless(text: str) -> bool:
    """Whether text holds bytes that were never UTF-8 (PEP 383 smuggles them in as lone surrogates)."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def words_of(choices: type[enum.Enum]) -> dict[str, enum.Enum]:
    """The values of an enumeration by the words of the vocabulary."""
    return {str(member.value): member for member in choices}
