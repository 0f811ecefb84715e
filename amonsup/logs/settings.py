"""How one service's output is kept, as the supervisor has told it (docs/protocol.md, 'Supervisor and logger').

A thousand services mostly have the same settings: equal ones are one object. `told` is the message's own mapping, for
those parts that have their own readers (watch rules).
"""

from __future__ import annotations

import json

from amonsup.loop.channel import Message

MIN_SIZE = 4096
NEVER = "never"


class Settings:
    """Sizes in bytes; max_total 0: unbounded. `logs`: how many logs share max_total."""

    __slots__ = ("compress", "drops", "logs", "max_files", "max_size", "max_total", "rotate", "timestamps", "told")

    def __init__(self, told: Message) -> None:
        self.told = told
        self.logs: int = 2 if told.get("stderr") == "separate" else 1
        self.max_total: int = told.get("max_total", 0) // self.logs
        size: int = told.get("max_size", 50 << 20)
        # Half of what is allowed in all, so that something rotated can be kept beside the current file.
        self.max_size = max(MIN_SIZE, min(size, self.max_total // 2)) if self.max_total else max(MIN_SIZE, size)
        self.max_files: int = told.get("max_files", 10)
        self.rotate: str = told.get("rotate", NEVER)
        self.compress: bool = told.get("compress", True)
        self.timestamps: bool = told.get("timestamps", False)
        self.drops: bool = told.get("on_full") == "drop"


_known: dict[str, Settings] = {}


def settings_of(told: Message) -> Settings:
    """The record for this message; equal ones share one."""
    key = json.dumps(told, sort_keys=True)
    found = _known.get(key)
    if found is None:
        if len(_known) > 1000:
            _known.clear()
        found = _known[key] = Settings(told)
    return found
