"""YAML as a tree of text with places: the strict subset that a configuration needs.

Two things make ordinary YAML loading wrong for us. It turns scalars into values by the look of their text
(`no` becomes False, `0755` becomes 493, `1:30` becomes 90) and it forgets where they stood. So nothing is
ever constructed here: libyaml's *events* are folded into a tree of three frozen records, every scalar stays
text, and whoever reads a key decides by that key's type. Events, not PyYAML's own nodes, because folding
them ourselves is twice as fast, gives us depth and size before anything is built, and keeps libyaml's
recursive composer away from hostile nesting.

What is refused: a key that stands twice, tags, merge keys, several documents, text that is not UTF-8, and
anything larger than the bounds below. Anchors are allowed; an alias counts with everything it stands for,
so no file can unfold into more than MAX_NODES.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec
import yaml

from amonsup.config.errors import ConfigError, path_part, shown
from amonsup.config.files import MAX_BYTES

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: the same events, ten times slower
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

MAX_DEPTH = 32
MAX_NODES = 250_000

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Scalar(msgspec.Struct, frozen=True):
    """A piece of text. `plain`: it stood without quotes."""

    text: str
    plain: bool
    line: int
    column: int
    size = 1
    height = 1


class Sequence(msgspec.Struct, frozen=True):
    """A list. size: nodes in it, aliases unfolded; height: levels below and including it."""

    items: tuple[Node, ...]
    line: int
    column: int
    size: int
    height: int


class Mapping(msgspec.Struct, frozen=True):
    """Keys with their values, in the order of the file; each key is kept for its place."""

    entries: dict[str, tuple[Scalar, Node]]
    line: int
    column: int
    size: int
    height: int

    def get(self, key: str) -> Node | None:
        """The value under a key, or None."""
        entry = self.entries.get(key)
        return entry[1] if entry is not None else None


Node = Scalar | Sequence | Mapping

EMPTY = Mapping({}, 1, 1, 1, 1)


def kind(node: Node) -> str:
    """What a node is, for error texts."""
    if type(node) is Scalar:
        return shown(node.text) if node.text else "nothing"
    return "a list" if type(node) is Sequence else "a mapping"


def is_empty(node: Node) -> bool:
    """Whether nothing stands there: `key:` without a value, or `~`."""
    return type(node) is Scalar and node.plain and node.text in ("", "~", "null")


def compose(content: bytes, file: str, *, may_be_empty: bool) -> tuple[Mapping | None, list[ConfigError]]:
    """The mapping a file holds (None where nothing can be read), and what is wrong with it as YAML."""
    try:
        text = _decoded(content, file)
        composer = _Composer(text, file)
        root = composer.document()
    except _UnreadableError as wrong:
        return None, [wrong.error]
    except yaml.MarkedYAMLError as wrong:
        return None, [_syntax_error(wrong, file)]
    except yaml.YAMLError as wrong:
        return None, [ConfigError(file, 0, 0, "", f"not YAML: {_one_line(str(wrong))}")]
    except (ValueError, OverflowError):
        # the pure Python scanner lets chr() refuse escapes such as "\UFFFFFFFF"
        return None, [ConfigError(file, 0, 0, "", "not YAML: an escape names no character")]
    return _root_mapping(root, file, composer.errors, may_be_empty)


class _UnreadableError(Exception):
    """The file cannot be read any further."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__(error.text)
        self.error = error


