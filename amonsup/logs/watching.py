"""Watch rules over the bytes of a log: which lines match, and how often that is said. Pure: no clock, no file.

Theory. Almost no line matches, so the common case must be cheap: RE2 looks at whole chunks, all rules of a log at
once, and only a line that has a hit is looked at rule by rule. A pattern compiled with `never_nl` cannot match a line
break, so what matches in a chunk matches within one line, and nothing that spans two lines can hide it. Patterns that
speak of the text's ends (\\A, \\z), switch off the line anchors or match single bytes (\\C) would mean something else
in a chunk: with one of those the lines are looked at one by one.

A chunk is what lies behind the cursor, at most CHUNK bytes; whole lines of it are judged. A line without an end
within CHUNK bytes is judged in pieces of that length, counted from its beginning: the same pieces, whenever and by
whoever it is read. That makes a second look after a death find the very same matches.

What is said is limited rule by rule (`Throttle`): at most one event every `every` seconds (without it a burst of
ten a second); what comes in between is counted, and when the time is over the last of it is reported with the
count. So events and counts together are always exactly the matching lines.
"""

from __future__ import annotations

from amonsup.config.watch_rules import checked, compile_raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

CHUNK = 256 * 1024
BLOCK = 32 * 1024
"""How far the end of something of several lines is looked for."""

MAX_TEXT = 500
"""Characters of a line in an event."""

BURST = 10
BURST_S = 1.0

_ASK_LINE_BY_LINE = (r"\A", r"\z", r"\C")
_SEQUELS = (
    b"During handling of the above exception, another exception occurred:",
    b"The above exception was the direct cause of the following exception:",
)


class Rule:
    """One rule as the logger needs it. `key` names it between processes; `is_block`: see watch_rules.SETS."""

    __slots__ = ("every_s", "is_block", "key", "pattern")

    def __init__(self, key: str, pattern: str, every_s: float = 0.0, is_block: bool = False) -> None:
        self.key = key
        self.pattern = pattern
        self.every_s = every_s
        self.is_block = is_block

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and self.as_list() == other.as_list()

    def __hash__(self) -> int:
        return hash(self.key)

    def as_list(self) -> list[Any]:
        return [self.key, self.pattern, self.every_s, self.is_block]


class Hit:
    """A line that matches. `end` is where the next one begins; `text` is what is worth showing of it."""

    __slots__ = ("end", "keys", "start", "text")

    def __init__(self, start: int, end: int, keys: tuple[str, ...], text: bytes) -> None:
        self.start = start
        self.end = end
        self.keys = keys
        self.text = text


class Matcher:
    """The compiled rules of a log; shared by all logs that have the same ones. Raises watch_rules.PatternError."""

    def __init__(self, rules: Iterable[Rule], skip: int = 0) -> None:
        """`skip`: bytes that amonsup has put in front of each line (a time stamp), not looked at."""
        self.rules = tuple(rules)
        self._skip = skip
        raw = [checked(rule.pattern) for rule in self.rules]
        self._single = [compile_raw(b"(?m:" + each + b")") for each in raw]
        self._any = compile_raw(b"|".join(b"(?m:" + each + b")" for each in raw)) if raw else None
        self._is_by_line = skip > 0 or any(_asks_line_by_line(rule.pattern) for rule in self.rules)
        self._blocks = {rule.key for rule in self.rules if rule.is_block}

    def judge(self, chunk: bytes, at: int, *, is_final: bool = False, is_late: bool = False) -> Hit | int:
        """The first matching line from `at` (a line's beginning) on; or up to where lines have been judged in vain.

        `is_final`: nobody will go on with a last line that has no end, so it counts. `is_late`: what follows a
        traceback's head has been waited for long enough.
        """
        end = len(chunk) if is_final else chunk.rfind(b"\n") + 1
        if not end and len(chunk) >= CHUNK:
            end = CHUNK
        while at < end and self._any is not None:
            span = self._next(chunk, at, end)
            if span is None:
                return end
            start, stop = span
            keys = self._keys(chunk[start + self._skip : stop])
            at = min(stop + 1, end)
            if self._blocks.isdisjoint(keys):
                if keys:
                    return Hit(start, at, keys, chunk[start + self._skip : stop])
                continue
            if _continues_another(chunk, start, self._skip):
                keys = tuple(key for key in keys if key not in self._blocks)
                if keys:
                    return Hit(start, at, keys, chunk[start + self._skip : stop])
                continue
            last = _end_of_block(chunk, stop + 1, self._skip, is_late=is_late or is_final)
            if last is None:
                return start
            return Hit(start, at, keys, last or chunk[start + self._skip : stop])
        return max(at, end)

    def _next(self, chunk: bytes, at: int, end: int) -> tuple[int, int] | None:
        """The next line with a hit, without its end."""
        if self._is_by_line:
            return self._next_by_line(chunk, at, end)
        found = self._any.search(chunk, at, end)  # type: ignore[union-attr]
        if found is None:
            return None
        start = found.start()
        if start >= end > at and chunk[end - 1 : end] == b"\n":
            return None  # an empty match behind the last line
        stop = chunk.find(b"\n", start, end)
        return chunk.rfind(b"\n", at, start) + 1 or at, end if stop < 0 else stop

    def _next_by_line(self, chunk: bytes, at: int, end: int) -> tuple[int, int] | None:
        while at < end:
            stop = chunk.find(b"\n", at, end)
            stop = end if stop < 0 else stop
            if self._any.search(chunk[at + self._skip : stop]) is not None:  # type: ignore[union-attr]
                return at, stop
            at = stop + 1
        return None

    def _keys(self, line: bytes) -> tuple[str, ...]:
        return tuple(
            rule.key for rule, each in zip(self.rules, self._single, strict=True) if each.search(line) is not None
        )


