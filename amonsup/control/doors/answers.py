"""A supervisor's reply in words; lines of logs are fetched for it.

`logs` is answered locally with a descriptor, which a chat can not be given. Once the supervisor has allowed it (and to
which services), the last lines are asked for in its place: of each service as many as `show` tells.
"""

from __future__ import annotations

import msgspec

from amonsup.control.core import wording
from amonsup.control.desk import Desk
from amonsup.verbs.results import LogsResult, ShowResult
from amonsup.verbs.verb import Verb
from amonsup.wire.messages import Answer, Finished, Refused

MOST_SERVICES = 5


async def words(desk: Desk, verb: Verb, args: dict[str, object], reply: Answer | Finished | Refused) -> str:
    """What to say to the person who asked."""
    if verb.answer is not LogsResult or not isinstance(reply, Answer):
        return wording.reply(verb, reply)
    if args.get("file"):
        return "files that a service writes by itself are not shown in a chat"
    services = msgspec.json.decode(reply.result, type=LogsResult).services
    wanted = args.get("lines")
    most = wanted if isinstance(wanted, int) and wanted > 0 else wording.MOST_LINES
    lines: list[str] = []
    for service in services[:MOST_SERVICES]:
        shown = await desk.supervisor.request("show", {"service": service})
        if isinstance(shown, Answer):
            last = msgspec.json.decode(shown.result, type=ShowResult).last_lines[-most:]
            lines += [f"{service}: {line}" if len(services) > 1 else line for line in last]
    if len(services) > MOST_SERVICES:
        lines.append(f"… and {len(services) - MOST_SERVICES} more services; name fewer")
    return wording.bounded(lines or ["no lines"])
