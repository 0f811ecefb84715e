"""Instances: a service with `scale` is a template, and what runs are its instances NAME-1 … NAME-N.

conf.d and the applied configuration have the template; `expand` makes of all templates what runs, and is the only
place that does: for the first start, for an apply, for `amonsup scale` and for a successor the same. Each instance is
a service like any other, with a name, a log, a state and a cgroup of its own. Whoever depends on the template depends
on every instance; with none, on nothing.

In the fields of FILLED `{name}` stands for the instance's name and `{instance}` for its number. They are replaced as
they stand, once; other braces, and every brace of a service without `scale`, mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from amonsup.config.specs import Dependency, ServiceSpec

MOST = 1000
"""Instances of one service."""

LONGEST_NAME = 63
MOST_OF_ALL = 5000
MOST_DEPENDENCIES = 100_000
"""Between all instances: two services of a thousand instances each, one needing the other, would be a million."""

FILLED = (
    "command",
    "description",
    "working_dir",
    "environment",
    "pid_file",
    "healthcheck",
    "reload_command",
    "preflight",
    "pre_start",
    "post_start",
    "pre_stop",
    "post_stop",
    "secrets",
    "sockets",
    "logging",
    "update",
)
"""What may differ between instances. Not: who runs it, what it needs, its limits, its tags."""


class Scaled(msgspec.Struct, frozen=True):
    """`amonsup scale`: `count` instances in place of the `over` that conf.d said by then."""

    count: int
    over: int


def in_force(services: Iterable[ServiceSpec], scaled: Mapping[str, Scaled]) -> dict[str, Scaled]:
    """What `amonsup scale` said and conf.d has not overtaken: a changed `scale` has the last word."""
    found = {spec.name: spec.scale for spec in services}
    return {name: each for name, each in scaled.items() if found.get(name) == each.over}


def counts(services: Iterable[ServiceSpec], scaled: Mapping[str, Scaled]) -> dict[str, int]:
    """How many instances each template has."""
    return {
        spec.name: scaled[spec.name].count if spec.name in scaled else spec.scale
        for spec in services
        if spec.scale is not None
    }


def problem(services: Iterable[ServiceSpec], scaled: Mapping[str, Scaled]) -> str:
    """Why these numbers of instances cannot be; empty: they can."""
    services = tuple(services)
    names = {spec.name for spec in services}
    for template, count in counts(services, scaled).items():
        if len(f"{template}-{count}") > LONGEST_NAME:
            return f"the name of the instance {template}-{count} is longer than {LONGEST_NAME} characters"
        for each in range(1, count + 1):
            if f"{template}-{each}" in names:
                return f"the instance {template}-{each} has the name of another service"
    return too_many(services, scaled)


def too_many(services: Iterable[ServiceSpec], scaled: Mapping[str, Scaled]) -> str:
    """The same, of all services together."""
    services = tuple(services)
    number = counts(services, scaled)
    total = sum(number.values())
    if total > MOST_OF_ALL:
        return f"{total} instances in all; at most {MOST_OF_ALL} are allowed"
    dependencies = sum(
        number.get(spec.name, 1) * sum(number.get(needed.name, 1) for needed in spec.depends_on) for spec in services
    )
    if dependencies > MOST_DEPENDENCIES:
        return f"{dependencies} dependencies between instances; at most {MOST_DEPENDENCIES} are allowed"
    return ""


def expand(services: Iterable[ServiceSpec], scaled: Mapping[str, Scaled]) -> tuple[ServiceSpec, ...]:
    """What runs: instances in place of templates, in the order of the configuration."""
    services = tuple(services)
    number = counts(services, scaled)
    if not number:
        return services
    found: list[ServiceSpec] = []
    for spec in services:
        needs = _needs(spec.depends_on, number)
        if needs != spec.depends_on:
            spec = msgspec.structs.replace(spec, depends_on=needs)
        if spec.name in number:
            found += (instance(spec, each) for each in range(1, number[spec.name] + 1))
        else:
            found.append(spec)
    return tuple(found)


def instance(template: ServiceSpec, number: int) -> ServiceSpec:
    """One of them."""
    words = {"{name}": f"{template.name}-{number}", "{instance}": str(number)}
    filled = {key: _filled(value, words) for key in FILLED if (value := getattr(template, key))}
    return msgspec.structs.replace(template, name=words["{name}"], instance_of=template.name, scale=None, **filled)


def _needs(depends_on: tuple[Dependency, ...], number: Mapping[str, int]) -> tuple[Dependency, ...]:
    found: list[Dependency] = []
    for needed in depends_on:
        if needed.name in number:
            each = range(1, number[needed.name] + 1)
            found += (msgspec.structs.replace(needed, name=f"{needed.name}-{n}") for n in each)
        else:
            found.append(needed)
    return tuple(found)


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    """Every text in it, however deep, with the words replaced; the value itself if there are none."""
    if isinstance(value, str):
        return _replaced(value, words) if "{" in value else value
    if isinstance(value, tuple):
        made = tuple(_filled(each, words) for each in value)
        return value if made == value else made
    if isinstance(value, msgspec.Struct):
        changed = {key: _filled(getattr(value, key), words) for key in value.__struct_fields__}
        filled = msgspec.structs.replace(value, **changed)
        return value if filled == value else filled
    return value


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """Left to right, so that what was filled in is not looked at again."""
    parts: list[str] = []
    while text:
        found = min(((at, word) for word in words if (at := text.find(word)) >= 0), default=None)
        if found is None:
            break
        at, word = found
        parts += text[:at], words[word]
        text = text[at + len(word) :]
    return "".join((*parts, text))
