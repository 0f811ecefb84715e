"""status: read the states, touch nothing."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import Call, Desk, Refusal, select
from amonsup.supervisor.handlers.rows import status_row
from amonsup.verbs.results import StatusResult
from amonsup.verbs.status import Arguments


def handle(desk: Desk, call: Call) -> StatusResult | Refusal:
    args: Arguments = call.args
    names = select(desk, args.services or ("all",), own=True)
    if isinstance(names, Refusal):
        return names
    fleets = (desk.fleet, desk.household) if args.all or args.services else (desk.fleet,)
    rows = [
        status_row(desk, fleet, fleet.states[name])
        for fleet in fleets
        for name in (fleet.specs if args.all else names)
        if name in fleet.states
    ]
    return StatusResult(site=desk.site.site, services=tuple(rows), warnings=desk.warnings())
