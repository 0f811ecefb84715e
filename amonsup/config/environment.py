"""A service's environment: `environment`, a mapping or a list of NAME=value, and the files of `env_file`.

An env_file holds lines NAME=value, as Compose has them: `#` begins a comment at the start of a line or
after a blank, `export ` may stand before the name, a value in single quotes is literal, one in double
quotes knows \\n \\t \\" \\\\. Variables of the daemon's environment are filled in except within single
quotes. A file is read once per load however many services name it, and its mistakes carry its own name and
line.
"""

from __future__ import annotations

import re
from typing import Any

from amonsup.config import files, units
from amonsup.config.errors import ConfigError, printable, shown
from amonsup.config.fields import TEXT_FORM, FilePath, Reader, RefusedError, Scope, scalar_text
from amonsup.config.keys import as_mapping
from amonsup.config.strict_yaml import Node, Sequence, is_empty

Variables = dict[str, str]

NAMES_ALLOWED = "letters, digits, _, . and -, the first a letter or _"

_NAME = re.compile(units.VARIABLE)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")


class Environment(Reader, frozen=True):
    """`environment:` as a dict of variables."""

    def read(self, node: Node, path: str, scope: Scope) -> Variables:
        if type(node) is Sequence:
            return self._listed(node, path, scope)
        variables: Variables = {}
        for name, (place, value) in as_mapping(node, path, scope).entries.items():
            try:
                if not _NAME.fullmatch(name):
                    scope.refuse(place, path, f"{shown(name)} is no name for a variable", NAMES_ALLOWED)
                variables[name] = _value(value, f"{path}.{name}", scope)
            except RefusedError:
                continue
        return variables

    def _listed(self, node: Sequence, path: str, scope: Scope) -> Variables:
        variables: Variables = {}
        for number, item in enumerate(node.items):
            place = f"{path}[{number}]"
            try:
                name, equals, text = scalar_text(item, place, scope, "NAME=value").partition("=")
                if not equals:
                    scope.refuse(item, place, f"{shown(name)} has no '='", "NAME=value")
                if not _NAME.fullmatch(name):
                    scope.refuse(item, place, f"{shown(name)} is no name for a variable", NAMES_ALLOWED)
                if name in variables:
                    scope.refuse(item, place, f"the variable {name} stands twice")
                variables[name] = _checked(scope.expand(item, place, text), item, place, scope)
            except RefusedError:
                continue
        return variables

    def form(self) -> dict[str, Any]:
        value = {"type": ["string", "number", "boolean", "null"]}
        mapping = {
            "type": ["object", "null"],
            "propertyNames": {"pattern": f"^{units.VARIABLE}$"},
            "additionalProperties": value,
        }
        listed = {"type": "array", "items": {"type": "string", "pattern": f"^{units.VARIABLE}=(.|\\n)*$"}}
        return {"anyOf": [mapping, listed]}


class EnvFiles(Reader, frozen=True):
    """`env_file:`, one path or several; a later file wins over an earlier one."""

    def read(self, node: Node, path: str, scope: Scope) -> Variables:
        variables: Variables = {}
        places = list(enumerate(node.items)) if type(node) is Sequence else [(-1, node)]
        for number, item in places:
            place = path if number < 0 else f"{path}[{number}]"
            try:
                variables.update(_file(FilePath().read(item, place, scope), item, place, scope))
            except RefusedError:
                continue
        return variables

    def form(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": TEXT_FORM}]}


def merged(env_files: Variables, environment: Variables) -> tuple[tuple[str, str], ...]:
    """Both together, `environment` winning; sorted, so that moving a line changes no service."""
    return tuple(sorted({**env_files, **environment}.items()))


def _value(node: Node, path: str, scope: Scope) -> str:
    if is_empty(node):
        return ""
    return _checked(scope.expand(node, path, scalar_text(node, path, scope)), node, path, scope)


def _checked(text: str, node: Node, path: str, scope: Scope) -> str:
    if "\0" in text:
        scope.refuse(node, path, "a NUL character may not stand here")
    return text


def _file(file: str, node: Node, path: str, scope: Scope) -> Variables:
    if file not in scope.env_files:
        scope.env_files[file] = {}  # what cannot be read is reported where it is named first, once
        try:
            content = files.read(file, is_trusting=scope.is_trusting)
        except files.UnreadableError as wrong:
            scope.refuse(node, path, f"{printable(file)} {wrong}")
        scope.env_files[file] = _variables(content, file, path, scope)
    return scope.env_files[file]


def _variables(content: bytes, file: str, path: str, scope: Scope) -> Variables:
    variables: Variables = {}
    shown_file = printable(file)
    if len(content) > files.MAX_BYTES:
        scope.findings.add(ConfigError(shown_file, 0, 0, path, f"larger than {files.MAX_BYTES >> 20} MiB"))
        return variables
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            _line(raw, variables, scope)
        except ValueError as wrong:
            says = "not UTF-8 text" if isinstance(wrong, UnicodeDecodeError) else str(wrong)
            scope.findings.add(ConfigError(shown_file, number, 1, path, says))
    return variables


def _line(raw: bytes, variables: Variables, scope: Scope) -> None:
    line = raw.decode("utf-8").strip()
    if not line or line.startswith("#"):
        return
    name, equals, value = line.removeprefix("export ").partition("=")
    name = name.strip()
    if not equals:
        raise ValueError(f"expected NAME=value, found {shown(line)}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{shown(name)} is no name for a variable")
    value = _unquoted(value.strip(), scope)
    if "\0" in value:
        raise ValueError("a NUL character may not stand here")
    variables[name] = value


def _unquoted(value: str, scope: Scope) -> str:
    if value.startswith("'"):
        match = _SINGLE.fullmatch(value)
        if match is None:
            raise ValueError("the quote is not closed, or something follows it")
        return match[1]
    if value.startswith('"'):
        match = _DOUBLE.fullmatch(value)
        if match is None:
            raise ValueError("the quote is not closed, or something follows it")
        # \$ has no meaning of its own: $$ is the dollar sign here as everywhere
        text = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), match[1])
        return units.expand(text, scope.environ)
    if value.startswith("#"):
        return ""
    return units.expand(value.partition(" #")[0].rstrip(), scope.environ)
