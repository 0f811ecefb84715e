"""What the vocabulary has and this version has not.

The whole vocabulary is read and typed from the first day, so that a configuration written for a later
version shows its mistakes now, and so that adding a feature means deleting a line here. A key (or
`key=value`, where only one value of a key is missing) that stands in this table is an error of its own,
besides whatever is wrong with its value.
"""

from __future__ import annotations

SERVICE: dict[str, str] = {
    "sockets": "sockets are not opened for services",
    "update": "nothing is updated from afar",
}

SITE: dict[str, str] = {}


def refusal(key: str, reason: str) -> str:
    """The words for it."""
    return f"not yet: {key}: {reason} (this version does not have it)"
