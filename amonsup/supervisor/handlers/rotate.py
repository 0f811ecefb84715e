"""rotate: the logger begins new files; answered when it has."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import LATER, Call, Desk, Later, Refusal, mutating, select
from amonsup.verbs.results import OperationResult, TargetOutcome
from amonsup.verbs.rotate import Arguments


def handle(desk: Desk, call: Call) -> Later | Refusal:
    return command(desk, call)


def command(desk: Desk, call: Call) -> Later | Refusal:
    """Tell the logger for each service; answer when it has answered for all."""
    args: Arguments = call.args
    names = select(desk, args.services or ("all",))
    if isinstance(names, Refusal):
        return names
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    left = dict.fromkeys(names, "")
    outcomes: dict[str, TargetOutcome] = {}

    def done(name: str, text: str) -> None:
        outcomes[name] = TargetOutcome(name, not text, text)
        if len(outcomes) == len(left):
            answer()

    def answer() -> None:
        results = tuple(outcomes[name] for name in names)
        desk.reply(call, OperationResult(call.id, call.verb, all(r.ok for r in results), results))

    for name in names:
        desk.command_logs(call.verb, name, lambda text, name=name: done(name, text))  # type: ignore[misc]
    if not names:
        answer()
    return LATER
