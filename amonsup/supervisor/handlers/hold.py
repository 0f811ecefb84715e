"""hold: on record at once, by the wall clock, so that it outlives a boot."""

from __future__ import annotations

from amonsup.supervisor.core import holds
from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, mutating, select
from amonsup.supervisor.model.events import Held
from amonsup.supervisor.model.records import Hold
from amonsup.verbs.hold import Arguments
from amonsup.verbs.results import OperationResult, TargetOutcome

SHORTEST_S, LONGEST_S = 1.0, 30 * 86400.0
LONGEST_REASON = 200


def handle(desk: Desk, call: Call) -> OperationResult | Refusal:
    from amonsup.config.units import DURATIONS_ALLOWED, parse_duration

    args: Arguments = call.args
    try:
        duration = parse_duration(args.duration[:40])
    except ValueError as wrong:
        return Refusal("bad-request", f"hold: {wrong}; {DURATIONS_ALLOWED}, at most 30d")
    if not SHORTEST_S <= duration <= LONGEST_S:
        return Refusal("bad-request", f"hold: {args.duration[:40]} is not between 1s and 30d")
    if len(args.reason) > LONGEST_REASON or not args.reason.isprintable():
        return Refusal("bad-request", f"hold: the reason is one line of at most {LONGEST_REASON} characters")
    names = select(desk, (args.service,))
    if isinstance(names, Refusal):
        return names
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    now = desk.clock()
    hold = Hold(until=now + duration, by=call.by, why=args.reason, since=now)
    desk.post_all([Held(name=name, hold=hold) for name in names])
    results = tuple(TargetOutcome(name, True, holds.words(hold)) for name in names)
    return OperationResult(call.id, call.verb, True, results)
