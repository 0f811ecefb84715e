"""A rule that threw, as a file that replays it.

The transcript holds everything the rule saw: the specs and states of the fleet's members it could look at, the event,
the time; and for the reader the last events of that service. Pasted into a test, `replay` runs the same rule again.
"""

from __future__ import annotations

import msgspec

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.model.events import AnyEvent
from amonsup.supervisor.model.records import ServiceState


class Transcript(msgspec.Struct, frozen=True):
    """`trail` holds (monotonic seconds, event), oldest first; the last one threw `error`."""

    version: str
    error: str
    specs: tuple[ServiceSpec, ...]
    states: tuple[ServiceState, ...]
    trail: tuple[tuple[float, AnyEvent], ...]
    is_shutting_down: bool = False


def encode(transcript: Transcript) -> bytes:
    return msgspec.json.format(msgspec.json.encode(transcript), indent=1)


def decode(text: bytes) -> Transcript:
    """Raises msgspec.DecodeError for what is not a transcript."""
    return msgspec.json.decode(text, type=Transcript)
