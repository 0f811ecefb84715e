"""logs: what services wrote, rotated and current files as one."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Page, line
from amonsup.verbs.results import LogsResult
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: Annotated[tuple[str, ...], describe("names, @TAG or all", required="yes")] = ()
    follow: Annotated[bool, describe("go on with what is written from now on", short="f")] = False
    lines: Annotated[
        int,
        describe(
            "the last N of each log (default: all; with -f the last 10)",
            metavar="N",
            short="n",
            afar="the last N of each log; 40 are shown at most",
        ),
    ] = -1
    since: Annotated[
        str, describe("captured since then: 10m, 2h ago, today, 15:30, RFC 3339", metavar="T", short="S")
    ] = ""
    until: Annotated[str, describe("captured until then", metavar="T", short="U")] = ""
    life: Annotated[str, describe("of one life: last, or its number (show)", metavar="N")] = ""
    grep: Annotated[str, describe("only lines that match (RE2 syntax)", metavar="RE", short="g")] = ""
    ignore_case: Annotated[
        bool, describe("upper and lower case are one for --grep", short="i", afar="upper and lower case are one")
    ] = False
    context: Annotated[int, describe("N lines around each match", metavar="N", short="C")] = 0
    after_context: Annotated[int, describe("N lines after each match", metavar="N", short="A")] = 0
    before_context: Annotated[int, describe("N lines before each match", metavar="N", short="B")] = 0
    stream: Annotated[str, describe("out or err, where stderr is kept separately", metavar="S", choice="out|err")] = ""
    file: Annotated[
        str,
        describe("not what was captured, but a file of its own (logging.files): name, path or pattern", metavar="NAME"),
    ] = ""
    cursor: Annotated[str, describe("go on behind the line of --json that has it", metavar="C")] = ""
    save: Annotated[
        str, describe("write all of it to FILE, compressed; again after an interruption goes on", metavar="FILE")
    ] = ""
    is_labelled: Annotated[bool, describe("each piece with its time and life", hidden="yes")] = False


DETAILS = "\n".join(
    (
        "Lines of several services come in the order in which they were captured, each behind the name of its "
        "service; with -f they come as they are written, over rotation and a restart of anything. Into a pipe a single "
        "service's log goes byte for byte; on a terminal what could harm it is shown as its escape.",
        "With --json each line is an object; its cursor, given to --cursor, goes on behind that line, whatever was "
        "rotated or compressed since then. Of several services give the last cursor of each, with commas between.",
        "Times are when amonsup captured a line, to within ten seconds; nothing is asked of the lines themselves.",
        "Who may read the log directory needs no daemon; others need the role reader.",
        "With --file it is files that the service writes by itself, of one service at a time; they are read as the "
        "service's user, through the daemon. When their lines were written is known by file only.",
        "",
        "amonsup logs ce -f: the last ten lines, and what comes",
        "amonsup logs all --since 10m: everything of the last ten minutes, interleaved",
        "amonsup logs ce --grep 'ERROR|FATAL' -C3: what matches, with three lines around each",
        "amonsup logs ce --life last: since its last start",
        "amonsup logs ce --file access.log -f: what it writes into a file of its own",
        "amonsup logs ce --save ce.log.gz: the whole log",
    )
)


def page(result: LogsResult) -> Page:
    return [line(f"read by process {result.reader}: {', '.join(result.services)}")]


VERB = Verb(
    name="logs",
    role=Role.READER,
    kind=Kind.READING,
    summary="What services wrote: the end, all, a span of time, what matches, or on and on; over rotated files too.",
    details=DETAILS,
    arguments=Arguments,
    answer=LogsResult,
    page=page,
)
