"""The JSON Schema of a conf.d file, for editors: generated from the parser's own tables of keys.

A schema cannot say everything that the parser checks (whether a dependency exists, whether a variable is
set); what it accepts may still be refused. It must not complain about what the parser accepts, numbers in
quotes aside: an editor that cries wolf is switched off.
"""

from __future__ import annotations

from typing import Any

from amonsup.config import not_yet, units
from amonsup.config.keys import Record
from amonsup.config.service_keys import SERVICE

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema as plain dicts and lists."""
    service = Record(SERVICE, dict, None, not_yet.SERVICE).form()
    service.pop("required", None)  # what `defaults` gives need not stand in the service itself
    return {
        "$schema": DIALECT,
        "title": "amonsup conf.d",
        "type": ["object", "null"],
        "properties": {
            "services": {
                "description": "What runs, by name.",
                "type": ["object", "null"],
                "patternProperties": {f"^{units.NAME}$": service},
                "additionalProperties": False,
            },
            "defaults": {**service, "description": "Merged under every service of this file."},
        },
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
