"""Refusals on their way into the audit log: a line at once, one more a minute, and no flood washes others out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amonsup.loop.loop import Timer
from amonsup.supervisor import refusals
from amonsup.supervisor.control_link import ControlLink
from amonsup.supervisor.refusals import LOCAL, MOST_KINDS, NAMED, OTHERS, WINDOW_S, WORDS, Refusals
from amonsup.wire.turned_away import Reason


class Bench:
    """Refusals over a list in place of the file, and a clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.entries: list[dict[str, Any]] = []
        self.alarms: list[tuple[float, Callable[[], None]]] = []
        self.refusals = Refusals(self, lambda: self.now, self.call_at)  # type: ignore[arg-type]

    def append(self, kind: str, by: str, _at: str, **fields: Any) -> None:
        self.entries.append({"kind": kind, "by": by, **fields})

    def call_at(self, due: float, call: Callable[[], None]) -> Timer:
        self.alarms.append((due, call))
        return Timer(due, call)

    def minute(self) -> None:
        self.now += WINDOW_S
        due, self.alarms = self.alarms, []
        for _, call in due:
            call()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_first_at_once_the_others_counted_by_what_they_were(bench: Bench) -> None:
    bench.refusals.add("eve@x.org", "chat", "restart", "forbidden", request="r-1")
    for _ in range(3):
        bench.refusals.turned_away("eve@x.org", Reason.WORDS, 100)
    bench.refusals.add("eve@x.org", "chat", "stop", "forbidden")
    bench.refusals.add("bob@x.org", "form", "stop", "forbidden")
    assert [entry["by"] for entry in bench.entries] == ["eve@x.org", "bob@x.org"]
    assert bench.entries[0]["request"] == "r-1"
    assert len(bench.alarms) == 1
    bench.minute()
    assert bench.entries[2:] == [
        {"kind": "refused", "by": "eve@x.org", "text": "more in the same minute: words 300, stop 1", "count": 301}
    ]
    assert not bench.alarms
    bench.refusals.turned_away("eve@x.org", Reason.WORDS, 7)
    assert bench.entries[3]["count"] == 7


def test_control_hides_nobody_of_this_machine_behind_his_name(bench: Bench) -> None:
    bench.refusals.turned_away("eve (uid 1000)", Reason.WORDS, 5)
    bench.refusals.add("eve (uid 1000)", LOCAL, "stop", "forbidden", request="r-1")
    assert [entry.get("request", "") for entry in bench.entries] == ["", "r-1"]
    bench.refusals.add("eve (uid 1000)", LOCAL, "stop", "forbidden")
    bench.minute()
    assert [entry["text"] for entry in bench.entries[2:]] == ["more in the same minute: stop 1"]


def test_what_control_reports_stands_there_in_our_words(bench: Bench) -> None:
    for reason in Reason:
        bench.refusals.turned_away(f"{reason.value}@x.org", reason, 1)
    assert [(entry["via"], entry["text"]) for entry in bench.entries] == [WORDS[reason] for reason in Reason]
    assert {entry["kind"] for entry in bench.entries} == {"refused"}


def test_who_comes_under_many_names_is_others(bench: Bench) -> None:
    for hour in range(3):
        for minute in range(60):
            for number in range(100):
                bench.refusals.turned_away(f"eve{hour}-{minute}-{number}@x.org", Reason.WORDS, 1)
            bench.minute()
        named = [entry for entry in bench.entries if entry["by"] != OTHERS]
        assert len(named) <= NAMED * (hour + 2)
    assert len(bench.entries) <= 4 * NAMED + 3 * 60 * 2
    assert sum(entry["count"] for entry in bench.entries) == 3 * 60 * 100, "all are counted"


def test_users_of_this_machine_have_their_names_whoever_floods_from_afar(bench: Bench) -> None:
    for number in range(2 * NAMED):
        bench.refusals.turned_away(f"eve{number}@x.org", Reason.WORDS, 1)
    bench.refusals.add("bob (uid 1000)", "local", "stop", "forbidden")
    assert bench.entries[-1]["by"] == "bob (uid 1000)"


def test_one_minute_is_bounded_whoever_asks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_REFUSED", 5)
    for number in range(20):
        bench.refusals.add(f"u{number} (uid {number})", "local", "stop", "forbidden")
    assert len(bench.entries) == 6
    for number in range(3 * MOST_KINDS):
        bench.refusals.add("u0 (uid 0)", "local", f"verb{number}", "forbidden")
    bench.minute()
    assert [(entry["by"], entry["count"]) for entry in bench.entries[6:]] == [
        ("u0 (uid 0)", 3 * MOST_KINDS),
        (OTHERS, 14),
    ]
    assert bench.entries[6]["text"].count(",") == MOST_KINDS


@pytest.mark.parametrize(
    ("said", "is_heard"),
    [
        ({"by": "eve@x.org", "reason": "words", "count": 3}, True),
        ({"by": "eve@x.org", "reason": "words"}, True),
        ({"by": "eve@x.org", "reason": "the admin allowed it", "count": 1}, False),
        ({"by": "eve@x.org", "reason": "words", "count": 0}, False),
        ({"by": "eve@x.org", "reason": "words", "count": 10**9}, False),
        ({"by": "", "reason": "words"}, False),
        ({"by": "e" * 1001, "reason": "words"}, False),
        ({"by": ["eve@x.org"], "reason": "words"}, False),
        ({"reason": "words"}, False),
    ],
)
def test_only_what_is_exactly_a_report_is_heard(said: dict[str, Any], is_heard: bool) -> None:
    found: list[tuple[str, Reason, int]] = []
    link = ControlLink(*[None] * 5, lambda *who: found.append(who))  # type: ignore[arg-type]
    link._on_message({"do": "turned-away", **said}, [])
    assert len(found) == is_heard


def test_nothing_that_a_terminal_would_obey_gets_into_the_log() -> None:
    found: list[str] = []
    link = ControlLink(*[None] * 5, lambda by, *_: found.append(by))  # type: ignore[arg-type]
    link._on_message({"do": "turned-away", "by": "eve\x1b[2J\n@x.org", "reason": "words"}, [])
    assert found == ["eve?[2J?@x.org"]
