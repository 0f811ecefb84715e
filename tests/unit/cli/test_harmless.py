"""Text of others cannot do anything; and stays readable, or the same document."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.cli.harmless import harmless, harmless_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢 … └─", "plain ä 漢 … └─"),
        ("a\tb", "a    b"),
        ("a\nb\rc", "a\\nb\\rc"),
        ("\x1b[31m\x07\x7f", "\\x1b[31m\\x07\\x7f"),
        ("\x9b2J\x85", "\\x9b2J\\x85"),
        ("\u202eabc\u2066\u200b\ufeff", "\\u202eabc\\u2066\\u200b\\ufeff"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff", "\\udcff"),
        ("1\u202f000\u00a0€", "1\u202f000\u00a0€"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text())
def test_nothing_unprintable_is_left(text: str) -> None:
    assert all(each.isprintable() or each.isspace() for each in harmless(text))
    assert not set(harmless(text)) & set("\n\r\t\x0b\x0c\x1b\x85\u2028\u2029")


@given(st.recursive(st.text() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_stays_the_same_document(document: object) -> None:
    for encoded in (
        msgspec.json.encode(document),
        msgspec.json.format(msgspec.json.encode(document), indent=2),
    ):
        shown = harmless_json(encoded)
        assert json.loads(shown) == document
        assert shown.replace("\n", "").isprintable()
