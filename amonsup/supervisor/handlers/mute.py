"""mute: written down by the wall clock; control reads it in the service's row."""

from __future__ import annotations

from amonsup.supervisor.adapters.wishes import Mute
from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, select
from amonsup.supervisor.tidings import rfc3339
from amonsup.verbs.mute import Arguments
from amonsup.verbs.results import OperationResult, TargetOutcome

LONGEST_S = 30 * 86400.0
LONGEST_REASON = 200


def handle(desk: Desk, call: Call) -> OperationResult | Refusal:
    from amonsup.config.units import DURATIONS_ALLOWED, parse_duration

    args: Arguments = call.args
    try:
        duration = parse_duration(args.duration[:40])
    except ValueError as wrong:
        return Refusal("bad-request", f"mute: {wrong}; {DURATIONS_ALLOWED}, at most 30d")
    if duration > LONGEST_S:
        return Refusal("bad-request", f"mute: {args.duration[:40]} is more than 30d")
    if len(args.reason) > LONGEST_REASON or not args.reason.isprintable():
        return Refusal("bad-request", f"mute: the reason is one line of at most {LONGEST_REASON} characters")
    names = select(desk, (args.service,))
    if isinstance(names, Refusal):
        return names
    until = desk.clock() + duration
    mute = Mute(until=until, by=call.by, why=args.reason) if duration > 0 else None
    desk.mute(names, mute, call.by)
    text = f"no alerts until {rfc3339(until)}" if mute else "alerts again"
    return OperationResult(call.id, call.verb, True, tuple(TargetOutcome(name, True, text) for name in names))
