"""events: whose, since when, how many."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from amonsup.config.specs import Fleet as Specs
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.handlers import events
from amonsup.supervisor.handlers.desk import Refusal
from amonsup.verbs.events import Arguments
from amonsup.verbs.results import EventsResult, Happening
from tests.support.playbook import service

READINGS: list[None] = []
"""Of the journal, which is a file."""

WHOSE = ("", "db", "ce", "logger", "removed")


def asked(**args: Any) -> tuple[list[str] | Refusal, list[tuple[str, ...]]]:
    """Whose events come, each kind once; and what is followed from then on."""
    followed: list[tuple[str, ...]] = []
    desk: Any = SimpleNamespace(
        fleet=Fleet([service("db", tags=("store",)), service("ce", tags=("grid", "store"))]),
        household=Fleet([service("logger")]),
        own_processes=dict,
        applied=lambda: SimpleNamespace(fleet=Specs()),
        scaled=dict,
        follow=lambda _, services: followed.append(services),
        happenings=lambda: (
            READINGS.append(None)
            or [
                Happening(seq, f"2026-01-02T00:00:{seq % 60:02d}.000Z", "running", WHOSE[seq % len(WHOSE)])
                for seq in range(150)
            ]
        ),
    )
    found = events.handle(desk, SimpleNamespace(args=Arguments(**args)))  # type: ignore[arg-type]
    if isinstance(found, Refusal):
        return found, followed
    assert isinstance(found, EventsResult)
    return [happening.service for happening in found.events], followed


@pytest.mark.parametrize(
    ("words", "whose"),
    [
        ((), set(WHOSE)),
        (("all",), set(WHOSE)),
        (("@store",), {"db", "ce"}),
        (("@grid", "ce"), {"ce"}),
        (("db", "logger"), {"db", "logger"}),
        (("removed",), {"removed"}),
    ],
)
def test_words_mean_what_they_mean_for_every_verb_and_what_is_no_more_is_known_too(
    words: tuple[str, ...], whose: set[str]
) -> None:
    found, followed = asked(services=words, follow=True)
    assert not isinstance(found, Refusal)
    assert set(found) == whose
    assert [set(services) for services in followed] == [set() if whose == set(WHOSE) else whose]


def test_however_many_words_the_journal_is_read_twice() -> None:
    """Anybody who may look could keep the supervisor at it for minutes."""
    READINGS.clear()
    found, _ = asked(services=("removed",) * 1000)
    assert set(found) == {"removed"}  # type: ignore[arg-type]
    assert len(READINGS) == 2


@pytest.mark.parametrize("word", ["dbb", "@gird", ""])
def test_what_never_was_is_a_slip_of_the_keyboard(word: str) -> None:
    found, followed = asked(services=("db", word), follow=True)
    assert isinstance(found, Refusal)
    assert found.code == "unknown-service"
    assert followed == []


@pytest.mark.parametrize(
    ("args", "number"),
    [
        ({}, 100),
        ({"lines": 7}, 7),
        ({"lines": 0}, 0),
        ({"since": "2026-01-01"}, 150),
        ({"since": "2026-01-01", "lines": 3}, 3),
        ({"after": 4}, 145),
    ],
)
def test_a_number_holds_whatever_else_is_said(args: dict[str, Any], number: int) -> None:
    found, _ = asked(**args)
    assert not isinstance(found, Refusal)
    assert len(found) == number


def test_a_moment_that_is_none_is_refused() -> None:
    found, _ = asked(since="never")
    assert isinstance(found, Refusal)
    assert found.text.startswith("since: 'never' is no moment; allowed: ")
