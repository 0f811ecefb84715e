"""Patterns over lines: RE2, which takes linear time whatever the pattern is.

A pattern is tried on a block of many lines at once, because a call for every line would cost more than the search.
`never_nl` keeps a match from crossing into another line, so a pair of lines that match only together neither counts
nor hides one that matches by itself. `^` and `$` mean a line. What means the text as a whole (`\\A`, `\\z`, a group
that switches `m` off) can not be told from a block: such a pattern is tried line by line.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_PATTERN = 4096
_WHOLE_TEXT = re.compile(r"\\[Az]|\(\?[a-zA-Z]*-[a-zA-Z]*m")


class PatternError(Exception):
    """`column` counts characters from 1; 0: the pattern as a whole."""

    def __init__(self, text: str, column: int) -> None:
        super().__init__(text)
        self.text, self.column = text, column


class Pattern:
    """`first(data, at)`: begin and end of the first matching line not before `at`, newline included; else None.

    `at` must be where a line begins.
    """

    __slots__ = ("_search", "first", "text")

    def __init__(self, text: str, *, ignores_case: bool = False) -> None:
        self.text = text
        self._search = _compiled(text, ignores_case)
        self.first: Callable[[bytes, int], tuple[int, int] | None]
        self.first = self._first_by_line if _WHOLE_TEXT.search(text) else self._first

    def _first(self, data: bytes, at: int) -> tuple[int, int] | None:
        found = self._search(data, at)
        if found is None:
            return None
        place = found.start()
        if place == len(data) and data[-1:] in (b"", b"\n"):
            return None  # what matches the empty end of the block is no line
        return data.rfind(b"\n", at, place) + 1 or at, _line_end(data, place)

    def _first_by_line(self, data: bytes, at: int) -> tuple[int, int] | None:
        while at < len(data):
            end = _line_end(data, at)
            if self._search(data[at:end].removesuffix(b"\n")) is not None:
                return at, end
            at = end
        return None


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return len(data) if end < 0 else end + 1


def _compiled(text: str, ignores_case: bool) -> Callable[..., re.Match[bytes] | None]:
    """Raises PatternError."""
    import re2  # 17 ms, for those who search only

    if len(text) > MAX_PATTERN:
        raise PatternError(f"a pattern may have at most {MAX_PATTERN} characters, not {len(text)}", 0)
    options = re2.Options()
    options.never_nl = True
    options.never_capture = True
    options.log_errors = False
    options.case_sensitive = not ignores_case
    try:
        re2.compile(text, options)  # by itself first: what is wrapped around it must not make it whole
        if "\\Q" in text:
            text += "\\E"  # what is quoted to the end would quote the wrapping
        found: Callable[..., re.Match[bytes] | None] = re2.compile(f"(?m:{text})", options).search
    except re2.error as error:
        raise _explained(text, error) from None
    except UnicodeEncodeError:
        raise PatternError("not UTF-8", 0) from None
    return found


def _explained(text: str, error: Exception) -> PatternError:
    """RE2 says what is wrong, and repeats the fragment: where that stands in the pattern is the place."""
    says = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error.args[0])
    _, colon, fragment = says.partition(": ")
    column = text.rfind(fragment) + 1 if colon and fragment else len(text)
    return PatternError(says, column)
