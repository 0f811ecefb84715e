"""room: asked of control, which has the session."""

from __future__ import annotations

from amonsup.supervisor.handlers.desk import LATER, Call, Desk, Later, Refusal
from amonsup.verbs.results import OperationResult, TargetOutcome
from amonsup.verbs.room import Arguments


def handle(desk: Desk, call: Call) -> Later | Refusal:
    args: Arguments = call.args
    if args.action != "create":
        return Refusal("bad-request", f"room: {args.action[:40]!r} is unknown; allowed: create")
    name, at, domain = args.room.partition("@")
    if not at or not name or not domain or len(args.room) > 500 or "/" in args.room or not args.room.isprintable():
        return Refusal("bad-request", f"room: {args.room[:80]!r} is not NAME@DOMAIN")

    def done(text: str) -> None:
        if text:
            desk.reply(call, Refusal("failed", f"room create {args.room}: {text}"))
        else:
            outcome = TargetOutcome(args.room, True, "made; the site's account owns it")
            desk.reply(call, OperationResult(call.id, call.verb, True, (outcome,)))

    desk.ask_control({"do": "create-room", "room": args.room.lower()}, done)
    return LATER
