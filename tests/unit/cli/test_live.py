"""What is asked when, by who watches a site."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from amonsup.cli.errors import CommandError
from amonsup.cli.live import Exchange, Happened, Rows
from amonsup.cli.progress import NEVER
from amonsup.wire.messages import Answer, EventLine, Refused, Request


def raw(document: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(document))


def event(seq: int) -> dict[str, Any]:
    return {"seq": seq, "at": "2025-01-01T00:00:00.000Z", "kind": "running", "service": "ce"}


def rows(request: Request) -> Answer:
    return Answer(request.id, raw({"site": "gsi", "services": [], "new": 1}))


def asked(exchange: Exchange, now: float) -> Request:
    request = exchange.due(now)
    assert request is not None
    return request


def test_rows_are_asked_for_at_once_and_then_only_when_something_happened() -> None:
    exchange = Exchange("/run/s", {"all": True})
    events = exchange.begin("i-1")
    assert (events.verb, events.args) == ("events", {"follow": True, "lines": 0})
    status = asked(exchange, 10.0)
    assert (status.verb, status.args) == ("status", {"all": True})
    assert exchange.due(10.0) is None, "one question at a time"
    update = exchange.take(rows(status), 10.1)
    assert isinstance(update, Rows)
    assert msgspec.json.decode(update.raw)["new"] == 1
    assert exchange.next_at() == NEVER
    assert exchange.due(99.0) is None
    happened = exchange.take(EventLine(events.id, raw(event(7))), 99.0)
    assert isinstance(happened, Happened)
    assert [each.seq for each in happened.events] == [7]
    assert exchange.due(99.0) is not None


def test_what_happens_while_an_answer_is_under_way_is_asked_about_again() -> None:
    exchange = Exchange("/run/s", {})
    events = exchange.begin("i-1")
    status = asked(exchange, 1.0)
    exchange.take(EventLine(events.id, raw(event(1))), 1.1)
    assert exchange.due(1.2) is None
    exchange.take(rows(status), 1.3)
    assert exchange.due(1.3) is not None


def test_a_storm_is_a_few_questions() -> None:
    exchange = Exchange("/run/s", {}, refresh_s=2.0, calm_s=0.25)
    events = exchange.begin("i-1")
    exchange.take(rows(asked(exchange, 1.0)), 1.0)
    assert exchange.next_at() == 3.0
    assert exchange.due(2.9) is None
    for seq in range(9):
        exchange.take(EventLine(events.id, raw(event(seq))), 1.1)
    assert exchange.next_at() == 1.25
    assert exchange.due(1.2) is None
    exchange.take(rows(asked(exchange, 1.25)), 1.25)
    assert exchange.due(3.25) is not None, "and the figures every two seconds"


def test_after_a_gap_events_are_asked_for_by_number_and_of_another_daemon_anew() -> None:
    exchange = Exchange("/run/s", {}, lines=50)
    events = exchange.begin("i-1")
    assert events.args == {"follow": True, "lines": 50}
    assert isinstance(exchange.take(Answer(events.id, raw({"events": [event(3), event(4)]})), 1.0), Happened)
    asked(exchange, 1.0)  # never answered
    again = exchange.begin("i-1")
    assert again.args == {"follow": True, "after": 4}
    assert exchange.due(1.0) is not None
    update = exchange.take(Answer(again.id, raw({"events": [event(4), event(5)]})), 2.0)
    assert isinstance(update, Happened)
    assert [each.seq for each in update.events] == [5]
    assert exchange.take(EventLine(again.id, raw(event(5))), 2.0) is None
    assert exchange.take(EventLine(events.id, raw(event(9))), 2.0) is None, "an answer to nobody's question"
    assert exchange.begin("i-2").args == {"follow": True, "lines": 50}


def test_a_daemon_that_never_answers_is_left() -> None:
    exchange = Exchange("/run/s", {})
    exchange.begin("i-1")
    asked(exchange, 1.0)
    assert exchange.next_at() == 31.0
    assert not exchange.is_overdue(30.9)
    assert exchange.is_overdue(31.0)


def test_a_refusal_ends_it() -> None:
    exchange = Exchange("/run/s", {})
    events = exchange.begin("i-1")
    with pytest.raises(CommandError) as wrong:
        exchange.take(Refused(events.id, "forbidden", "no"), 1.0)
    assert (wrong.value.code, wrong.value.status) == ("forbidden", 4)
    assert exchange.take(Refused("other", "forbidden", "no"), 1.0) is None
