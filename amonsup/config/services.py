"""conf.d files to service specs.

A file has two keys. `services` maps names to services; `defaults` is merged under every service of the same
file: mappings key by key, everything else (lists as well) is replaced by what the service says. The merge
is made on the tree, before anything is read, so a value keeps the place where it was written and a mistake
in `defaults` is reported there, once.

What comes out is a `Draft` a service: the spec, and the tree it came from, because checks over the whole
fleet must say where. A service with mistakes still yields a draft (with defaults in place of what could not
be read): its name exists, and others may depend on it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from amonsup.config import environment, not_yet
from amonsup.config.errors import ConfigError, path_part
from amonsup.config.fields import RefusedError, Scope
from amonsup.config.keys import Record, Values, as_mapping, require
from amonsup.config.service_keys import SERVICE
from amonsup.config.specs import ServiceSpec
from amonsup.config.strict_yaml import EMPTY, MAX_NODES, Mapping, Node, Scalar, Sequence, compose
from amonsup.config.units import is_name

FILE_KEYS = ("services", "defaults")


class Draft(msgspec.Struct, frozen=True):
    """A service as read from its file, before it is checked against the others."""

    name: str
    scope: Scope
    place: Scalar
    body: Mapping
    spec: ServiceSpec

    @property
    def path(self) -> str:
        """What its mistakes are filed under."""
        return f"services.{self.name}"

    def report(self, key: str, text: str, allowed: str = "", hint: str = "", at: Node | None = None) -> None:
        """A mistake about one of its keys, at that key if it stands there."""
        path = f"{self.path}.{key}" if key else self.path
        entry = self.body.entries.get(key.partition(".")[0])
        self.scope.report(at or (entry[1] if entry else self.place), path, text, allowed, hint)

    def warn(self, key: str, text: str, at: Node | None = None) -> None:
        """Something remarkable about one of its keys; it stops nobody."""
        entry = self.body.entries.get(key)
        at = at or (entry[1] if entry else self.place)
        self.scope.findings.warn(ConfigError(self.scope.file, at.line, at.column, f"{self.path}.{key}", text))


def _fields(**values: Any) -> Values:
    return values


_SERVICE = Record(SERVICE, _fields, None, not_yet.SERVICE)


def read_services(content: bytes, scope: Scope) -> list[Draft] | None:
    """The services of one file, None if it cannot be read as YAML; mistakes go to the scope's findings."""
    root, errors = compose(content, scope.file, may_be_empty=True)
    for error in errors:
        scope.findings.add(error)
    if root is None:
        return None
    _check_file_keys(root, scope)
    defaults = _defaults(root, scope)
    services = _mapping(root, "services", scope)
    if defaults.size * len(services.entries) > MAX_NODES:
        place = root.entries["defaults"][0]
        scope.report(place, "defaults", f"more than {MAX_NODES} values once merged under every service")
        return []
    drafts = []
    for place, node in services.entries.values():
        if not place.text.startswith("x-"):
            drafts.append(_service(place, node, defaults, scope))
    return drafts


def merge(under: Mapping, over: Mapping) -> Mapping:
    """`over` with what only `under` has; where both have a mapping, the same again within."""
    entries = dict(under.entries)
    for key, (place, node) in over.entries.items():
        below = under.get(key)
        if type(below) is Mapping and type(node) is Mapping:
            node = merge(below, node)
        entries[key] = (place, node)
    return Mapping(entries, over.line, over.column, over.size, over.height)


def _check_file_keys(root: Mapping, scope: Scope) -> None:
    for key, (place, _) in root.entries.items():
        if key not in FILE_KEYS and not key.startswith("x-"):
            hint = scope.hint(key, list(FILE_KEYS))
            scope.report(place, path_part(key), "unknown key", "" if hint else "services, defaults", hint)


def _mapping(root: Mapping, key: str, scope: Scope) -> Mapping:
    node = root.get(key)
    if node is None:
        return EMPTY
    try:
        return as_mapping(node, key, scope)
    except RefusedError:
        return EMPTY


def _defaults(root: Mapping, scope: Scope) -> Mapping:
    defaults = _mapping(root, "defaults", scope)
    if defaults.entries:
        _SERVICE.values(defaults, "defaults", scope)  # read for its mistakes, so that they are named 'defaults'
    return defaults


def _service(place: Scalar, node: Node, defaults: Mapping, scope: Scope) -> Draft:
    path = f"services.{path_part(place.text)}"
    if not is_name(place.text):
        allowed = "letters, digits, - and _, at most 63, the first a letter or digit"
        scope.report(place, path, "this is not a name for a service", allowed)
    try:
        own = as_mapping(node, path, scope)
    except RefusedError:
        return Draft(place.text, scope, place, EMPTY, _spec(place.text, {}))
    body = merge(defaults, own) if defaults.entries else own
    values = _SERVICE.values(body, path, scope)
    require(SERVICE, body, path, scope, place)
    return Draft(place.text, scope, place, body, _spec(place.text, values))


def _spec(name: str, values: Values) -> ServiceSpec:
    """The fields that two keys share, or that one key splits into, put right."""
    variables = environment.merged(values.pop("env_file", {}), values.pop("environment", {}))
    if variables:
        values["environment"] = variables
    exits = values.pop("success_exit", None)
    if exits is not None:
        values["success_codes"] = tuple(sorted({status for status in exits if status >= 0}))
        values["success_signals"] = tuple(sorted({-status for status in exits if status < 0}))
    reload = values.pop("reload", None)
    if reload is not None:
        values["is_reload_given"] = True
    if isinstance(reload, int):
        values["reload_signal"] = reload
    elif reload is not None:
        values["reload_command"] = reload
    values.setdefault("command", ())
    return ServiceSpec(name=name, **values)


def listed_node(body: Mapping, key: str, name: str) -> Node | None:
    """Where a name stands within a key that is a list or a mapping of names."""
    node = body.get(key)
    if type(node) is Mapping:
        entry = node.entries.get(name)
        return entry[0] if entry is not None else None
    if type(node) is Sequence:
        for item in node.items:
            if type(item) is Scalar and item.text == name:
                return item
    return None
