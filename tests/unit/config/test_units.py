"""Durations, sizes, signals and the like: what is read as what, and what is not read at all."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.config import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("10s", 10),
        ("5m", 300),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("700ms", 0.7),
        ("1.5s", 1.5),
        ("2d", 172800),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("10", "'10' has no unit"),
        ("10x", "'10x' is not a duration"),
        ("-1s", "'-1s' is not a duration"),
        ("1:30", "'1:30' is not a duration"),
        ("", "an empty value is not a duration"),
        ("٣s", "'٣s' is not a duration"),
        ("99999999999h", "'99999999999h' is longer than ten years"),
    ],
)
def test_not_durations(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=r"duration|unit|ten years") as caught:
        units.parse_duration(text)
    assert str(caught.value) == wrong


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("50MiB", 50 << 20),
        ("1GB", 10**9),
        ("1.5KiB", 1536),
        ("2 kB", 2000),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize("text", ["50M", "iB", "1iB", "-1", "1e3", "MiB", "1_000", "9" * 40])
def test_not_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        units.parse_size(text)


def test_size_too_large() -> None:
    with pytest.raises(ValueError, match="is too large"):
        units.parse_size("999999999TiB")


@pytest.mark.parametrize("text", ["SIGTERM", "TERM", "term", "15"])
def test_signals(text: str) -> None:
    assert units.parse_signal(text) == 15


def test_real_time_signals() -> None:
    assert units.parse_signal("SIGRTMIN+3") == signal.SIGRTMIN + 3


@pytest.mark.parametrize("text", ["SIGTERN", "0", "65", "99999999999999999999999", "SIG_DFL", "TERM+1", "RTMIN+99", ""])
def test_not_signals(text: str) -> None:
    with pytest.raises(ValueError, match="signal"):
        units.parse_signal(text)


@pytest.mark.parametrize(("text", "mask"), [("0027", 0o27), ("27", 0o27), ("0o27", 0o27), ("0", 0), ("777", 0o777)])
def test_umasks(text: str, mask: int) -> None:
    assert units.parse_umask(text) == mask


@pytest.mark.parametrize("text", ["0999", "7777", "", "-1", "00000"])
def test_not_umasks(text: str) -> None:
    with pytest.raises(ValueError, match=r"octal mask|more than 0777"):
        units.parse_umask(text)


@pytest.mark.parametrize("text", ["true", "Yes", "ON"])
def test_true(text: str) -> None:
    assert units.parse_boolean(text) is True


@pytest.mark.parametrize("text", ["1", "y", "null", ""])
def test_not_booleans(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither true nor false"):
        units.parse_boolean(text)


@pytest.mark.parametrize("text", ["1_000", "٣", "1e3", "0x10", "", "9" * 5000])
def test_not_integers(text: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number"):
        units.parse_integer(text)


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "٣.0", "."])
def test_not_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        units.parse_number(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        (r"a\ b", ["a b"]),
        ("a #b", ["a", "#b"]),
        ("a\u00a0b", ["a\u00a0b"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert units.split_words(text) == words


ENVIRON = {"A": "1", "EMPTY": "", "RAW": "\udcff", "NESTED": "${A}"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("${B:-d}", "d"),
        ("${B:-}", ""),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY}", ""),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$A", "$A"),
        ("$", "$"),
        ("${NESTED}", "${A}"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert units.expand(text, ENVIRON) == expanded


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("${B}", "the variable B is not set in the daemon's environment"),
        ("${A", "'${' without a closing '}' (a literal dollar sign is written $$)"),
        ("${A-b}", "'${A-b}' is not understood"),
        ("${}", "'${}' is not understood"),
        ("${RAW}", "the value of the variable RAW is not UTF-8 text"),
    ],
)
def test_expansion_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        units.expand(text, ENVIRON)
    assert str(caught.value) == wrong


PARSERS = [
    units.parse_boolean,
    units.parse_integer,
    units.parse_number,
    units.parse_duration,
    units.parse_size,
    units.parse_signal,
    units.parse_umask,
    units.parse_name,
    units.split_words,
]


@given(st.text())
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    for parse in PARSERS:
        try:
            parse(text)
        except ValueError as wrong:
            says = str(wrong)
        else:
            says = "a value"
        assert says
        assert "\n" not in says
