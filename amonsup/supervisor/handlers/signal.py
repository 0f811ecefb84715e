"""signal: to the main process, through its pidfd, so never to somebody else."""

from __future__ import annotations

import signal as signals

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, mutating, select
from amonsup.verbs.results import OperationResult, TargetOutcome
from amonsup.verbs.signal import Arguments


def handle(desk: Desk, call: Call) -> OperationResult | Refusal:
    args: Arguments = call.args
    number = signal_number(args.signal)
    if number is None:
        return Refusal("bad-request", f"{args.signal[:40]!r} is no signal; a name (HUP, SIGTERM) or number is allowed")
    names = select(desk, args.services)
    if isinstance(names, Refusal):
        return names
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    results = tuple(_send(desk, name, number) for name in names)
    return OperationResult(call.id, call.verb, all(r.ok for r in results), results)


def _send(desk: Desk, name: str, number: int) -> TargetOutcome:
    state = desk.fleet.states[name]
    if not state.pid:
        return TargetOutcome(name, False, "it is not running")
    if not desk.lives.signal(state, number):
        return TargetOutcome(name, False, "its process has just ended")
    return TargetOutcome(name, True, f"pid {state.pid}")


def signal_number(text: str) -> int | None:
    """A name with or without SIG, or a number; None if there is no such signal."""
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 4 and 1 <= int(text) < signals.NSIG else None
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    found = signals.Signals.__members__.get(name)
    return None if found is None else int(found)
