"""A verb that the daemon carries out: asked, waited for, shown; and `events -f`, which goes on for ever."""

from __future__ import annotations

import os
import time
from contextlib import closing
from functools import partial
from typing import Any

import msgspec

from amonsup.cli.conversation import About, Conversation
from amonsup.cli.errors import DONE, FAILED, INTERRUPTED, CommandError, ProtocolError
from amonsup.cli.output import Output
from amonsup.config.specs import Role
from amonsup.verbs.results import AuditResult, BlockingResult, EventsResult, Happening, OperationResult
from amonsup.verbs.verb import Kind, Verb
from amonsup.wire.messages import REFUSALS, Accepted, Answer, EventLine, Finished, Refused, Request

READ_TIMEOUT_S = 30.0

LOOK_TIMEOUT_S = 0.3
"""What is in the way of an operation is told on the side; the line does not wait longer for it."""

_LISTED = {"status": "services"}
"""Verbs whose --json is the list in this field of the answer (interface.md)."""


class _RawEvents(msgspec.Struct):
    """EventsResult with the entries as they came: --json passes on what a newer daemon added."""

    events: tuple[msgspec.Raw, ...]


def new_request(verb: Verb, args: dict[str, Any]) -> Request:
    return Request(id=f"{verb.name}-{os.urandom(8).hex()}", verb=verb.name, args=args)


def ask(verb: Verb, args: dict[str, Any], conversation: Conversation, output: Output, *, is_waiting: bool) -> int:
    """The exit status. Ctrl-C ends the waiting, not the operation."""
    request = new_request(verb, args)
    is_accepted = False
    try:
        # A command that is carried out at once leaves no operation to attach to, so it must not be repeated.
        may_repeat = verb.kind is not Kind.READ or verb.role < Role.OPERATOR
        is_command = verb.kind is Kind.OPERATION
        with closing(conversation.messages(request, is_command=is_command, may_repeat=may_repeat)) as messages:
            for message in messages:
                if isinstance(message, Refused):
                    raise refusal(message)
                if isinstance(message, Accepted):
                    is_accepted = True
                    conversation.progress.wait_for(message.targets)
                    conversation.progress.look = partial(_in_the_way, conversation.path, message.targets)
                    if not is_waiting:
                        return _show_accepted(message, output)
                elif isinstance(message, Answer | Finished):
                    result = _decoded(verb, message, conversation.path)
                    is_ok = _is_ok(result)
                    if verb.name == "shutdown" and is_ok:
                        conversation.progress.wait_for(())
                        for _ in messages:
                            pass  # until the daemon's end
                        conversation.wait_until_gone()
                    conversation.progress.clear()
                    _show(verb, result, message.result, output)
                    return DONE if is_ok else FAILED
    except KeyboardInterrupt:
        raise _interrupted(verb, is_accepted=is_accepted) from None
    finally:
        conversation.progress.clear()
    raise AssertionError("messages end only after an answer")


def _in_the_way(path: str, targets: tuple[str, ...]) -> str:
    """What an operation under way waits for, in a line; empty if that cannot be told quickly."""
    from amonsup.cli.progress import Progress
    from amonsup.verbs import blocking

    conversation = Conversation(path, Progress(None, time.monotonic), LOOK_TIMEOUT_S)
    try:
        request = new_request(blocking.VERB, {})
        with closing(conversation.messages(request, is_command=False)) as messages:
            for message in messages:
                if isinstance(message, Answer):
                    return blocking.summary(parsed(message.result, BlockingResult, path), targets)
    except CommandError:
        pass  # nobody there just now, or an older daemon: the line names the targets instead
    return ""


def follow(verb: Verb, args: dict[str, Any], conversation: Conversation, output: Output) -> int:
    """Ends when nobody reads any more (or by Ctrl-C). No entry is shown twice, none is left out."""
    last_seq, last_at, instance = -1, "", ""
    while True:
        with closing(conversation.messages(new_request(verb, args), is_command=False)) as messages:
            for message in messages:
                if isinstance(message, Refused):
                    raise refusal(message)
                if isinstance(message, Answer):
                    if instance not in ("", conversation.instance):
                        last_seq = -1  # another daemon: its numbers began anew, so we go on by time
                        break
                    instance = conversation.instance
                    last_at = last_at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                entries = _entries(message, last_seq, conversation.path)
                if entries:
                    last_seq, last_at = entries[-1][1].seq, entries[-1][1].at
                    _show_entries(verb, entries, output)
                if not output.is_open:
                    return DONE
        instance = conversation.instance
        args = _continued(args, last_seq, last_at)
        conversation.rest()


def _entries(message: About, last_seq: int, path: str) -> list[tuple[msgspec.Raw, Happening]]:
    """What is new in a message, as it came and as we understand it."""
    raws: tuple[msgspec.Raw, ...] = ()
    if isinstance(message, Answer):
        raws = parsed(message.result, _RawEvents, path).events
    elif isinstance(message, EventLine):
        raws = (message.event,)
    entries = [(raw, parsed(raw, Happening, path)) for raw in raws]
    return [(raw, entry) for raw, entry in entries if entry.seq > last_seq]


def _show_entries(verb: Verb, entries: list[tuple[msgspec.Raw, Happening]], output: Output) -> None:
    if output.is_json:
        output.lines(raw for raw, _ in entries)
    else:
        output.page(verb.page(EventsResult(tuple(entry for _, entry in entries))))


def _continued(given: dict[str, Any], last_seq: int, last_at: str) -> dict[str, Any]:
    """The request for what comes after the last entry seen; if there was none, by time."""
    args = {key: value for key, value in given.items() if key in ("services", "follow")}
    return args | ({"after": last_seq} if last_seq >= 0 else {"since": last_at})


def _is_ok(result: Any) -> bool:
    if isinstance(result, AuditResult):
        return not result.broken
    return not isinstance(result, OperationResult) or bool(result.ok)


def refusal(message: Refused) -> CommandError:
    """What a refusal ends a command with."""
    return CommandError(message.code, message.text, REFUSALS.get(message.code, FAILED))


def _interrupted(verb: Verb, *, is_accepted: bool) -> CommandError:
    text = "interrupted"
    if is_accepted:
        text = f"interrupted: '{verb.name}' goes on all the same; amonsup status shows how far it is"
    elif verb.role >= Role.OPERATOR:
        text = f"interrupted before amonsupd answered: '{verb.name}' may be carried out all the same"
    return CommandError("interrupted", text, INTERRUPTED)


def _decoded(verb: Verb, message: Answer | Finished, path: str) -> Any:
    return parsed(message.result, verb.expected(is_at_once=isinstance(message, Answer)), path)


def parsed(raw: msgspec.Raw, expected: Any, path: str) -> Any:
    """The record in an answer. Raises ProtocolError."""
    try:
        return msgspec.json.decode(raw, type=expected)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise ProtocolError(path, f"the result: {wrong}") from None


def _show(verb: Verb, result: Any, raw: msgspec.Raw, output: Output) -> None:
    if not output.is_json:
        output.page(verb.page(result))
    elif verb.name in _LISTED:
        output.document(msgspec.json.decode(raw)[_LISTED[verb.name]])
    else:
        output.document(raw)


def _show_accepted(message: Accepted, output: Output) -> int:
    if output.is_json:
        output.document({"accepted": {"id": message.id, "targets": message.targets}})
    else:
        from amonsup.verbs.page import line

        output.page([line(f"accepted: {', '.join(message.targets) or 'nothing to do'}")])
    return DONE
