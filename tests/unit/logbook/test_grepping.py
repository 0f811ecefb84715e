"""Lines that match, and the lines around them, whatever blocks the log comes in: as grep finds them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.logbook.grepping import Grep
from amonsup.logbook.patterns import Pattern, PatternError

PATTERN = Pattern("x")


def expected(lines: list[bytes], before: int, after: int, not_before: int = 0) -> list[tuple[int, bytes, bool]]:
    """Line by line, the slow way."""
    position, starts = 0, []
    for line in lines:
        starts.append(position)
        position += len(line)
    hits = [n for n, line in enumerate(lines) if b"x" in line and starts[n] >= not_before]
    near = {n for hit in hits for n in range(hit - before, hit + after + 1)}
    return [(starts[n], line, n not in hits) for n, line in enumerate(lines) if n in near]


def by_line(runs: list[tuple[int, bytes, bool]]) -> list[tuple[int, bytes, bool]]:
    found = []
    for position, data, is_context in runs:
        for line in re.findall(rb"[^\n]*\n|[^\n]+$", data):
            found.append((position, line, is_context))
            position += len(line)
    return found


@given(
    st.lists(st.sampled_from([b"\n", b"a\n", b"x\n", b"bxb\n", b"longer\n"]), max_size=30),
    st.lists(st.integers(1, 6), min_size=30, max_size=30),
    st.integers(0, 4),
    st.integers(0, 4),
    st.booleans(),
    st.integers(0, 40),
)
def test_as_grep_finds_them(lines, sizes, before, after, has_end, not_before):
    if lines and not has_end:
        lines = [*lines[:-1], lines[-1].removesuffix(b"\n")]
        lines = lines if lines[-1] else lines[:-1]
    grep = Grep(PATTERN, before, after, not_before=not_before)
    runs, position, rest = [], 0, list(lines)
    for size in sizes:
        block = b"".join(rest[:size])
        del rest[:size]
        if block:
            runs += grep.feed(position, block)
            position += len(block)
    assert by_line(runs) == expected(lines, before, after, not_before)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", b"a\nabc\nd\n", b"abc\n"),
        ("^b", b"ab\nba\n", b"ba\n"),
        ("a$", b"ab\nba\n", b"ba\n"),
        ("^$", b"a\n\nb\n", b"\n"),
        ("", b"a\nb\n", b"a\n"),
        (r"\Ab", b"ab\nba\n", b"ba\n"),
        (r"a\z", b"ab\nba\n", b"ba\n"),
        ("(?-m)^b$", b"ab\nb\n", b"b\n"),
        ("(?s)a.b", b"a\nb\naxb\n", b"axb\n"),
        ("a[^x]b", b"a\nb\na b\n", b"a b\n"),  # the pair of lines before must not hide it
        (r"b\s+b", b"b\nb b\n", b"b b\n"),
        (r"a\nb", b"a\nb\n", None),
        ("é+", "caf\u00e9\n".encode(), "caf\u00e9\n".encode()),
        (r"a\x00b", b"a\0b\n", b"a\0b\n"),
        ("b.*c", b"b\xffc\nb-c\n", b"b-c\n"),  # as grep in a UTF-8 locale: no dot for what is no character
        ("(?i)ERROR", b"an error\n", b"an error\n"),
        ("nowhere", b"a\n", None),
        (r"\Qa.b", b"axb\na.b\n", b"a.b\n"),
    ],
)
def test_a_pattern_means_a_line(pattern, text, found):
    span = Pattern(pattern).first(text, 0)
    assert (text[slice(*span)] if span else None) == found


def test_case_can_be_ignored():
    assert Pattern("ERROR", ignores_case=True).first(b"an error\n", 0) == (0, 9)
    assert Pattern("ERROR").first(b"an error\n", 0) is None


def test_the_empty_end_of_a_block_is_no_line():
    pattern = Pattern("^")
    assert pattern.first(b"a\n", 0) == (0, 2)
    assert pattern.first(b"a\n", 2) is None
    assert Pattern("$").first(b"", 0) is None


@pytest.mark.parametrize(
    ("pattern", "column"),
    [("a(b", 1), ("ab)", 1), ("é[z", 2), ("x**", 2), ("ab\\", 3), ("a\\8", 2), ("x" * 5000, 0), ("\udcff", 0)],
)
def test_what_is_no_pattern_is_told_with_its_place(pattern, column):
    with pytest.raises(PatternError) as raised:
        Pattern(pattern)
    assert raised.value.column == column


def test_what_takes_others_for_ever_takes_no_time():
    assert Pattern("(a+)+$").first(b"a" * 100_000 + b"b\n", 0) is None
