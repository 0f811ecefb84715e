"""Readers: from a node of the tree to the value of one field, or to a mistake with its place.

A key's type decides how its text is read, never the look of the text: `no` under `restart` is a word, under
`compress` a boolean, `0027` under `umask` is octal. Every reader has two sides that must not drift apart,
so they stand in one object: `read` for the parser and `form` for the JSON Schema that editors use.

A reader reports what is wrong through its scope and then raises `RefusedError`; whoever reads several things
(a record, a list) catches that and goes on with the next one, so all mistakes of a file come out together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec

from amonsup.config import units
from amonsup.config.errors import ConfigError, Findings, nearest, shown
from amonsup.config.strict_yaml import Node, Scalar, Sequence, kind

TEXT_FORM: dict[str, Any] = {"type": ["string", "number", "boolean"]}


class RefusedError(Exception):
    """A value cannot be used; its mistake has been reported."""


class Scope:
    """What readers of one file share: where it stands, the daemon's environment, and where mistakes go."""

    def __init__(
        self, file: str, directory: str, environ: Mapping[str, str], findings: Findings, *, is_trusting: bool
    ) -> None:
        self.file = file
        self.directory = directory
        self.environ = environ
        self.findings = findings
        self.is_trusting = is_trusting  # False as root: files that others can write are refused
        self.env_files: dict[str, dict[str, str]] = {}

    def report(self, node: Node, path: str, text: str, allowed: str = "", hint: str = "") -> None:
        """Note a mistake and go on."""
        self.findings.add(ConfigError(self.file, node.line, node.column, path, text, allowed, hint))

    def refuse(self, node: Node, path: str, text: str, allowed: str = "", hint: str = "") -> NoReturn:
        """Note a mistake that leaves no value to go on with."""
        self.report(node, path, text, allowed, hint)
        raise RefusedError(text)

    def hint(self, word: str, known: list[str]) -> str:
        """The nearest known word; not looked for once mistakes are too many to be shown."""
        return "" if self.findings.are_many else nearest(word, known)

    def expand(self, node: Node, path: str, text: str) -> str:
        """Variables of the daemon's environment filled in."""
        try:
            return units.expand(text, self.environ)
        except ValueError as wrong:
            self.refuse(node, path, str(wrong), "${VARIABLE}, ${VARIABLE:-default}, $$ for a dollar sign")


class Reader(msgspec.Struct, frozen=True):
    """One way of reading a node, and the form it has in a JSON Schema."""

    def read(self, node: Node, path: str, scope: Scope) -> Any:
        """The value, or RefusedError after a report."""
        raise NotImplementedError

    def form(self) -> dict[str, Any]:
        """The JSON Schema of what may stand there."""
        raise NotImplementedError


class Value(Reader, frozen=True):
    """A single scalar, read by a pure function that raises ValueError with what is wrong."""

    parse: Callable[[str], Any]
    schema: dict[str, Any]
    allowed: str = ""
    expands: bool = False
    words: tuple[str, ...] = ()

    def read(self, node: Node, path: str, scope: Scope) -> Any:
        text = scalar_text(node, path, scope, self.allowed)
        if self.expands:
            text = scope.expand(node, path, text)
        try:
            return self.parse(text)
        except ValueError as wrong:
            hint = scope.hint(text, list(self.words)) if self.words else ""
            scope.refuse(node, path, str(wrong), self.allowed, hint)

    def form(self) -> dict[str, Any]:
        return self.schema


class FilePath(Reader, frozen=True):
    """A path: variables filled in, and absolute by the directory of the file it stands in."""

    def read(self, node: Node, path: str, scope: Scope) -> str:
        text = scope.expand(node, path, scalar_text(node, path, scope, "a path"))
        if not text or "\0" in text:
            scope.refuse(node, path, f"{shown(text)} is not a path")
        if text == "~" or text.startswith("~/"):
            scope.refuse(node, path, "~ is not expanded here", "${HOME}/…, or a path relative to this file")
        return os.path.normpath(os.path.join(scope.directory, text))

    def form(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


class Command(Reader, frozen=True):
    """A program with its arguments: text is split as a shell splits words, a list is taken as it is."""

    def read(self, node: Node, path: str, scope: Scope) -> tuple[str, ...]:
        words = self._listed(node, path, scope) if type(node) is Sequence else self._split(node, path, scope)
        if not words or not words[0]:
            scope.refuse(node, path, "names no program")
        for word in words:
            if "\0" in word:
                scope.refuse(node, path, "a NUL character may not stand in a command")
        return tuple(words)

    def _split(self, node: Node, path: str, scope: Scope) -> list[str]:
        text = scalar_text(node, path, scope, "text, or a list of words")
        try:
            words = units.split_words(text)
        except ValueError as wrong:
            scope.refuse(node, path, str(wrong))
        for word in words:
            if word in _SHELL_WORDS:
                says = f"{shown(word)} is handed to the program as a word: commands are not run by a shell"
                scope.findings.warn(ConfigError(scope.file, node.line, node.column, path, says))
        # split first: a variable's value stays one word whatever is in it
        return [scope.expand(node, path, word) for word in words]

    def _listed(self, node: Sequence, path: str, scope: Scope) -> list[str]:
        words = []
        for number, item in enumerate(node.items):
            place = f"{path}[{number}]"
            words.append(scope.expand(item, place, scalar_text(item, place, scope, "a word")))
        return words

    def form(self) -> dict[str, Any]:
        listed = {"type": "array", "items": TEXT_FORM, "minItems": 1}
        return {"anyOf": [{"type": "string", "minLength": 1}, listed]}


_SHELL_WORDS = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "&>", "1>&2"})


