"""audit: read and checked in a process of its own; some megabytes of hashes are not for the supervisor."""

from __future__ import annotations

import msgspec

from amonsup.supervisor.handlers.desk import LATER, Call, Desk, Later, Refusal
from amonsup.verbs.audit import Arguments
from amonsup.verbs.results import AuditResult

MOST = 10_000


def handle(desk: Desk, call: Call) -> Later | Refusal:
    args: Arguments = call.args
    if not 0 <= args.lines <= MOST:
        return Refusal("bad-request", f"audit: lines: 0 … {MOST}")

    def done(code: int, raw: bytes) -> None:
        try:
            result = msgspec.json.decode(raw, type=AuditResult)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            words = raw.decode("utf-8", "replace").strip().splitlines()
            desk.reply(call, Refusal("failed", f"audit: the reader ended with {code}: {words[-1] if words else ''}"))
            return
        desk.reply(call, result)

    desk.run_helper("audit", {"lines": args.lines, "verify": args.verify}, done)
    return LATER
