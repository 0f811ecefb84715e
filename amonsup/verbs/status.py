"""status: a line a service."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Page, Table, Tone, duration, line, size, state
from amonsup.verbs.results import StatusResult, StatusRow
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("only these; default: all")] = ()
    all: Annotated[bool, describe("amonsup's own processes too", short="a")] = False
    usage: Annotated[bool, describe("tasks, input and output, open files too", short="u")] = False
    watch: Annotated[bool, describe("go on, and show every change; Ctrl-C ends it", short="w")] = False


def _cpu(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.0f}%"


def held(row: StatusRow) -> str:
    """Who holds it, until when and why; empty: nobody does."""
    if not row.held_until:
        return ""
    return f"held by {row.held_by} until {row.held_until[:19]}Z" + (f": {row.held_why}" if row.held_why else "")


def what(row: StatusRow) -> Cell:
    """What is wrong with it, or what it says or is."""
    if row.held_until:
        return Cell(held(row), Tone.BUSY)
    if row.state == "running":
        return Cell(row.status or row.description, Tone.FAINT)
    text = row.why or (row.exit.reason if row.exit else "")
    if row.retry_s is not None:
        text = f"{text}; next start in {duration(row.retry_s)}"
    if row.next_run:
        text = f"{text}; next run {row.next_run[:19]}Z"
    if row.state in ("exited", "stopped"):
        return Cell(text, Tone.FAINT)
    return Cell(text or row.status)


def _usage(row: StatusRow) -> tuple[Cell, ...]:
    return (
        Cell("-" if row.tasks is None else str(row.tasks)),
        Cell(size(row.io_read_bytes)),
        Cell(size(row.io_write_bytes)),
        Cell("-" if row.open_files is None else str(row.open_files)),
    )


def page(result: StatusResult) -> Page:
    has_usage = any(row.tasks is not None for row in result.services)
    more = ("TASKS", "READ", "WRITTEN", "FILES") if has_usage else ()
    columns = ("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "CPU", "MEM", *more, "WHAT")
    rows = tuple(
        (
            Cell(row.name, Tone.STRONG),
            state(row.state),
            Cell(str(row.pid) if row.pid else "-"),
            Cell(duration(row.uptime_s)),
            Cell(str(row.restarts), Tone.BAD if row.restarts else Tone.PLAIN),
            Cell(_cpu(row.cpu_percent)),
            Cell(size(row.memory_bytes)),
            *(_usage(row) if has_usage else ()),
            what(row),
        )
        for row in result.services
    )
    right = ("PID", "UPTIME", "RESTARTS", "CPU", "MEM", *more)
    blocks: Page = [Table(columns, rows, right=right, is_brief=True)]
    return [*blocks, *(line(Cell(f"! {warning}", Tone.BAD)) for warning in result.warnings)]


VERB = Verb(
    name="status",
    role=Role.VIEWER,
    kind=Kind.READ,
    summary="A line a service: state, pid, uptime, restarts, and what is wrong.",
    details=(
        "States: stopped, waiting (for a dependency), starting, running, unhealthy, backoff, stopping, exited, fatal."
        "\nWith --watch a terminal is redrawn in place; a pipe gets a block for every change, with --json a line."
        "\n\nExamples:  amonsup status   ·   amonsup status ce db   ·   amonsup --json status | jq '.[].state'"
    ),
    arguments=Arguments,
    answer=StatusResult,
    page=page,
)
