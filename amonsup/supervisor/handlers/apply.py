"""apply: parse conf.d elsewhere, plan, record, then let the engine carry it out."""

from __future__ import annotations

from amonsup.config.specs import Loaded
from amonsup.supervisor.core import holds
from amonsup.supervisor.core.plan import Change, plan
from amonsup.supervisor.handlers.desk import LATER, Call, Desk, Later, Refusal, mutating
from amonsup.supervisor.model.records import Operation, Task
from amonsup.verbs.apply import Arguments
from amonsup.verbs.results import PlanLine, PlanResult

_VERBS = {"start": "start", "restart": "restart", "stop": "stop"}
FIXED = ("run_dir", "state_dir", "log_dir", "socket", "log_user")
"""What a running daemon cannot change about itself."""


def handle(desk: Desk, call: Call) -> Later | Refusal:
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    desk.load_configuration(lambda outcome: _loaded(desk, call, outcome))
    return LATER


def _loaded(desk: Desk, call: Call, outcome: Loaded | str) -> None:
    if isinstance(outcome, str):
        desk.reply(call, Refusal("invalid", outcome))
        return
    changed = [key for key in FIXED if getattr(outcome.site, key) != getattr(desk.site, key)]
    if changed:
        text = f"{', '.join(changed)} in amonsup.yaml changed: that needs a full stop and start of amonsupd"
        desk.reply(call, Refusal("invalid", text))
        return
    fleet = desk.fleet
    new = {spec.name: spec for spec in outcome.fleet.services}
    for name, state in fleet.states.items():
        if name not in new and state.hold is not None:
            text = (
                f"{name}, which conf.d has no more, is {holds.words(state.hold)}; release it first; nothing was changed"
            )
            desk.reply(call, Refusal("held", text))
            return
    changes = plan(fleet.specs, new, fleet.states)
    args: Arguments = call.args
    if args.dry_run:
        lines = tuple(PlanLine(change.name, change.action, change.why) for change in changes)
        desk.reply(call, PlanResult(lines, outcome.warnings))
        return
    refusal = mutating(desk)  # it took a moment to parse
    if refusal is not None:
        desk.reply(call, refusal)
        return
    renewed = [change.name for change in changes if change.action in ("change", "restart", "add")]
    desk.commit(call, outcome, _operation(desk, call, changes), renewed)


def _operation(desk: Desk, call: Call, changes: list[Change]) -> Operation:
    tasks = {
        change.name: Task(
            operation=call.id,
            verb=_VERBS[change.action],
            by=call.by,
            forget=change.action == "stop",
        )
        for change in changes
        if change.action in _VERBS
    }
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    note = ", ".join(f"{action} {count}" for action, count in counts.items()) or "nothing to change"
    return Operation(
        id=call.id,
        verb="apply",
        by=call.by,
        accepted=desk.now(),
        targets=tuple(change.name for change in changes),
        tasks=tasks,
        note=note,
    )
