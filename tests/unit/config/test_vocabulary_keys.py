"""One table of keys: the parser, the schema, the defaults and the specs agree because they come from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from amonsup.config.errors import Findings
from amonsup.config.fields import Scope
from amonsup.config.keys import Key, Record
from amonsup.config.schema import json_schema
from amonsup.config.service_keys import BACKOFF, HEALTHCHECK, LOGGING, SERVICE
from amonsup.config.services import read_services
from amonsup.config.specs import Backoff, Healthcheck, Logging, ServiceSpec
from amonsup.config.strict_yaml import Mapping, Node, Sequence, compose

EXAMPLE = Path(__file__).with_name("vocabulary.yaml")


def scope() -> Scope:
    return Scope("f", "/", {}, Findings(), is_trusting=True)


def example() -> Mapping:
    root, errors = compose(EXAMPLE.read_bytes(), "f", may_be_empty=False)
    assert errors == []
    assert root is not None
    return root


def test_the_example_holds_every_key() -> None:
    services = example().get("services")
    assert type(services) is Mapping
    ce = services.get("ce")
    assert type(ce) is Mapping
    assert set(ce.entries) == {*SERVICE, "x-anything"}
    for key, record in (("logging", LOGGING), ("backoff", BACKOFF)):
        below = ce.get(key)
        assert type(below) is Mapping
        assert set(below.entries) == set(record.keys)


def test_the_parser_knows_the_example() -> None:
    here = scope()
    drafts = read_services(EXAMPLE.read_bytes(), here)
    assert drafts is not None
    assert [draft.name for draft in drafts] == ["db", "ce"]
    complaints = [each.render() for each in here.findings.errors() if "not yet" not in each.text]
    assert complaints == ["f:13:15: services.ce.env_file: /ce.env does not exist"]


def missing(node: Node, schema: dict[str, Any]) -> Iterator[str]:
    """Keys of a tree that a schema has no place for."""
    branches = [schema, *schema.get("anyOf", [])]
    if type(node) is Sequence:
        item_schemas = [branch["items"] for branch in branches if "items" in branch]
        for item in node.items:
            for each in item_schemas:
                yield from missing(item, each)
    if type(node) is not Mapping:
        return
    records = [branch for branch in branches if "properties" in branch or "additionalProperties" in branch]
    assert records, node
    for key, (_, value) in node.entries.items():
        if key.startswith("x-"):
            continue
        places = [below for each in records if (below := _below(each, key)) is not None]
        if not places:
            yield key
        for place in places:
            yield from missing(value, place)


def _below(record: dict[str, Any], key: str) -> dict[str, Any] | None:
    known: dict[str, Any] | None = record.get("properties", {}).get(key)
    if known is not None:
        return known
    for pattern, below in record.get("patternProperties", {}).items():
        if not pattern.startswith("^x-"):
            return dict(below)
    rest = record.get("additionalProperties", False)
    return rest if isinstance(rest, dict) else None


def test_the_schema_knows_the_example() -> None:
    assert list(missing(example(), json_schema())) == []


def test_the_schema_knows_nothing_else() -> None:
    root, _ = compose(b"services: {s: {comand: x, backoff: {maxx: 1s}}}\nservice: {}", "f", may_be_empty=False)
    assert root is not None
    assert list(missing(root, json_schema())) == ["comand", "maxx", "service"]


def test_the_schema_is_json_with_help_everywhere() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema
    (service,) = schema["properties"]["services"]["patternProperties"].values()
    assert set(service["properties"]) == set(SERVICE)
    assert all(each["description"] for each in service["properties"].values())
    assert service["properties"]["scale"]["description"] == "How many instances: NAME-1, NAME-2 …"
    assert service["properties"]["restart"]["enum"] == ["always", "on-failure", "unless-stopped", "no"]


def with_default(record: Record, spec: object) -> list[tuple[Key, object]]:
    return [
        (key, getattr(spec, key.field or key.name))
        for key in record.keys.values()
        if key.default and key.name not in ("success_exit", "reload")
    ]


BARE = ServiceSpec(name="s", command=("x",))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *with_default(Record(SERVICE, dict), BARE),
        *with_default(BACKOFF, Backoff()),
        *with_default(HEALTHCHECK, Healthcheck()),
        *with_default(LOGGING, Logging()),
    ],
    ids=lambda part: part.name if isinstance(part, Key) else "",
)
def test_the_written_default_is_the_default(key: Key, value: object) -> None:
    root, _ = compose(f"k: {key.default}".encode(), "f", may_be_empty=False)
    assert root is not None
    node = root.get("k")
    assert node is not None
    assert key.reader.read(node, "k", scope()) == value


@pytest.mark.parametrize("key", ["success_exit", "reload"])
def test_the_written_default_of_keys_that_split(key: str) -> None:
    content = f"services: {{s: {{command: x, {key}: {SERVICE[key].default}}}}}"
    drafts = read_services(content.encode(), scope())
    assert drafts is not None
    # (That somebody has written it down says something of its own.)
    assert msgspec.structs.replace(drafts[0].spec, is_reload_given=False) == BARE


def test_every_key_fills_a_field() -> None:
    split = {"env_file", "success_exit", "reload"}
    assert {key.field or key.name for key in SERVICE.values()} - split <= set(ServiceSpec.__struct_fields__)
    assert {key.field or key.name for key in LOGGING.keys.values()} == set(Logging.__struct_fields__)
    assert {key.field or key.name for key in BACKOFF.keys.values()} == set(Backoff.__struct_fields__)
