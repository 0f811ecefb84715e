"""status: read the states, touch nothing."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, select
from amonsup.supervisor.handlers.rows import own_row, status_row
from amonsup.verbs.results import StatusResult, StatusRow
from amonsup.verbs.status import Arguments


def handle(desk: Desk, call: Call) -> StatusResult | Refusal:
    args: Arguments = call.args
    names = select(desk, args.services or ("all",), own=True)
    if isinstance(names, Refusal):
        return names
    own = desk.own_processes()
    if args.all:
        names += [*own, *desk.household.states]
    rows = [own_row(desk, own[name]) if name in own else _row(desk, name, is_full=args.usage) for name in names]
    return StatusResult(site=desk.site.site, services=tuple(rows), warnings=desk.warnings())


def _row(desk: Desk, name: str, *, is_full: bool) -> StatusRow:
    fleet = desk.fleet if name in desk.fleet.states else desk.household
    return status_row(desk, fleet, fleet.states[name], is_full=is_full)
