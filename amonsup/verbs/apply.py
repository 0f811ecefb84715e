"""apply: conf.d becomes what runs."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Page, Table, Tone, line
from amonsup.verbs.results import OperationResult, PlanResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dry_run: Annotated[bool, describe("show the plan, change nothing", short="n")] = False


_TONES = {"start": Tone.GOOD, "add": Tone.GOOD, "stop": Tone.BAD, "restart": Tone.BUSY, "change": Tone.PLAIN}


def plan_page(result: PlanResult) -> Page:
    blocks: Page = []
    if result.changes:
        rows = tuple(
            (Cell(change.action, _TONES[change.action]), Cell(change.name, Tone.STRONG), Cell(change.why))
            for change in result.changes
        )
        blocks = [Table(("ACTION", "SERVICE", "WHY"), rows)]
    if result.site_changes:
        blocks.append(line(f"amonsup.yaml changed: {', '.join(result.site_changes)}"))
    if not blocks:
        blocks = [line("nothing to change")]
    return [*blocks, *(line(Cell(f"! {warning}", Tone.BAD)) for warning in result.warnings)]


def page(result: PlanResult | OperationResult) -> Page:
    if isinstance(result, PlanResult):
        return plan_page(result)
    blocks: Page = []
    for outcome in result.results:
        word = Cell("ok", Tone.GOOD) if outcome.ok else Cell("failed", Tone.BAD)
        blocks.append(line(Cell(outcome.name, Tone.STRONG), ": ", word, f": {outcome.text}" if outcome.text else ""))
    return [*blocks, line(result.note)] if result.note else blocks


VERB = Verb(
    name="apply",
    role=Role.ADMIN,
    kind=Kind.OPERATION,
    summary="Make conf.d what runs: shows the plan, touches only what changed.",
    details=(
        "A service is restarted only if what its process is born with changed (command, user, environment …); a "
        "restart policy, a dependency or logging changes in place. Dependants with `restart: true` are restarted with "
        "their dependency, and stand in the plan. What had given up (backoff, fatal, or exited with a "
        "failure) gets a new start by such a change: it may be the cure. One invalid file: nothing changes, exit "
        "status 2."
    ),
    arguments=Arguments,
    answer=OperationResult,
    plan=PlanResult,
    page=page,
)
