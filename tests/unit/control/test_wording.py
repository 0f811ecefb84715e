"""Answers as a chat shows them: everything a person would see on the command line that matters, in a line or two."""

from __future__ import annotations

from typing import Any

import msgspec

from amonsup.control.core import wording
from amonsup.verbs import load
from amonsup.verbs.results import (
    OperationResult,
    PlanLine,
    PlanResult,
    ShowResult,
    StatusResult,
    StatusRow,
    TargetOutcome,
)
from amonsup.wire.messages import Answer, Finished, Refused


def answered(name: str, result: Any, kind: type[Answer] | type[Finished] = Answer) -> list[str]:
    """The lines of the reply to a verb."""
    verb = load(name)
    assert verb is not None
    raw = msgspec.Raw(msgspec.json.encode(result))
    return wording.reply(verb, kind("1", raw)).text.splitlines()


def test_a_dry_run_is_answered_with_the_plan() -> None:
    changes = (PlanLine("ce", "restart", "environment"), PlanLine("old", "stop", "not in conf.d any more"))
    assert answered("apply", PlanResult(changes, ("/srv is full",), ("tags",))) == [
        "this is the plan, nothing was changed:",
        "restart ce: environment",
        "stop old: not in conf.d any more",
        "amonsup.yaml changed: tags",
        "! /srv is full",
    ]
    assert answered("apply", PlanResult(())) == ["nothing to change"]


def test_an_apply_that_was_carried_out_is_no_plan() -> None:
    result = OperationResult("1", "apply", True, note="nothing to change")
    assert answered("apply", result, Finished) == ["done: apply", "nothing to change"]


HELD = StatusRow(
    *("db", "running", 7, 313.0, 0, None, None),
    held_by="root",
    held_until="2026-11-30T14:00:00.123Z",
    held_why="disk swap",
    muted_until="2026-11-30T13:00:00.123Z",
)
SAYS = "db: running, up 5m13s, no alerts until 2026-11-30T13:00:00Z, held by root until 2026-11-30T14:00:00Z: disk swap"


def test_who_holds_a_service_and_that_it_is_mute_stands_in_status_and_show() -> None:
    assert answered("status", StatusResult("gsi", (HELD,))) == [SAYS]
    assert answered("show", ShowResult(HELD, {}, (), (), "", (), (), (), (), "", {}))[0] == SAYS


def test_a_command_that_was_done_says_what_there_is_to_say() -> None:
    held = "held by bob until 2026-11-30T14:00:00Z"
    both = OperationResult("1", "hold", True, (TargetOutcome("ce", True, held), TargetOutcome("db", True, held)))
    assert answered("hold", both) == [f"done: hold ce, db: {held}"]
    results = (TargetOutcome("ce", True, f"was {held}"), TargetOutcome("db", True, "nobody held it"))
    assert answered("release", OperationResult("1", "release", True, results)) == [
        f"done: release ce: was {held}",
        "done: release db: nobody held it",
    ]


def test_what_failed_stands_apart() -> None:
    results = (TargetOutcome("ce", True), TargetOutcome("db", False, "held by root"), TargetOutcome("web", False))
    assert answered("restart", OperationResult("1", "restart", False, results), Finished) == [
        "done: restart ce",
        "failed: restart: db: held by root; web: failed",
    ]
    assert answered("restart", OperationResult("1", "restart", False, results[1:2]), Finished) == [
        "failed: restart: db: held by root",
    ]


def test_what_was_not_done_is_an_error() -> None:
    verb = load("restart")
    assert verb is not None
    done, failed = (OperationResult("1", "restart", ok, (TargetOutcome("ce", ok),)) for ok in (True, False))
    assert not wording.reply(verb, Finished("1", msgspec.Raw(msgspec.json.encode(done)))).is_error
    assert wording.reply(verb, Finished("1", msgspec.Raw(msgspec.json.encode(failed)))).is_error
    assert wording.reply(verb, Refused("1", "busy", "later")) == wording.Words("busy: later", is_error=True)