def readable(chunk: bytes) -> bytes:
    """The chunk with a question mark for every byte that is no UTF-8: same length, and RE2 sees all of it."""
    if chunk.isascii():
        return chunk
    try:
        chunk.decode()
    except UnicodeDecodeError:
        return _masked(chunk)
    return chunk


def _masked(chunk: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        try:
            chunk[at:].decode()
        except UnicodeDecodeError as error:
            if len(parts) > 2000:  # this is no text at all
                return b"".join(parts) + bytes(chunk[at:]).translate(_ASCII)
            parts.append(chunk[at : at + error.start])
            parts.append(b"?" * (error.end - error.start))
            at += error.end
        else:
            parts.append(chunk[at:])
            return b"".join(parts)


_ASCII = bytes(byte if byte < 128 else 63 for byte in range(256))


def printable(text: bytes) -> str:
    """What an event shows of a line: at most MAX_TEXT characters, none that could hurt a terminal."""
    words = text[: 4 * MAX_TEXT].decode("utf-8", "replace").rstrip()
    shown = "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in words[:MAX_TEXT])
    return shown[: MAX_TEXT - 1] + "…" if len(words) > MAX_TEXT or len(text) > 4 * MAX_TEXT else shown


def _asks_line_by_line(pattern: str) -> bool:
    if any(each in pattern for each in _ASK_LINE_BY_LINE):
        return True
    # (?-m) in one of its spellings: what stands between `(?` and `)` or `:` has a minus.
    return any("-" in part[: _flags_end(part)] for part in pattern.split("(?")[1:])


def _flags_end(part: str) -> int:
    for at, letter in enumerate(part):
        if letter in ":)<P":
            return at
    return len(part)


def _end_of_block(chunk: bytes, at: int, skip: int, *, is_late: bool) -> bytes | None:
    """The last line of what begins above `at`: the first that is not indented. None: it has not come yet.

    Empty: there is no such line. An exception that was raised while another was handled belongs to it.
    """
    last = b""
    is_inside = False
    limit = min(len(chunk), at + BLOCK)
    is_far = limit < len(chunk)
    while (stop := chunk.find(b"\n", at, limit)) >= 0:
        line = chunk[at + skip : stop]
        at = stop + 1
        if line[:1] in (b" ", b"\t"):
            is_inside = True
        elif not is_inside:
            return last
        else:
            last, is_inside = line, False
            at = _sequel(chunk, at, skip)
            if at < 0:
                return last
    return last if is_late or is_far else None


def _sequel(chunk: bytes, at: int, skip: int) -> int:
    """If another exception follows, where its first indented line is; otherwise -1."""
    lines = []
    for _ in range(4):
        stop = chunk.find(b"\n", at)
        if stop < 0:
            return -1
        lines.append(chunk[at + skip : stop].rstrip())
        at = stop + 1
    if lines[0] == b"" and lines[1] in _SEQUELS and lines[2] == b"" and lines[3].startswith(b"Traceback "):
        return at
    return -1


def _continues_another(chunk: bytes, start: int, skip: int) -> bool:
    """Whether the traceback that begins here is the sequel of one that was reported."""
    above = chunk[max(0, start - 400) : start].split(b"\n")
    return len(above) >= 3 and above[-1] == b"" and above[-3][skip:].rstrip() in _SEQUELS


class Throttle:
    """How often one rule speaks about one log. Times are CLOCK_MONOTONIC seconds."""

    __slots__ = ("begun", "every_s", "most", "said", "suppressed", "text")

    def __init__(self, rule: Rule) -> None:
        self.every_s = rule.every_s or BURST_S
        self.most = 1 if rule.every_s else BURST
        self.begun = 0.0
        self.said = 0
        self.suppressed = 0
        self.text = b""

    def matched(self, now: float, text: bytes) -> int:
        """One more match: how many were suppressed before it if it is to be said, or -1 if it is suppressed too."""
        if not self.begun <= now < self.begun + self.every_s:
            self.begun, self.said = now, 0
        if self.said >= self.most:
            self.suppressed += 1
            self.text = text
            return -1
        self.said += 1
        before, self.suppressed = self.suppressed, 0
        return before

    def due(self) -> float:
        """When what was suppressed is to be said; 0: nothing was."""
        return self.begun + self.every_s if self.suppressed else 0.0

    def summary(self, now: float) -> tuple[bytes, int] | None:
        """The last suppressed match and how many came before it, once the time is over."""
        if not self.suppressed or self.begun <= now < self.begun + self.every_s:
            return None
        said = self.text, self.suppressed - 1
        self.begun, self.said, self.suppressed, self.text = now, 1, 0, b""
        return said

    def as_list(self) -> list[Any]:
        return [round(self.begun, 3), self.said, self.suppressed, printable(self.text)]

    def restore(self, saved: list[Any]) -> None:
        """What `as_list` gave; a text that was cut stays cut."""
        self.begun, self.said, self.suppressed, text = saved
        self.text = text.encode()
