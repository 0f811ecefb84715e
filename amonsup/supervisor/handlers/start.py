"""start: one task for every selected service."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, mutating, operation, select
from amonsup.supervisor.model.phases import Goal, Phase
from amonsup.supervisor.model.records import Operation
from amonsup.verbs.start import Arguments


def handle(desk: Desk, call: Call) -> Operation | Refusal:
    args: Arguments = call.args
    names = select(desk, args.services)
    if isinstance(names, Refusal):
        return names
    if "all" in args.services:
        # What has done its work is up, as far as `all` is concerned: a migration is not to be run again by the way,
        # nor what the calendar starts when its time has come.
        names = [name for name in names if not _is_done(desk, name)]
    return mutating(desk) or operation(desk, call, names, force=args.force)


def _is_done(desk: Desk, name: str) -> bool:
    state = desk.fleet.states[name]
    return state.phase is Phase.EXITED and (state.goal is Goal.DONE or bool(state.calendar))