def scalar_text(node: Node, path: str, scope: Scope, allowed: str = "") -> str:
    """A node's text, where a single value must stand."""
    if type(node) is not Scalar:
        scope.refuse(node, path, f"expected one value, found {kind(node)}", allowed)
    return node.text


def boolean() -> Value:
    """true/false, yes/no, on/off."""
    return Value(units.parse_boolean, {"enum": [True, False, "yes", "no", "on", "off"]}, units.BOOLEANS_ALLOWED)


def integer(low: int, high: int, *, expands: bool = False) -> Value:
    """A whole number from low to high. `expands`: it may come out of the environment."""

    def parse(text: str) -> int:
        value = units.parse_integer(text)
        _insist_within(value, low, high, text)
        return value

    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    if expands:
        schema = {"anyOf": [schema, {"type": "string", "pattern": "\\$"}]}
    return Value(parse, schema, f"{low} … {high}", expands=expands)


def number(low: float, high: float) -> Value:
    """A number from low to high."""

    def parse(text: str) -> float:
        value = units.parse_number(text)
        _insist_within(value, low, high, text)
        return value

    return Value(parse, {"type": "number", "minimum": low, "maximum": high}, f"{low:g} … {high:g}")


def _insist_within(value: float, low: float, high: float, text: str) -> None:
    if not low <= value <= high:
        raise ValueError(f"{shown(text)} is out of range")


def duration(low_s: float = 0.0) -> Value:
    """A duration in seconds, at least low_s."""

    def parse(text: str) -> float:
        value = units.parse_duration(text)
        if value < low_s:
            raise ValueError(f"{shown(text)} is too short")
        return value

    if low_s > 0:
        form: dict[str, Any] = {"type": "string", "pattern": f"^{units.DURATION}$"}
        return Value(parse, form, f"{units.DURATIONS_ALLOWED}, at least {round(low_s * 1000)}ms")
    form = {"anyOf": [{"type": "string", "pattern": f"^({units.DURATION}|0)$"}, {"const": 0}]}
    return Value(parse, form, units.DURATIONS_ALLOWED)


def size(low: int = 0) -> Value:
    """A size in bytes, at least low."""

    def parse(text: str) -> int:
        value = units.parse_size(text)
        if value < low:
            raise ValueError(f"{shown(text)} is too small")
        return value

    form = {"anyOf": [{"type": "string", "pattern": f"^{units.SIZE}$"}, {"type": "integer", "minimum": low}]}
    return Value(parse, form, units.SIZES_ALLOWED if not low else f"{units.SIZES_ALLOWED}, at least {low}B")


def signal_number() -> Value:
    """A signal by name or number."""
    return Value(units.parse_signal, {"type": ["string", "integer"]}, units.SIGNALS_ALLOWED)


def umask() -> Value:
    """An octal mask."""
    form = {"anyOf": [{"type": "string", "pattern": f"^{units.OCTAL}$"}, {"type": "integer", "minimum": 0}]}
    return Value(units.parse_umask, form, 'an octal mask such as "0027"')


def choice(words: Mapping[str, Any]) -> Value:
    """One of some words."""

    def parse(text: str) -> Any:
        if text not in words:
            raise ValueError(f"{shown(text)} is unknown")
        return words[text]

    return Value(parse, {"enum": list(words)}, ", ".join(words), words=tuple(words))


def one_of(*words: str) -> Value:
    """One of some words, kept as the word."""
    return choice({word: word for word in words})


def text(*, expands: bool = False) -> Value:
    """Any text, also an empty one."""
    return Value(units.parse_text, TEXT_FORM, "text", expands=expands)


def filled_text(*, expands: bool = False) -> Value:
    """Any text but an empty one."""

    def parse(given: str) -> str:
        if not given:
            raise ValueError("nothing stands here")
        return units.parse_text(given)

    return Value(parse, {**TEXT_FORM, "minLength": 1}, "text", expands=expands)


def name() -> Value:
    """A name: a service, a site, a tag."""
    allowed = "letters, digits, - and _, at most 63, the first a letter or digit"
    return Value(units.parse_name, {"type": ["string", "integer"], "pattern": f"^{units.NAME}$"}, allowed)


def pattern(form: str, what: str, allowed: str, *, expands: bool = False) -> Value:
    """Text of a fixed form; `what` names it: 'an address', 'a URL'. `expands`: once its variables are filled in."""
    import re

    compiled = re.compile(form)

    def parse(given: str) -> str:
        if not compiled.fullmatch(given):
            raise ValueError(f"{shown(given)} is not {what}")
        return given

    written = rf"{form}|.*\$\{{.*" if expands else form
    return Value(parse, {**TEXT_FORM, "pattern": f"^(?:{written})$"}, allowed, expands=expands)
