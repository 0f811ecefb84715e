"""How a plan becomes an operation; used by apply and scale."""

from __future__ import annotations

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.core import holds
from amonsup.supervisor.core.plan import Change
from amonsup.supervisor.handlers.desk import Call, Desk, Refusal
from amonsup.supervisor.model.records import Operation, Task

_VERBS = {"start": "start", "restart": "restart", "stop": "stop"}


def held(desk: Desk, new: dict[str, ServiceSpec]) -> Refusal | None:
    """What would go is held by somebody: nothing is done at all, because nothing could undo it."""
    for name, state in desk.fleet.states.items():
        if name not in new and state.hold is not None:
            text = f"{name}, which would go, is {holds.words(state.hold)}; release it first; nothing was changed"
            return Refusal("held", text)
    return None


def renewed(changes: list[Change]) -> list[str]:
    """Whose spec is another one, without being new to run."""
    return [change.name for change in changes if change.action in ("change", "restart", "add")]


def summary(changes: list[Change], site_changes: tuple[str, ...]) -> str:
    """How many services meet with what, in a line."""
    numbers: dict[str, int] = {}
    for change in changes:
        numbers[change.action] = numbers.get(change.action, 0) + 1
    parts = [f"{action} {count}" for action, count in numbers.items()]
    if site_changes:
        parts.append(f"amonsup.yaml changed: {', '.join(site_changes)}")
    return ", ".join(parts) or "nothing to change"


def operation(desk: Desk, call: Call, changes: list[Change], note: str) -> Operation:
    """A task for each change that concerns a process."""
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
    return Operation(
        id=call.id,
        verb=call.verb,
        by=call.by,
        accepted=desk.now(),
        targets=tuple(change.name for change in changes),
        tasks=tasks,
        note=note,
    )
