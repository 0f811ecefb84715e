"""events: what happened, as a journal."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Cell, Line, Page, Tone, line
from amonsup.verbs.results import EventsResult, Happening
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("only these: names, @TAG; those of amonsup's own processes too")] = ()
    follow: Annotated[bool, describe("go on with what happens from now on", short="f")] = False
    since: Annotated[str, describe("from then on: 10m, 2h ago, today, 15:30, RFC 3339", metavar="T", short="S")] = ""
    lines: Annotated[
        int,
        describe(
            "at most the last N (default: 100, with --since all)",
            metavar="N",
            short="n",
            afar="at most the last N; 40 are shown",
        ),
    ] = -1
    after: Annotated[int, describe("all entries after this sequence number, only these", metavar="SEQ")] = -1


_TONES = {
    "fatal": Tone.BAD,
    "quarantined": Tone.BAD,
    "exited": Tone.BUSY,
    "backoff": Tone.BAD,
    "failed": Tone.BAD,
    "alert": Tone.BAD,
    "spawn-failed": Tone.BAD,
    "killed": Tone.BAD,
    "swept": Tone.BAD,
    "running": Tone.GOOD,
}


def event_line(event: Happening) -> Line:
    by = f"  ({event.by})" if event.by and f"by {event.by}" not in event.text else ""
    rule = f"{event.rule}: " if event.rule else ""
    suppressed = f"  (+{event.suppressed} suppressed)" if event.suppressed else ""
    return line(
        Cell(event.at, Tone.FAINT),
        "  ",
        Cell(event.service or "-", Tone.STRONG),
        "  ",
        Cell(event.kind, _TONES.get(event.kind, Tone.PLAIN)),
        f"  {rule}{event.text}{suppressed}{by}" if rule or event.text or suppressed else by,
    )


def page(result: EventsResult) -> Page:
    return [event_line(event) for event in result.events] or [line("nothing happened")]


VERB = Verb(
    name="events",
    role=Role.VIEWER,
    kind=Kind.STREAM,
    summary="What happened: starts, exits with their causes, commands and who gave them.",
    details="The journal is kept over restarts and bounded; -f goes on until interrupted, over a restart of ours too.",
    arguments=Arguments,
    answer=EventsResult,
    page=page,
)
