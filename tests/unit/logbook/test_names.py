"""Names of log files, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.logbook import names

SERVICES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True)


@given(SERVICES, st.booleans(), st.integers(0, 999_999), st.booleans())
def test_what_is_named_is_found_again(service: str, is_stderr: bool, number: int, is_packed: bool) -> None:
    log = names.log_name(service, is_stderr=is_stderr)
    name = names.rotated_name(log, number, is_packed=is_packed)
    assert names.parse(log, name) == (number, is_packed and number > 0)
    assert names.service_of(log) == service


@given(SERVICES, SERVICES, st.integers(0, 99), st.booleans())
def test_no_log_takes_another_ones_files(one: str, other: str, number: int, is_packed: bool) -> None:
    name = names.rotated_name(names.log_name(one, is_stderr=True), number, is_packed=is_packed)
    assert names.parse(names.log_name(one), name) is None
    if one != other:
        assert names.parse(names.log_name(other, is_stderr=True), name) is None


@pytest.mark.parametrize("tail", [".0", ".01", ".x", ".1.gz.tmp", ".gz", ".", ".1.bz2", ".-1", ".1234567", ".²"])
def test_what_is_not_ours(tail: str) -> None:
    assert names.parse("ce.log", "ce.log" + tail) is None
