"""logs: a reader process is started, and the caller gets the other end of it."""

from __future__ import annotations

import msgspec

from amonsup.supervisor.handlers.desk import Call, Desk, Handover, Refusal, select
from amonsup.verbs.logs import Arguments
from amonsup.verbs.results import LogsResult


def handle(desk: Desk, call: Call) -> Handover | Refusal:
    args: Arguments = call.args
    if args.save:
        return Refusal("bad-request", "save: the client does that with what it reads; not an argument over the socket")
    names = select(desk, args.services)
    if isinstance(names, Refusal):
        return names
    if not names:
        return Refusal("bad-request", "logs: no service is named")
    owner = None
    if args.file:
        if len(names) != 1:
            return Refusal("bad-request", "logs: file: the files of one service can be read at a time")
        if call.is_remote and "/" in args.file:
            return Refusal("bad-request", "logs: file: from afar a name is allowed, without a directory")
        owner = desk.fleet.specs[names[0]]
        if not owner.logging.files:
            return Refusal("bad-request", f"logs: {names[0]} has no logging.files")
    # Of these only the reader knows what they mean: nothing here parses a pattern or a moment.
    started = desk.start_reader(msgspec.structs.replace(args, services=tuple(names)), call.by, owner)
    if isinstance(started, Refusal):
        return started
    pid, fd = started
    return Handover(LogsResult(tuple(names), pid), fd)
