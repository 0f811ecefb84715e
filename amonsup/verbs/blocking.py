"""blocking: what a stop, a shutdown or a start that is under way waits for."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Line, Page, Tone, duration, line, state
from amonsup.verbs.results import BlockedService, Blocker, BlockingResult, OpenOperation
from amonsup.verbs.verb import Kind, Verb, describe

_NAMED = 5


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("only these; default: all")] = ()


def page(result: BlockingResult) -> Page:
    blocks: Page = [_operation(each) for each in result.operations]
    for service in result.services:
        blocks += _service(service)
    if result.logs:
        blocks.append(line(Cell("logs", Tone.STRONG), f"  not written to the end yet: {_names(result.logs)}"))
    return blocks or [line("nothing is under way")]


def words(blocker: Blocker) -> str:
    """One line: `process 812 /opt/ce/bin/ce: told to stop 3.2s ago, SIGKILL in 6.8s`."""
    what = blocker.kind
    if blocker.kind in ("dependant", "dependency"):
        what = f"{blocker.kind} {blocker.name}"
    elif blocker.pid:
        what = f"process {blocker.pid} {blocker.command}".rstrip()
    text = f"{what}: {blocker.text}" if blocker.text else what
    if blocker.since_s is not None:
        text += f" {duration(blocker.since_s)} ago"
    if blocker.kill_in_s is not None:
        text += f", SIGKILL in {duration(blocker.kill_in_s)}"
    return text


def summary(result: BlockingResult, targets: tuple[str, ...]) -> str:
    """What an operation on `targets` waits for first, for the one line that a person sees; empty if nothing is known.

    What a dependant or a dependency waits for in its turn says more than its name, so those are followed.
    """
    services = {service.name: service for service in result.services}
    left, seen, fallback = list(targets), set(targets), ""
    while left:
        name = left.pop(0)
        for blocker in services[name].waits_for if name in services else ():
            text = f"{name}: {words(blocker)}"
            if blocker.kind not in ("dependant", "dependency", "command"):
                return text
            fallback = fallback or text
            if blocker.name and blocker.name not in seen:
                seen.add(blocker.name)
                left.append(blocker.name)
    return fallback or (f"logs of {_names(result.logs)}" if result.logs else "")


def _operation(operation: OpenOperation) -> Line:
    total = operation.done + len(operation.left)
    waits = f": waits for {_names(operation.left)}" if operation.left else ""
    counts = f", {operation.done} of {total} done" if total > 1 else ""
    head = Cell(operation.verb, Tone.STRONG)
    return line(head, f"  by {operation.by}, since {duration(operation.since_s)}{counts}{waits}")


def _service(service: BlockedService) -> Page:
    head = line(Cell(service.name, Tone.STRONG), "  ", state(service.state))
    return [head, *(line(f"  {words(blocker)}") for blocker in service.waits_for)]


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


VERB = Verb(
    name="blocking",
    role=Role.VIEWER,
    kind=Kind.READ,
    summary="What a stop, shutdown or start under way waits for: dependants, processes, readiness.",
    details=(
        "Empty when nothing is under way. A process that is told to stop is killed after stop_grace_period; "
        "`amonsup stop --kill SERVICE` does it now."
    ),
    arguments=Arguments,
    answer=BlockingResult,
    page=page,
)
