"""Tables of keys, and the readers that are made of other readers: records, lists, mappings of names.

A `Key` declares one key of the vocabulary once: its name, how its value is read, the field of the spec it
fills, its default as a person would write it, and a sentence of help. The parser and the JSON Schema both
walk these tables; there is no second list. (That the written default is the spec's default is what a test
proves.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from amonsup.config import not_yet
from amonsup.config.errors import path_part
from amonsup.config.fields import Reader, RefusedError, Scope
from amonsup.config.strict_yaml import EMPTY, Mapping, Node, Scalar, Sequence, is_empty, kind


class Key(msgspec.Struct, frozen=True):
    """One key. `field`: where its value goes, if not under the key's own name."""

    name: str
    reader: Reader
    help: str
    default: str = ""
    field: str = ""
    is_required: bool = False


Table = dict[str, Key]
Values = dict[str, Any]


def table(*keys: Key) -> Table:
    """Keys by name."""
    return {key.name: key for key in keys}


class Record(Reader, frozen=True):
    """A mapping with known keys. `build` makes the record out of the fields that were read.

    `check` sees the fields before that, for what concerns several keys at once. `missing` and `prefix` name
    the keys that this version does not have.
    """

    keys: Table
    build: Callable[..., Any]
    check: Callable[[Values, Mapping, str, Scope], None] | None = None
    missing: dict[str, str] | None = None
    prefix: str = ""

    def read(self, node: Node, path: str, scope: Scope) -> Any:
        mapping = as_mapping(node, path, scope)
        values = self.values(mapping, path, scope)
        require(self.keys, mapping, path, scope, node)
        if self.check is not None:
            self.check(values, mapping, path, scope)
        if any(key.is_required and (key.field or key.name) not in values for key in self.keys.values()):
            raise RefusedError(path)
        return self.build(**values)

    def values(self, mapping: Mapping, path: str, scope: Scope) -> Values:
        """The fields that stand there and can be read; everything else is reported."""
        values: Values = {}
        for name, (place, node) in mapping.entries.items():
            key = self.keys.get(name)
            if key is None:
                self._unknown(place, path, scope)
                continue
            below = f"{path}.{name}" if path else name
            if self.missing is not None:
                self._refuse_missing(self.missing, place, node, below, scope)
            try:
                values[key.field or name] = key.reader.read(node, below, scope)
            except RefusedError:
                continue
        return values

    def _unknown(self, place: Scalar, path: str, scope: Scope) -> None:
        if place.text.startswith("x-"):
            return
        below = f"{path}.{path_part(place.text)}" if path else path_part(place.text)
        hint = scope.hint(place.text, list(self.keys))
        allowed = "" if hint or len(self.keys) > 12 else ", ".join(self.keys)
        scope.report(place, below, "unknown key", allowed, hint)

    def _refuse_missing(self, missing: dict[str, str], place: Scalar, node: Node, below: str, scope: Scope) -> None:
        said = self.prefix + place.text
        reason = missing.get(said)
        if reason is None and type(node) is Scalar:
            said = f"{said}={node.text}"
            reason = missing.get(said)
            said = said.replace("=", ": ")
        if reason is not None:
            scope.report(place, below, not_yet.refusal(said, reason))

    def form(self) -> dict[str, Any]:
        form: dict[str, Any] = {
            "type": ["object", "null"],
            "properties": {
                key.name: _property(key, (self.missing or {}).get(self.prefix + key.name)) for key in self.keys.values()
            },
            "patternProperties": {"^x-": {}},
            "additionalProperties": False,
        }
        required = [key.name for key in self.keys.values() if key.is_required]
        if required:
            form["required"] = required
        return form


def _property(key: Key, missing: str | None) -> dict[str, Any]:
    described = {**key.reader.form(), "description": key.help}
    if key.default:
        described["description"] += f" Default: {key.default}."
    if missing:
        described["description"] += " (Not in this version.)"
    return described


class ListOf(Reader, frozen=True):
    """A list, as a tuple. `also_single`: one value may stand without a list around it."""

    item: Reader
    also_single: bool = False

    def read(self, node: Node, path: str, scope: Scope) -> tuple[Any, ...]:
        if type(node) is not Sequence:
            if self.also_single and type(node) is Scalar and not is_empty(node):
                return (self.item.read(node, path, scope),)
            if is_empty(node):
                return ()
            scope.refuse(node, path, f"expected a list, found {kind(node)}")
        values = []
        for number, item in enumerate(node.items):
            try:
                values.append(self.item.read(item, f"{path}[{number}]", scope))
            except RefusedError:
                continue
        return tuple(values)

    def form(self) -> dict[str, Any]:
        listed = {"type": ["array", "null"], "items": self.item.form()}
        return {"anyOf": [self.item.form(), listed]} if self.also_single else listed


class MapOf(Reader, frozen=True):
    """A mapping of names that the user chooses, as a tuple of pairs."""

    name: Reader
    value: Reader

    def read(self, node: Node, path: str, scope: Scope) -> tuple[tuple[str, Any], ...]:
        pairs = []
        for text, (place, below) in as_mapping(node, path, scope).entries.items():
            where = f"{path}.{path_part(text)}"
            try:
                pairs.append((self.name.read(place, where, scope), self.value.read(below, where, scope)))
            except RefusedError:
                continue
        return tuple(pairs)

    def form(self) -> dict[str, Any]:
        return {
            "type": ["object", "null"],
            "propertyNames": self.name.form(),
            "additionalProperties": self.value.form(),
        }


class OrWord(Reader, frozen=True):
    """A word with a meaning of its own (`none`), or else what another reader takes."""

    word: str
    meaning: Any
    other: Reader

    def read(self, node: Node, path: str, scope: Scope) -> Any:
        if type(node) is Scalar and (node.text == self.word or (self.word == "null" and is_empty(node))):
            return self.meaning
        if type(node) is Scalar and isinstance(self.other, Record):
            scope.refuse(
                node,
                path,
                f"expected a mapping, found {kind(node)}",
                f"{self.word}, {', '.join(self.other.keys)}",
            )
        return self.other.read(node, path, scope)

    def form(self) -> dict[str, Any]:
        return {"anyOf": [{"const": None if self.word == "null" else self.word}, self.other.form()]}


def as_mapping(node: Node, path: str, scope: Scope) -> Mapping:
    """A node as a mapping; nothing at all counts as an empty one."""
    if type(node) is Mapping:
        return node
    if is_empty(node):
        return EMPTY
    return scope.refuse(node, path, f"expected a mapping (key: value), found {kind(node)}")


def require(keys: Table, mapping: Mapping, path: str, scope: Scope, place: Node) -> None:
    """Report at `place` each required key that does not stand there."""
    for key in keys.values():
        if key.is_required and key.name not in mapping.entries:
            scope.report(place, path, f"'{key.name}' is missing")


def one_stands(*kinds: str) -> Callable[[Values, Mapping, str, Scope], None]:
    """A check for a record of keys that exactly one of some stands in it."""

    def check(_values: Values, mapping: Mapping, path: str, scope: Scope) -> None:
        present = [key for key in kinds if key in mapping.entries]
        if not present:
            scope.report(mapping, path, "says nobody", f"one of {', '.join(kinds)}")
        elif len(present) > 1:
            place = mapping.entries[present[1]][0]
            scope.report(place, f"{path}.{present[1]}", f"stands beside '{present[0]}'", f"one of {', '.join(kinds)}")

    return check
