"""The door as a process of its own: `main([config_file])` prints one JSON document and ends.

The supervisor starts it as a short-lived child to apply a configuration: YAML, its memory and whatever a
file can do to a parser stay out of the process that every service depends on. stdout holds {"loaded": …}
with exit status 0, or {"errors": […]} with 2; nothing is written anywhere else.
"""

from __future__ import annotations

import os
import sys

import msgspec

from amonsup.config.errors import ConfigError
from amonsup.config.load import load
from amonsup.config.specs import Loaded

DONE = 0
INVALID = 2


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document: one of the two."""

    loaded: Loaded | None = None
    errors: tuple[ConfigError, ...] = ()


def main(argv: list[str]) -> int:
    """Load the amonsup.yaml named by the only argument, as the user this runs as."""
    if len(argv) != 1:
        wrong = ConfigError("", 0, 0, "", "exactly one argument is expected: an amonsup.yaml")
        return _say(Answer(errors=(wrong,)), INVALID)
    outcome = load(argv[0], environ=os.environ, euid=os.geteuid())
    if isinstance(outcome, Loaded):
        return _say(Answer(loaded=outcome), DONE)
    return _say(Answer(errors=tuple(outcome)), INVALID)


def _say(answer: Answer, status: int) -> int:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
