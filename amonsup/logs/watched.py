"""One log under watch rules: how far it was judged, what is being told of it, and its record on disk.

`Source` is where a log's bytes come from; there is one for captured logs and one for files that services write.
"""

from __future__ import annotations

import json
import os
import zlib

from amonsup.logs.watching import Matcher, Throttle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from amonsup.loop.channel import Message
    from amonsup.loop.loop import Timer

    class Source(Protocol):
        """A log's bytes by position."""

        def read(self, position: int, size: int) -> tuple[int, bytes]:
            """Bytes at `position`, and where they really begin: behind it, if what stood there is gone."""

        def end(self) -> int:
            """Where the next byte will stand."""

        def generation(self, position: int) -> int:
            """The life that wrote what stands there; 0 if nobody knows."""

        def close(self) -> None: ...


class Watched:
    """One log under rules. `number` counts what was told; with `epoch` it names a message for ever."""

    __slots__ = (
        "epoch",
        "fd",
        "final_at",
        "is_due",
        "log",
        "matcher",
        "number",
        "path",
        "pending",
        "position",
        "saved",
        "service",
        "source",
        "throttles",
        "timer",
        "timer_at",
    )

    def __init__(self, service: str, log: str, matcher: Matcher, source: Source, fd: int) -> None:
        self.service = service
        self.log = log
        self.path = ""
        self.matcher = matcher
        self.source = source
        self.fd = fd
        self.epoch = os.urandom(4).hex()
        self.number = 0
        self.position = 0
        self.saved = 0
        self.final_at = 0  # a line that ends here without a line break is whole: its life is over
        self.pending: Message | None = None
        self.throttles = {rule.key: Throttle(rule) for rule in matcher.rules}
        self.is_due = False
        self.timer: Timer | None = None
        self.timer_at = 0.0


def encode(record: dict[str, Any]) -> bytes:
    """One line with its checksum; what an earlier, longer one left behind it means nothing."""
    raw = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(raw), raw)


def decode(raw: bytes) -> dict[str, Any] | None:
    """None for what is no record: then lines are judged from the log's end on."""
    line, _, _ = raw.partition(b"\n")
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
