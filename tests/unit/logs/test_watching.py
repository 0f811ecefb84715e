"""Rules over bytes: which lines match, whatever the chunks, and how often that is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.config.watch_rules import SETS, PatternError, compile_pattern
from amonsup.logs.watching import BURST, CHUNK, MAX_TEXT, Hit, Matcher, Rule, Throttle, printable, readable


def hits(matcher: Matcher, chunk: bytes, **options: bool) -> list[tuple[bytes, tuple[str, ...]]]:
    found, at = [], 0
    chunk = readable(chunk)
    while True:
        hit = matcher.judge(chunk, at, **options)
        if not isinstance(hit, Hit):
            return found
        assert at <= hit.start < hit.end
        found.append((hit.text, hit.keys))
        at = hit.end


def lines_of(pattern: str, chunk: bytes, **options: bool) -> list[bytes]:
    return [text for text, _ in hits(Matcher([Rule("r", pattern)]), chunk, **options)]


@pytest.mark.parametrize(
    ("pattern", "chunk", "expected"),
    [
        ("error", b"an error\nnone\nerrors\n", [b"an error", b"errors"]),
        ("error.*error", b"error\nerror\nerror error\n", [b"error error"]),
        ("a[^x]b", b"a\nb\na b\n", [b"a b"]),
        (r"a\sb", b"a\nb\na\tb\n", [b"a\tb"]),
        ("(?s)a.b", b"a\nb\na.b\n", [b"a.b"]),
        ("^b", b"ab\nb\n", [b"b"]),
        ("a$", b"ab\nba\na\n", [b"ba", b"a"]),
        (r"\Ab", b"ab\nb\nbb\n", [b"b", b"bb"]),
        (r"a\z", b"ab\nba\na\n", [b"ba", b"a"]),
        ("(?-m)^b", b"ab\nb\n", [b"b"]),
        ("(?i-m:^B)", b"ab\nb\n", [b"b"]),
        (r"a\Cb", b"a\nb\na.b\n", [b"a.b"]),
        ("^$", b"a\n\nb\n\n", [b"", b""]),
        ("x*", b"a\n\nb\n", [b"a", b"", b"b"]),
        (r"\Qa|(", b"a\na|(b\n", [b"a|(b"]),
        ("ä", "ä\nö\n".encode(), ["ä".encode()]),
        ("disk.*full", b"disk \xff\xfe full\n", [b"disk ?? full"]),
        ("a.b", b"a\0b\n", [b"a\0b"]),
        ("error", b"an error without an end", []),
        (r"\r$", b"a\r\nb\n", [b"a\r"]),
    ],
)
def test_a_match_lies_within_one_line(pattern: str, chunk: bytes, expected: list[bytes]) -> None:
    assert lines_of(pattern, chunk) == expected


def test_a_candidate_over_two_lines_hides_none() -> None:
    assert lines_of(r"a[^,]*b", b"a\nab\na\nb\n") == [b"ab"]


def test_an_end_that_will_not_come_is_not_waited_for() -> None:
    assert lines_of("error", b"ok\nerror", is_final=True) == [b"error"]


def test_a_line_without_end_is_judged_in_pieces() -> None:
    matcher = Matcher([Rule("r", "needle")])
    piece = b"x" * (CHUNK - 6) + b"needle"
    hit = matcher.judge(piece, 0)
    assert isinstance(hit, Hit)
    assert (hit.start, hit.end) == (0, CHUNK)
    assert matcher.judge(b"x" * CHUNK, 0) == CHUNK
    assert matcher.judge(b"x" * (CHUNK - 1), 0) == 0


def test_every_rule_of_a_line_is_named() -> None:
    matcher = Matcher([Rule("a", "one"), Rule("b", "two"), Rule("c", "^three")])
    assert hits(matcher, b"one two\ntwo\nfour\nthree one\n") == [
        (b"one two", ("a", "b")),
        (b"two", ("b",)),
        (b"three one", ("a", "c")),
    ]


def test_our_own_time_stamp_is_not_looked_at() -> None:
    matcher = Matcher([Rule("r", "^error|2026")], skip=5)
    assert [text for text, _ in hits(matcher, b"2026 error\n2026 no error\n")] == [b"error"]


@given(st.lists(st.text("ab \r", max_size=4), max_size=12), st.integers(1, 12))
def test_the_same_lines_whatever_the_chunks(lines: list[str], size: int) -> None:
    """As Python's own module finds them line by line."""
    log = "".join(line + "\n" for line in lines).encode()
    for pattern in (r"^a", r"b$", r"a[^b]", r"a\s*b", r"\ba\b", r"^$", r"\Aa", r"a\B"):
        wanted = [line.encode() for line in lines if re.search(pattern, line)]
        matcher = Matcher([Rule("r", pattern)])
        found, at = [], 0
        while at < len(log):
            chunk = log[at : at + size]
            while b"\n" not in chunk:
                size += 1
                chunk = log[at : at + size]
            hit = matcher.judge(chunk, 0)
            if isinstance(hit, Hit):
                found.append(hit.text)
                at += hit.end
            else:
                assert hit > 0
                at += hit
        assert found == wanted, pattern


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(abc", "missing )"),
        ("(?=x)", "invalid perl operator"),
        (r"(.)\1", "invalid escape sequence"),
        (r"end\Z", r"RE2 writes \z"),
        ("a\nb", "line break"),
        ("x" * 3000, "longer than"),
        ("a)|(b", "unexpected )"),
    ],
)
def test_what_re2_refuses(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)):
        compile_pattern(pattern)


