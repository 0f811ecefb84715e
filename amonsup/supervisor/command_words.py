"""What the audit log says of a command: with which arguments it was given, and how it ended if answered at once.

What came from outside is made printable and short; the log itself bounds the whole of an entry.
"""

from __future__ import annotations

from typing import Any

import msgspec

from amonsup.supervisor.handlers.desk import Refusal
from amonsup.verbs.results import OperationResult, TargetOutcome

MOST_TARGETS = 50
LONGEST_VALUE = 200
MOST_OUTCOMES = 5

_TARGETS = frozenset({"service", "services", "scales"})


def targets(args: Any) -> tuple[str, ...]:
    """Whom a command is given to, as it was said."""
    one = getattr(args, "service", "")
    words: tuple[str, ...] = (one,) if one else getattr(args, "services", ()) or getattr(args, "scales", ())
    return words[:MOST_TARGETS]


def arguments(args: msgspec.Struct) -> str:
    """Everything else that was said: `--force`, `signal=HUP`, `duration=2h reason="disk swap"`; no defaults.

    No command takes a secret as an argument (a test has the list of what they take).
    """
    said = []
    for field in msgspec.structs.fields(args):
        value = getattr(args, field.name)
        if field.name in _TARGETS or value == field.default:
            continue
        said.append(f"--{field.name.replace('_', '-')}" if value is True else f"{field.name}={_value(str(value))}")
    return " ".join(said)


def _value(text: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in text[:LONGEST_VALUE])
    shown += "…" if len(text) > LONGEST_VALUE else ""
    return f'"{shown}"' if " " in shown or not shown else shown


def ending(reply: object) -> str:
    """How a command ended that was answered at once. Outcomes of an operation have the same words (`failed`)."""
    if isinstance(reply, Refusal):
        word = "failed" if reply.code == "failed" else "refused"
        return f"{word}: {'; '.join(reply.text.splitlines())}"
    if isinstance(reply, OperationResult) and not reply.ok:
        return failed(reply.results)
    return "ok"


def failed(outcomes: tuple[TargetOutcome, ...]) -> str:
    """Whom it was not done to, and why."""
    bad = [f"{outcome.name}: {outcome.text}" for outcome in outcomes if not outcome.ok]
    more = f" and {len(bad) - MOST_OUTCOMES} more" if len(bad) > MOST_OUTCOMES else ""
    return "failed: " + "; ".join(bad[:MOST_OUTCOMES]) + more