def _decoded(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        raise _UnreadableError(ConfigError(file, 0, 0, "", f"larger than {MAX_BYTES >> 20} MiB"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        before = content[: wrong.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise _UnreadableError(ConfigError(file, line, column, "", "not UTF-8 text")) from None
    return _without_controls(text, file)


def _without_controls(text: str, file: str) -> str:
    """YAML's own rule, checked here because libyaml's error for it has no line."""
    found = _NOT_YAML.search(text)
    if found is None:
        return text
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    says = f"the character U+{ord(found[0]):04X} may not stand here unescaped"
    raise _UnreadableError(ConfigError(file, line, column, "", says))


def _syntax_error(wrong: yaml.MarkedYAMLError, file: str) -> ConfigError:
    mark = wrong.problem_mark or wrong.context_mark
    says = _one_line(wrong.problem or str(wrong))
    if "maximum nesting depth" in says and mark is not None:  # newer libyaml stops scanning before we see an event
        return ConfigError(file, mark.line + 1, mark.column + 1, "", f"nested more than {MAX_DEPTH} levels deep")
    if "cannot start any token" in says:
        says += " (no tabs for indentation; text beginning with @ or ` or % needs quotes)"
    if wrong.context:
        says += f", {_one_line(wrong.context)}"
    if wrong.context_mark is not None and mark is not None and wrong.context_mark.line != mark.line:
        says += f" that begins on line {wrong.context_mark.line + 1}"
    if mark is None:
        return ConfigError(file, 0, 0, "", f"not YAML: {says}")
    return ConfigError(file, mark.line + 1, mark.column + 1, "", f"not YAML: {says}")


def _one_line(text: str) -> str:
    return " ".join(ascii(text)[1:-1].replace("\\n", " ").split())[:200]


def _root_mapping(
    root: Node | None, file: str, errors: list[ConfigError], may_be_empty: bool
) -> tuple[Mapping | None, list[ConfigError]]:
    if type(root) is Mapping:
        return root, errors
    if root is None or is_empty(root):
        if may_be_empty:
            return EMPTY, errors
        return None, [*errors, ConfigError(file, 0, 0, "", "the file is empty")]
    text = f"expected a mapping (key: value) at the top, found {kind(root)}"
    return None, [*errors, ConfigError(file, root.line, root.column, "", text)]


class _Composer:
    """Folds the events of one file into a tree. Recursion is bounded by MAX_DEPTH."""

    def __init__(self, text: str, file: str) -> None:
        self.errors: list[ConfigError] = []
        self._file = file
        self._next: Any = _Loader(text).get_event
        self._anchors: dict[str, Node | None] = {}
        self._trail: list[str] = []
        self._nodes = 0

    def document(self) -> Node | None:
        """The one document, None for a file without any."""
        self._next()  # the start of the stream
        if type(self._next()) is yaml.StreamEndEvent:
            return None
        root = self._node(self._next(), 1)
        self._next()  # the end of the document
        event = self._next()
        if type(event) is not yaml.StreamEndEvent:
            self._stop(event, "a second document begins here; write one file for each")
        return root

    def _node(self, event: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._stop(event, f"nested more than {MAX_DEPTH} levels deep")
        what = type(event)
        if what is yaml.AliasEvent:
            return self._alias(event, depth)
        self._count(event, 1)
        if event.tag is not None and event.tag != "!":
            tag = event.tag.replace("tag:yaml.org,2002:", "!!", 1)
            self._report(event, f"the tag {shown(tag)} is not allowed: a value is read by its key's type")
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # not to be used before it is complete
        node = self._scalar(event) if what is yaml.ScalarEvent else self._collection(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: Any) -> Scalar:
        mark = event.start_mark
        text = event.value
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self._stop(event, "an escape names half a character (a surrogate)")
        return Scalar(text, event.implicit[0], mark.line + 1, mark.column + 1)

    def _collection(self, event: Any, depth: int) -> Sequence | Mapping:
        if type(event) is yaml.SequenceStartEvent:
            return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _sequence(self, start: Any, depth: int) -> Sequence:
        items: list[Node] = []
        size = height = 1
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            self._trail.append(f"[{len(items)}]")
            item = self._node(event, depth + 1)
            self._trail.pop()
            items.append(item)
            size += item.size
            height = max(height, item.height + 1)
        mark = start.start_mark
        return Sequence(tuple(items), mark.line + 1, mark.column + 1, size, height)

    def _mapping(self, start: Any, depth: int) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        size = height = 1
        while type(event := self._next()) is not yaml.MappingEndEvent:
            key = self._node(event, depth + 1)
            self._trail.append(path_part(key.text) if type(key) is Scalar else "?")
            usable = self._usable_key(key, entries)
            value = self._node(self._next(), depth + 1)
            if usable is not None:
                entries[usable.text] = (usable, value)
            self._trail.pop()
            size += value.size + key.size
            height = max(height, value.height + 1)
        mark = start.start_mark
        return Mapping(entries, mark.line + 1, mark.column + 1, size, height)

    def _usable_key(self, key: Node, entries: dict[str, tuple[Scalar, Node]]) -> Scalar | None:
        if type(key) is not Scalar:
            self._report_at(key.line, key.column, f"a key must be text, not {kind(key)}")
            return None
        if key.text == "<<" and key.plain:
            text = "merge keys (<<) are not supported; what services share goes under 'defaults:'"
            self._report_at(key.line, key.column, text)
            return None
        if key.text in entries:
            first = entries[key.text][0]
            text = f"this key stands twice, first at line {first.line}, column {first.column}"
            self._report_at(key.line, key.column, text)
            return None
        return key

    def _alias(self, event: Any, depth: int) -> Node:
        if event.anchor not in self._anchors:
            self._stop(event, f"no anchor &{path_part(event.anchor)} stands before this alias")
        node = self._anchors[event.anchor]
        if node is None:
            self._stop(event, f"the alias *{path_part(event.anchor)} stands inside of what it names")
        if depth + node.height - 1 > MAX_DEPTH:
            self._stop(event, f"nested more than {MAX_DEPTH} levels deep")
        self._count(event, node.size)
        return node

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(event, f"more than {MAX_NODES} values, aliases unfolded")

    def _report(self, event: Any, text: str) -> None:
        self._report_at(event.start_mark.line + 1, event.start_mark.column + 1, text)

    def _report_at(self, line: int, column: int, text: str) -> None:
        self.errors.append(ConfigError(self._file, line, column, joined(self._trail), text))

    def _stop(self, event: Any, text: str) -> NoReturn:
        mark = event.start_mark
        error = ConfigError(self._file, mark.line + 1, mark.column + 1, joined(self._trail), text)
        raise _UnreadableError(error)


def joined(trail: list[str]) -> str:
    """A path as people write it: services.ce.tags[0]."""
    return ".".join(trail).replace(".[", "[")
