"""tree: services by dependency."""

from __future__ import annotations

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Page, Tone, line, state
from amonsup.verbs.results import TreeResult, TreeRow
from amonsup.verbs.verb import Kind, Verb


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


def page(result: TreeResult) -> Page:
    """Dependants stand under what they depend on; one that has several stands under each, expanded once."""
    rows = {row.name: row for row in result.services}
    below: dict[str, list[tuple[str, str]]] = {}
    for row in result.services:
        for need in row.depends_on:
            name, _, condition = need.partition(" ")
            below.setdefault(name, []).append((row.name, condition))
    blocks: Page = []
    expanded: set[str] = set()
    for row in result.services:
        if not row.depends_on:
            _branch(blocks, row, "", "", "", rows, below, expanded)
    return blocks or [line("no services")]


def _branch(
    blocks: Page,
    row: TreeRow,
    head: str,
    tail: str,
    condition: str,
    rows: dict[str, TreeRow],
    below: dict[str, list[tuple[str, str]]],
    expanded: set[str],
) -> None:
    is_known = row.name in expanded
    more = "  …" if is_known and row.name in below else ""
    blocks.append(
        line(
            head,
            Cell(row.name, Tone.STRONG),
            "  ",
            state(row.state),
            Cell(f"  {condition}{more}", Tone.FAINT),
        )
    )
    if is_known:
        return
    expanded.add(row.name)
    children = below.get(row.name, [])
    for index, (name, why) in enumerate(children):
        is_last = index == len(children) - 1
        _branch(
            blocks,
            rows[name],
            tail + ("└─ " if is_last else "├─ "),
            tail + ("   " if is_last else "│  "),
            why,
            rows,
            below,
            expanded,
        )


VERB = Verb(
    name="tree",
    role=Role.VIEWER,
    kind=Kind.READ,
    summary="Services by dependency: below each, those that need it.",
    arguments=Arguments,
    answer=TreeResult,
    page=page,
)
