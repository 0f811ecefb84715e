"""import: init scripts, systemd units and supervisord.conf become conf.d."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Page, Table, Tone, line
from amonsup.verbs.results import ImportedService, ImportResult
from amonsup.verbs.verb import Kind, Verb, describe

_TONES = {"exact": Tone.GOOD, "reduced": Tone.GOOD, "approximated": Tone.BUSY, "refused": Tone.BAD}
_FATES = {"approximated": Tone.BUSY, "left out": Tone.BAD}


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    paths: Annotated[
        tuple[str, ...],
        describe(
            "unit files, init scripts, supervisord.conf, or directories of them", metavar="PATH...", required="yes"
        ),
    ] = ()
    output: Annotated[str, describe("write NAME.yaml for each service there, instead of to stdout", metavar="DIR")] = ""
    root: Annotated[str, describe("the machine that is imported from, if its files lie elsewhere", metavar="DIR")] = ""
    force: Annotated[bool, describe("overwrite files that are there")] = False
    all: Annotated[bool, describe("report also what was carried, or needs no carrying", short="a")] = False


def page(result: ImportResult) -> Page:
    """The report, of all remarks that are in the answer."""
    blocks: Page = []
    for service in result.services:
        blocks += _service(service)
    blocks += [line(Cell("problem: ", Tone.BAD), problem) for problem in result.problems]
    blocks += [line(Cell("on this machine: ", Tone.BUSY), warning) for warning in result.warnings]
    counts = {outcome: sum(each.outcome == outcome for each in result.services) for outcome in _TONES}
    said = ", ".join(f"{number} {outcome}" for outcome, number in counts.items() if number)
    blocks.append(line(Cell(f"{len(result.services)} found", Tone.STRONG), f": {said}" if said else ""))
    if result.written:
        blocks.append(line(f"written: {', '.join(result.written)}"))
        blocks.append(line("next: read what was left out, then `amonsup check` and `amonsup apply --dry-run`"))
    return blocks


def _service(service: ImportedService) -> Page:
    tone = _TONES.get(service.outcome, Tone.PLAIN)
    blocks: Page = [line(Cell(service.name, Tone.STRONG), f" ({service.source}): ", Cell(service.outcome, tone))]
    if service.reason:
        blocks.append(line(f"  {service.reason}"))
        return blocks
    groups: dict[tuple[str, str], list[str]] = {}
    for remark in service.remarks:
        if remark.how.startswith("sandboxing: "):
            groups.setdefault((remark.fate, remark.how), []).append(remark.what.partition("=")[0])
    rows = tuple(
        (
            Cell(f"  {remark.fate}", _FATES.get(remark.fate, Tone.FAINT)),
            Cell(
                f"{remark.file.rpartition('/')[2]}:{remark.line}: {remark.what}{': ' if remark.how else ''}{remark.how}"
            ),
        )
        for remark in service.remarks
        if not remark.how.startswith("sandboxing: ")
    )
    if rows:
        blocks.append(Table(("", ""), rows))
    for (fate, how), names in groups.items():
        listed = ", ".join(dict.fromkeys(names))
        blocks.append(line(Cell(f"  {fate}", _FATES.get(fate, Tone.FAINT)), f"  {how}: {listed}"))
    return blocks


VERB = Verb(
    name="import",
    role=Role.NONE,
    kind=Kind.LOCAL,
    summary="Make conf.d of init scripts, systemd units or supervisord.conf, and report what was carried.",
    details=(
        "Prints YAML to stdout and the report to stderr; with --output it writes a file for each service and prints the"
        " report. Nothing of a source is executed. Of a template unit name an instance:"
        " amonsup import /lib/systemd/system/ce@one.service\n"
        "exact: all that it says holds here too; reduced: something was left out; approximated: see the report;"
        " refused: see the reason. Exit status 0: everything was imported; 1: something was refused or could not be"
        " read, the rest was done."
    ),
    arguments=Arguments,
    answer=ImportResult,
    page=page,
)
