"""`logging.watch`: rules are compiled where they are read, and what RE2 says stands at their place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amonsup.config.service_keys import MAX_WATCHES
from amonsup.config.specs import WatchRule

Errors = Callable[..., list[str]]


def body(*rules: str) -> str:
    listed = "".join(f"        - {rule}\n" for rule in rules)
    return f"services:\n  s:\n    command: /bin/true\n    logging:\n      watch:\n{listed}"


def test_rules_and_sets(site: Callable[..., object]) -> None:
    outcome = site(body("{match: 'a|b', then: restart, every: 10m}", "{match: c}", "python-traceback"))
    assert outcome.fleet.services[0].logging.watch == (  # type: ignore[attr-defined]
        WatchRule(match="a|b", then="restart", every_s=600.0),
        WatchRule(match="c"),
        WatchRule(builtin="python-traceback"),
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{match: '(abc'}", ":6:19: services.s.logging.watch[0].match: missing ): (abc"),
        ("{match: 'a(?=b)'}", "invalid perl operator: (?="),
        (r"{match: 'a\1'}", r"invalid escape sequence: \1"),
        (r"{match: 'end\Z'}", r"RE2 writes \z"),
        ("{match: ''}", "nothing stands here"),
        ("{match: [a]}", "expected one value, found a list"),
        ("{then: alert}", "'match' is missing"),
        ("{match: a, then: reboot}", "'reboot' is unknown"),
        ("{match: a, every: soon}", "'soon'"),
        ("python-tracebacks", "did you mean 'python-traceback'?"),
        ("nonsense", "allowed: "),
        ("{match: a, thne: alert}", "did you mean 'then'?"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(errors: Errors, rule: str, words: str) -> None:
    found = errors(body(rule))
    assert len(found) == 1
    assert words in found[0]


def test_a_rule_stands_there_once(errors: Errors) -> None:
    assert "'java-oom' stands twice" in errors(body("java-oom", "{match: x}", "java-oom"))[0]
    assert "'x' stands twice" in errors(body("{match: x}", "{match: x, then: event}"))[0]


def test_there_is_a_bound(errors: Errors) -> None:
    many = [f"{{match: 'x{number}'}}" for number in range(MAX_WATCHES + 1)]
    assert f"at most {MAX_WATCHES}" in errors(body(*many))[0]
    long = "x" * 1990
    assert "together" in errors(body(*(f"{{match: '{number}{long}'}}" for number in range(12))))[0]