def test_a_catastrophic_pattern_costs_nothing() -> None:
    """Backtracking would take years for this; here it is a matter of the line's length."""
    matcher = Matcher([Rule("r", r"^(a+)+$"), Rule("s", r"(x*)*y")])
    assert hits(matcher, b"a" * 100_000 + b"!\n" + b"x" * 100_000 + b"\n") == []


def test_any_bytes_can_be_shown() -> None:
    assert printable(b"\x1b[31mred\x07\tok \xff\r\n") == "?[31mred? ok �"
    assert len(printable(b"x" * 10_000)) == MAX_TEXT
    assert len(printable("ä".encode() * 10_000)) == MAX_TEXT


TRACEBACK = b"""Traceback (most recent call last):
  File "x.py", line 1, in <module>
    f()
ValueError: bad
"""
CHAINED = (
    TRACEBACK
    + b"""
During handling of the above exception, another exception occurred:

"""
    + TRACEBACK.replace(b"bad", b"worse")
)


def traceback_matcher(*more: Rule) -> Matcher:
    pattern, is_block = SETS["python-traceback"]
    return Matcher([Rule("t", pattern, 0.0, is_block), *more])


def test_a_traceback_is_one_match_with_its_last_line() -> None:
    assert hits(traceback_matcher(), b"ok\n" + TRACEBACK + b"ok\n") == [(b"ValueError: bad", ("t",))]
    assert hits(traceback_matcher(), CHAINED + b"ok\n") == [(b"ValueError: worse", ("t",))]


def test_a_traceback_is_waited_for_as_long_as_it_may_come() -> None:
    matcher = traceback_matcher()
    begun = TRACEBACK[:60]
    assert matcher.judge(b"ok\n" + begun, 0) == 3
    assert hits(matcher, begun, is_late=True) == [(b"Traceback (most recent call last):", ("t",))]


def test_what_else_matches_within_a_traceback_is_found() -> None:
    matcher = traceback_matcher(Rule("v", "ValueError"))
    assert hits(matcher, TRACEBACK) == [(b"ValueError: bad", ("t",)), (b"ValueError: bad", ("v",))]


# -- how often it is said ------------------------------------------------------------------------------------------


def test_every_limits_and_counts() -> None:
    throttle = Throttle(Rule("r", "x", 10.0))
    assert throttle.matched(100.0, b"a") == 0
    assert [throttle.matched(100.0 + at, b"b%d" % at) for at in (1, 2, 9)] == [-1, -1, -1]
    assert throttle.due() == 110.0
    assert throttle.summary(109.9) is None
    assert throttle.summary(110.0) == (b"b9", 2)
    assert throttle.due() == 0.0
    assert throttle.matched(119.0, b"c") == -1
    assert throttle.matched(120.5, b"d") == 1


