"""audit: who commanded what, and whether the record is whole."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Page, Tone, line
from amonsup.verbs.results import AuditResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lines: Annotated[int, describe("at most the last N", metavar="N", short="n")] = 50
    verify: Annotated[bool, describe("check the chain of hashes from the oldest entry to the last")] = False


_TONES = {"refused": Tone.BAD, "unwritten": Tone.BAD, "command": Tone.STRONG}


def page(result: AuditResult) -> Page:
    blocks: Page = []
    for entry in result.entries:
        many = f" ({entry.count} times)" if entry.count > 1 else ""
        what = " ".join((entry.verb, *entry.targets)).strip()
        is_bad = entry.kind == "finished" and not entry.text.startswith("ok")
        kind = Cell(entry.kind, Tone.BAD if is_bad else _TONES.get(entry.kind, Tone.PLAIN))
        by = f"{entry.by} by {entry.via}" if entry.via else entry.by
        said = ": ".join(part for part in (by, what, entry.text) if part)
        blocks.append(line(Cell(entry.at, Tone.FAINT), "  ", kind, f"  {said}{many}"))
    if result.verified is not None:
        tone = Tone.BAD if result.broken else Tone.GOOD
        words = f"BROKEN after {result.verified} entries: {result.broken}" if result.broken else "the chain is whole"
        blocks.append(line(Cell(f"{words}: {result.verified} entries, the last is number {result.last}", tone)))
    return blocks or [line("nothing was commanded")]


VERB = Verb(
    name="audit",
    role=Role.ADMIN,
    kind=Kind.READ,
    summary="Who commanded what, from here and from afar, and who was refused.",
    details=(
        "Each entry carries the hash of the one before, so an entry that was changed, removed or put in between breaks "
        "the chain: --verify says where (exit status 1). That the end was cut off shows only in the last number."
    ),
    arguments=Arguments,
    answer=AuditResult,
    page=page,
)
