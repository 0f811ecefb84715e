"""What this version has not: refused by name, and typed all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amonsup.config import not_yet
from amonsup.config.keys import Record
from amonsup.config.service_keys import LOGGING, SERVICE
from amonsup.config.site_keys import SITE

Errors = Callable[..., list[str]]

# key: (a right value, a wrong one, the words about the wrong one)
VALUES = {
    "sockets": ("{http: '127.0.0.1:80'}", "{http: 80}", "'80' is not an address"),
    "update": ("{command: ls}", "{comand: ls}", "did you mean 'command'?"),
}  # fmt: skip


def body(key: str, value: str) -> str:
    return f"services:\n  s:\n    command: /bin/true\n    {key}: {value}\n"


def test_every_entry_has_a_key_and_a_case() -> None:
    names = {*SERVICE, *(f"logging.{name}" for name in LOGGING.keys)}
    assert {key.partition("=")[0] for key in not_yet.SERVICE} <= names
    assert set(not_yet.SITE) <= set(SITE)
    assert set(VALUES) == set(not_yet.SERVICE)


@pytest.mark.parametrize("key", VALUES)
def test_refused(errors: Errors, key: str) -> None:
    right, _, _ = VALUES[key]
    found = errors(body(key, right))
    reason = not_yet.SERVICE[key]
    refusal = f"not yet: {key}: {reason} (this version does not have it)"
    assert next(each for each in found if "not yet" in each).endswith(f": services.s.{key}: {refusal}")
    assert all("not yet" in each or "needs 'type" in each for each in found)


@pytest.mark.parametrize("key", VALUES)
def test_typed_all_the_same(errors: Errors, key: str) -> None:
    _, wrong, words = VALUES[key]
    found = errors(body(key, wrong))
    assert sum("not yet" in each for each in found) == 1
    assert any(words in each for each in found), found


def test_without_the_table_they_would_work(monkeypatch: pytest.MonkeyPatch, site: Callable[..., object]) -> None:
    monkeypatch.setattr(Record, "_refuse_missing", lambda *_: None)
    lines = [f"    {key}: {right}\n" for key, (right, _, _) in VALUES.items()]
    outcome = site("services:\n  s:\n    command: /bin/true\n" + "".join(lines))
    assert not isinstance(outcome, list), [each.render() for each in outcome]
