"""What the audit log says of commands: enough to know what was done, bounded, and nothing secret."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from amonsup.config.specs import Role
from amonsup.supervisor.access import LOOKING
from amonsup.supervisor.command_words import LONGEST_VALUE, MOST_OUTCOMES, MOST_TARGETS, arguments, ending, targets
from amonsup.supervisor.handlers.desk import Refusal
from amonsup.verbs import NAMES, load
from amonsup.verbs.results import OperationResult, PlanResult, TargetOutcome
from amonsup.verbs.verb import Kind

KNOWN = {"action", "room", "signal", "duration", "reason", "kill", "force", "dry_run"}
"""What commands take besides targets. Whoever adds one decides here that it may stand in the audit log."""


def of(verb_name: str, **args: Any) -> Any:
    verb = load(verb_name)
    assert verb is not None
    return msgspec.convert(args, verb.arguments)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (of("restart", services=["db"]), ""),
        (of("restart", services=["db"], force=True, kill=True), "--kill --force"),
        (of("signal", signal="HUP", services=["ce"]), "signal=HUP"),
        (of("hold", service="db", duration="2h", reason="disk swap"), 'duration=2h reason="disk swap"'),
        (of("mute", service="all", duration="0"), "duration=0"),
        (of("room", action="create", room="fleet@x.org"), "action=create room=fleet@x.org"),
        (of("apply", dry_run=True), "--dry-run"),
        (of("apply"), ""),
        (of("scale", scales=["ce=3"]), ""),
        (of("signal", signal="\x1b[2J\n", services=["ce"]), "signal=?[2J?"),
        (of("signal", signal="", services=["ce"]), 'signal=""'),
    ],
)
def test_what_was_said_besides_the_targets(args: msgspec.Struct, says: str) -> None:
    assert arguments(args) == says


def test_it_is_bounded() -> None:
    assert len(arguments(of("hold", service="db", duration="1h", reason="x" * 10_000))) < LONGEST_VALUE + 50
    assert len(targets(of("stop", services=["s"] * 1000))) == MOST_TARGETS
    many = tuple(TargetOutcome(f"s{number}", False, "no") for number in range(MOST_OUTCOMES + 3))
    text = ending(OperationResult("r", "signal", False, many))
    assert text.startswith("failed: s0: no; s1: no")
    assert text.endswith("s4: no and 3 more")


def test_no_command_takes_what_must_not_stand_there() -> None:
    commanding = [
        verb
        for name in NAMES
        if (verb := load(name)) is not None and verb.kind is not Kind.LOCAL and verb.role >= Role.OPERATOR
    ]
    taken = {
        field
        for verb in commanding
        if verb.name not in LOOKING
        for field in verb.arguments.__struct_fields__
        if field not in ("service", "services", "scales")
    }
    assert taken == KNOWN


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (OperationResult("r", "hold", True), "ok"),
        (PlanResult(()), "ok"),
        (OperationResult("r", "signal", False, (TargetOutcome("ce", False, "it is down"),)), "failed: ce: it is down"),
        (Refusal("unknown-service", "there is no service 'nope'"), "refused: there is no service 'nope'"),
        (Refusal("held", "a: held\nb: held"), "refused: a: held; b: held"),
        (Refusal("failed", "room create: timeout"), "failed: room create: timeout"),
    ],
)
def test_how_it_ended(reply: object, says: str) -> None:
    assert ending(reply) == says
