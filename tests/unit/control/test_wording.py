"""Answers as a chat shows them: everything a person would see on the command line that matters, in a line or two."""

from __future__ import annotations

from typing import Any

import msgspec

from amonsup.control.core import wording
from amonsup.verbs import load
from amonsup.verbs.results import OperationResult, PlanLine, PlanResult
from amonsup.wire.messages import Answer, Finished


def answered(name: str, result: Any, kind: type[Answer] | type[Finished] = Answer) -> list[str]:
    """The lines of the reply to a verb."""
    verb = load(name)
    assert verb is not None
    raw = msgspec.Raw(msgspec.json.encode(result))
    return wording.reply(verb, kind("1", raw)).splitlines()


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