def test_without_every_a_flood_is_limited_too() -> None:
    throttle = Throttle(Rule("r", "x"))
    told = [throttle.matched(100.0, b"a") for _ in range(50)]
    assert told == [0] * BURST + [-1] * (50 - BURST)
    assert throttle.summary(101.0) == (b"a", 50 - BURST - 1)


@given(st.lists(st.floats(0, 5), max_size=60), st.sampled_from([0.0, 0.5, 3.0]))
def test_no_match_is_lost_in_counting(gaps: list[float], every_s: float) -> None:
    throttle = Throttle(Rule("r", "x", every_s))
    now, counted = 0.0, 0
    for gap in gaps:
        now += gap
        before = throttle.matched(now, b"a")
        counted += 0 if before < 0 else 1 + before
    summary = throttle.summary(now + 10)
    assert counted + (1 + summary[1] if summary else 0) == len(gaps)


def test_a_clock_of_another_boot_does_not_silence_for_ever() -> None:
    throttle = Throttle(Rule("r", "x", 10.0))
    throttle.restore([1_000_000.0, 1, 2, "old"])
    assert throttle.matched(5.0, b"new") == 2


# -- the built-in sets ---------------------------------------------------------------------------------------------

REAL = {
    "python-traceback": [
        "Traceback (most recent call last):",
        "  + Exception Group Traceback (most recent call last):",
        "ERROR:root:Traceback (most recent call last):",
    ],
    "java-oom": [
        'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
        "java.lang.OutOfMemoryError: GC overhead limit exceeded",
        "Terminating due to java.lang.OutOfMemoryError: Java heap space",
        "#  Aborting due to java.lang.OutOfMemoryError",
    ],
    "java-exception": [
        'Exception in thread "main" java.lang.NullPointerException: Cannot invoke "String.length()"',
        "java.io.IOException: Broken pipe",
        "org.apache.kafka.common.errors.TimeoutException",
        "java.util.concurrent.CompletionException: java.lang.RuntimeException: x",
    ],
    "go-panic": [
        "panic: runtime error: index out of range [5] with length 3",
        "panic: assignment to entry in nil map [recovered]",
        "fatal error: all goroutines are asleep - deadlock!",
        "fatal error: fault",
        "fatal error: concurrent map writes",
        "2026/11/23 15:00:00 http: panic serving 127.0.0.1:52114: runtime error: invalid memory address",
    ],
    "rust-panic": [
        "thread 'main' panicked at src/main.rs:2:5:",
        "thread 'tokio-runtime-worker' panicked at 'called `Option::unwrap()` on a `None` value', src/lib.rs:7:10",
        "thread 'main' (12345) panicked at src/main.rs:2:5:",
    ],
    "node-crash": [
        "Node.js v18.19.0",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    ],
    "segfault": [
        "Segmentation fault (core dumped)",
        "./run.sh: line 3:  4711 Segmentation fault      (core dumped) ./server",
        "[ 1234.5] server[4711]: segfault at 0 ip 0000560f1c0011a9 sp 00007ffd4e4f error 4 in server[560f1c001000]",
        "*** stack smashing detected ***: terminated",
        "double free or corruption (!prev)",
        "free(): invalid pointer",
        "terminate called after throwing an instance of 'std::runtime_error'",
        "server: main.c:5: main: Assertion `n > 0' failed.",
    ],
    "kernel-oom": [
        "[99.1] Out of memory: Killed process 4711 (server) total-vm:1024kB, anon-rss:512kB, file-rss:0kB",
        "Memory cgroup out of memory: Killed process 4711 (java) total-vm:1024kB",
        "Out of memory: Kill process 4711 (server) score 900 or sacrifice child",
    ],
    "disk-full": [
        "OSError: [Errno 28] No space left on device: '/var/tmp/x'",
        "write error: Disk quota exceeded",
    ],
    "nginx-emerg": [
        "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
        "2026/11/23 15:00:00 [crit] 123#123: *1 open() failed (13: Permission denied)",
        "2026/11/23 15:00:00 [alert] 123#123: worker process 124 exited on signal 11",
    ],
    "postgres-fatal": [
        '2026-11-23 15:00:00.000 UTC [123] FATAL:  database "x" does not exist',
        '2026-11-23 15:00:00.000 UTC [123] PANIC:  could not write to file "pg_wal/xlogtemp.123": No space left',
        "FATAL:  could not create any TCP/IP sockets",
        'FATAL:  too many connections for role "ce"',
    ],
    "redis-oom": [
        "123:M 23 Nov 2026 15:00:00.000 # Can't save in background: fork: Cannot allocate memory",
        "123:M 23 Nov 2026 15:00:00.000 # Out Of Memory allocating 1048576 bytes!",
    ],
    "mysql-error": [
        "2026-11-23T15:00:00.123456Z 0 [ERROR] [MY-010119] [Server] Aborting",
        "2026-11-23 15:00:00 0 [ERROR] InnoDB: Unable to lock ./ibdata1 error: 11",
        "2026-11-23  8:00:00 0 [ERROR] Can't start server: Bind on TCP/IP port: Address already in use",
    ],
}
NEAR_MISSES = {
    "python-traceback": ["see the Traceback above", "Traceback (most recent call last): and more on the line"],
    "java-oom": ["java -XX:+HeapDumpOnOutOfMemoryError -jar ce.jar", "com.example.MyOutOfMemoryErrorHandler ready"],
    "java-exception": [
        "Caused by: java.io.IOException: Broken pipe",
        "\tat java.base/java.lang.Thread.run(Thread.java:829)",
        "INFO handler for java.io.IOException is installed",
        "com.example.ErrorPageHandler: ready",
    ],
    "go-panic": ["do not panic: it works", "kernel panic: no", "fatal error: foo.h: No such file or directory"],
    "rust-panic": ["the thread 'main' panicked at noon, they say", "note: run with `RUST_BACKTRACE=1`"],
    "node-crash": ["Node.js v18.19.0 is what we run", "running on Node.js v18.19.0"],
    "segfault": ["handler for segmentation faults is installed", "free() is called", "Assertion holds"],
    "kernel-oom": ["Out of memory budget: 3 processes", "vm.oom_kill_allocating_task = 0"],
    "disk-full": ["plenty of space left on device sda", "Disk quota: 12 %"],
    "nginx-emerg": [
        "2026/11/23 15:00:00 [error] 123#123: *1 connect() failed (111: Connection refused)",
        '127.0.0.1 - - [23/Nov/2026:15:00:00 +0000] "GET /?q=nginx: [emerg] HTTP/1.1" 200 0',
    ],
    "postgres-fatal": [
        '2026-11-23 15:00:00.000 UTC [123] ERROR:  relation "x" does not exist',
        "STATEMENT:  select 'FATAL:  x'",
        "FATAL: one blank only",
        "2026-11-23 15:00:00.000 UTC [123] FATAL:  the database system is starting up",
        "2026-11-23 15:00:00.000 UTC [123] FATAL:  terminating connection due to administrator command",
    ],
    "redis-oom": ["# Memory overcommit must be enabled!", "OOM score adjusted"],
    "mysql-error": ["2026-11-23T15:00:00.123456Z 0 [Warning] [MY-010068] CA certificate is self signed."],
}


def test_every_set_has_its_lines() -> None:
    assert REAL.keys() == NEAR_MISSES.keys() == SETS.keys()


@pytest.mark.parametrize("name", SETS)
def test_a_set_matches_real_lines_and_no_near_misses(name: str) -> None:
    matcher = Matcher([Rule(name, SETS[name][0])])
    for line in REAL[name]:
        assert hits(matcher, line.encode() + b"\n"), line
    for line in NEAR_MISSES[name]:
        assert not hits(matcher, line.encode() + b"\n"), line
