"""What a watch rule may say: patterns as RE2 reads them, and the built-in sets by name.

Patterns are RE2's syntax (https://github.com/google/re2/wiki/Syntax): no look-around, no back-references, and in
return linear time, so no pattern of a user can hang whoever looks for it. A newline is never matched, so a match lies
within one line; `^` and `$` are the ends of a line. Bytes that are no UTF-8 count as question marks.

re2 costs three megabytes and some milliseconds: it is imported where the first rule is compiled, by nobody else.
Nothing else is imported here, because the logger reads this file too.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_PATTERN = 2000
"""Characters."""

MEMORY = 4 << 20
"""Bytes that RE2 may use for one compiled pattern: its automaton is thrown away and begun anew beyond that."""


class PatternError(ValueError):
    """Why a pattern cannot be used; the text is RE2's own reason."""


def compile_pattern(pattern: str) -> Any:
    """The compiled pattern, which searches bytes. Raises PatternError."""
    return compile_raw(b"(?m:" + checked(pattern) + b")")


def checked(pattern: str) -> bytes:
    """The pattern as bytes, compiled once by itself: inside a group a stray parenthesis could pair with the group's."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"longer than {MAX_PATTERN} characters")
    if "\n" in pattern:
        raise PatternError("contains a line break: a pattern is matched within one line")
    raw = pattern.encode("utf-8", "replace")
    try:
        compile_raw(raw)
    except PatternError as error:
        if r"\Z" in pattern:
            raise PatternError(rf"{error} (RE2 writes \z, and here $ is the end of the line)") from None
        raise
    if rb"\Q" in raw:
        raw += rb"\E"  # otherwise what is put behind the pattern would be quoted too; alone it means nothing
    return raw


def compile_raw(raw: bytes) -> Any:
    import re2

    options = re2.Options()
    options.never_nl = True
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MEMORY
    try:
        return re2.compile(raw, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "RE2 refuses it"
        raise PatternError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None


SETS: dict[str, tuple[str, bool]] = {
    # A traceback is many lines: reported once, with its last line, which names the exception.
    "python-traceback": (r"Traceback \(most recent call last\):\s*$", True),
    # With a heap dump, or with -XX:+ExitOnOutOfMemoryError and CrashOnOutOfMemoryError, there is no exception's line.
    "java-oom": (r"\bjava\.lang\.OutOfMemoryError\b", False),
    # The head of a stack trace; what it was caused by stands below it and is the same trouble.
    "java-exception": (
        r"^(?:Exception in thread \".*\" )?(?:[a-z_]\w*\.)+[A-Z][\w$]*(?:Exception|Error|Throwable)(?::|\s*$)",
        False,
    ),
    "go-panic": (
        r"^panic: |\bhttp: panic serving |"
        r"^fatal error: (?:all goroutines are asleep|concurrent map |stack overflow|unexpected signal|out of memory|"
        r"fault\s*$|runtime: )",
        False,
    ),
    "rust-panic": (r"^thread '.*' (?:\(\d+\) )?panicked at ", False),
    # Node prints its version after an exception that nobody caught, and at no other time.
    "node-crash": (r"^Node\.js v\d+\.\d+\.\d+\S*\s*$|^FATAL ERROR: .*JavaScript heap out of memory", False),
    "segfault": (
        r"\bSegmentation fault\b|\bsegfault at [0-9a-f]+ ip [0-9a-f]+ |\*\*\* stack smashing detected \*\*\*|"
        r"\bdouble free or corruption \(|\b(?:free|realloc|munmap_chunk)\(\): invalid |"
        r"^terminate called (?:after throwing an instance of|without an active exception)|"
        r": Assertion [`'].*' failed\.",
        False,
    ),
    "kernel-oom": (r"\b(?:Out of memory|Memory cgroup out of memory): Kill(?:ed)? process \d+", False),
    "disk-full": (r"\bNo space left on device\b|\bDisk quota exceeded\b", False),
    "nginx-emerg": (
        r"^(?:nginx: |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )\[(?:emerg|alert|crit)\] ",
        False,
    ),
    # Two blanks behind the word are PostgreSQL's own; log_line_prefix may be anything. Who asks while it starts,
    # recovers or stops hears 'the database system is …', who is connected when it stops 'terminating …': no trouble.
    "postgres-fatal": (r"(?:^|[^\"'\w])(?:PANIC:  |FATAL:  (?:[^t]|t(?:[^eh]|h[^e]|he[^ ])))", False),
    "redis-oom": (
        r"Can't save in background: fork: Cannot allocate memory|\bOut Of Memory allocating \d+ bytes|"
        r"\bRedis aborting for OUT OF MEMORY\b",
        False,
    ),
    # MariaDB writes the hours before ten with a blank in front.
    "mysql-error": (r"^\d{4}-\d\d-\d\d[T ][ \d]\d:\d\d:\d\d(?:\.\d+)?\S* \d+ \[ERROR\] ", False),
}
"""Name to pattern, and whether what follows, indented, belongs to the match."""
