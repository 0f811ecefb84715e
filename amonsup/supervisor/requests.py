"""Requests of clients: who is it, may they, what do they want, and who waits for which end.

Access is decided here, once, by the peer's credentials and the verb's role; nothing a caller says of itself counts.
Commands are idempotent by their id: one that is known is attached to, not carried out again, which is what makes it
safe for a client to ask a successor the same thing.
"""

from __future__ import annotations

import importlib
import os

import msgspec

from amonsup import __version__
from amonsup.supervisor.access import Access, Identity
from amonsup.supervisor.adapters.server import Connection, Peer
from amonsup.supervisor.handlers.desk import Call, Desk, Handover, Later, Refusal, Reply
from amonsup.supervisor.household import NOBODY
from amonsup.supervisor.model.records import Operation
from amonsup.verbs import NAMES, load
from amonsup.verbs.results import Happening, OperationResult, TargetOutcome
from amonsup.verbs.verb import Kind, Verb
from amonsup.wire.messages import (
    PROTOCOL,
    Accepted,
    Answer,
    EventLine,
    Finished,
    Hello,
    Refused,
    Request,
)

MAX_WAITING_PER_CLIENT = 64


class Requests:
    """The conversation with all clients. Handlers come in by verb name."""

    def __init__(self, desk: Desk, instance: str, access: Access) -> None:
        self._desk = desk
        self._access = access
        self._instance = instance
        self._open: dict[str, Connection] = {}  # requests that a handler answers later
        self._waiting: dict[str, set[Connection]] = {}  # operation id -> who wants its end
        self._followers: set[Connection] = set()
        self._current: Connection | None = None

    def hello(self, peer: Peer) -> Hello:
        role = self._access.role_of_peer(peer).name.lower()
        return Hello((PROTOCOL, PROTOCOL), __version__, self._desk.site.site, self._instance, role)

    # -- coming in --

    def take(self, connection: Connection, request: Request) -> None:
        outcome = self._decide(connection, request)
        if isinstance(outcome, Refusal):
            connection.send(Refused(request.id, outcome.code, outcome.text))

    def _decide(self, connection: Connection, request: Request) -> Refusal | None:
        verb = load(request.verb)
        if verb is None or verb.kind is Kind.LOCAL:
            shown = "".join(c if c.isprintable() else "?" for c in request.verb[:40])
            return Refusal("unknown-verb", f"{shown!r}; known: {', '.join(NAMES)}")
        who = self._access.identify(connection.peer, request.caller or None)
        refusal = self._access.refusal(connection.peer, request, verb, who)
        if refusal is None:
            refusal = self._begin(connection, request, verb, who)
        if refusal is not None:
            self._access.refused(verb.name, who, request.id, refusal)
        return refusal

    def _begin(self, connection: Connection, request: Request, verb: Verb, who: Identity) -> Refusal | None:
        if verb.kind is Kind.OPERATION:
            operation = self._desk.fleet.operations.known.get(request.id)
            if operation is not None and who.caller is not None and operation.by != who.by:
                # Whom it concerns was weighed for who gave the command, and for nobody else.
                return Refusal("forbidden", f"the request {request.id!r} is somebody else's")
            if self._attach(connection, request.id):
                return None
        if request.id in self._open:
            return Refusal("busy", f"a request with the id {request.id!r} is being carried out")
        try:
            args = msgspec.convert(request.args, verb.arguments)
        except msgspec.ValidationError as error:
            return Refusal("bad-request", f"{verb.name}: {error}")
        if verb.kind is Kind.OPERATION and len(connection.waits_for) >= MAX_WAITING_PER_CLIENT:
            return Refusal("busy", f"at most {MAX_WAITING_PER_CLIENT} commands at a time on one connection")
        narrowed = self._access.narrow(verb, who, args)
        if isinstance(narrowed, Refusal):
            return narrowed
        args, refused = narrowed
        is_remote = who.caller is not None or connection.peer.is_control
        call = Call(request.id, verb.name, who.role, who.by, args, refused=refused, is_remote=is_remote)
        self._access.commanded(verb, who, call)
        return self._carry_out(connection, call)

    def _carry_out(self, connection: Connection, call: Call) -> Refusal | None:
        self._open[call.id] = connection
        try:
            handler = importlib.import_module(f"amonsup.supervisor.handlers.{call.verb}").handle
            reply = handler(self._desk, call)
        except Exception as error:  # noqa: BLE001 - boundary 2 of 3: one command
            self._open.pop(call.id, None)
            refusal = Refusal("failed", f"internal error in {call.verb}: {type(error).__name__}: {error}")
            self._access.answered(call, refusal)
            return refusal
        if not isinstance(reply, Later):
            self.reply(call, reply)
        return None

    def _attach(self, connection: Connection, operation_id: str) -> bool:
        """Somebody asks for what is under way, or over, already."""
        if operation_id in self._open and self._open[operation_id].is_closed:
            self._open[operation_id] = connection
            return True
        operation = self._desk.fleet.operations.known.get(operation_id)
        if operation is None:
            return False
        connection.send(Accepted(operation.id, operation.targets))
        if operation.is_finished:
            connection.send(Finished(operation.id, result_of(operation)))
        else:
            self._await(connection, operation_id)
        return True

    def close(self) -> None:
        """Nobody is answered any more."""
        self._access.close()

    # -- going out --

    def reply(self, call: Call, reply: Reply) -> None:
        """Answer, refuse, or have an operation accepted and carried out."""
        connection = self._open.pop(call.id, None)
        if isinstance(reply, OperationResult) and call.refused:
            results = (*reply.results, *_outcomes_of_refused(call.refused))
            reply = msgspec.structs.replace(reply, ok=False, results=results)
        if not isinstance(reply, Operation):
            self._access.answered(call, reply)
        if isinstance(reply, Operation):
            self.accept(connection, reply)
            self._desk.carry_out(reply)
        elif isinstance(reply, Handover):
            if connection is not None:
                connection.send(Answer(call.id, msgspec.Raw(msgspec.json.encode(reply.answer))), reply.fd)
            os.close(reply.fd)
        elif connection is None or connection.is_closed:
            return
        elif isinstance(reply, Refusal):
            connection.send(Refused(call.id, reply.code, reply.text))
        else:
            connection.send(Answer(call.id, msgspec.Raw(msgspec.json.encode(reply))))

    def accept(self, connection: Connection | None, operation: Operation) -> None:
        """Whoever asked waits for the end; the word 'accepted' goes out once it is on record (`recorded`)."""
        if connection is not None and not connection.is_closed:
            self._await(connection, operation.id)

    def take_open(self, call_id: str) -> Connection | None:
        return self._open.pop(call_id, None)

    def recorded(self, operation: Operation) -> None:
        """The operation is on record now: say so to whoever waits."""
        for connection in self._waiting.get(operation.id, ()):
            connection.send(Accepted(operation.id, operation.targets))

    def finished(self, operation: Operation) -> None:
        raw = result_of(operation)
        if operation.by not in NOBODY:
            self._access.finished(operation, is_ok=is_ok(operation))
        for connection in self._waiting.pop(operation.id, set()):
            connection.waits_for.discard(operation.id)
            connection.send(Finished(operation.id, raw))

    def follow(self, call: Call, services: tuple[str, ...]) -> None:
        connection = self._open.get(call.id)
        if connection is not None:
            connection.follows, connection.follows_services = call.id, services
            self._followers.add(connection)

    def happened(self, happenings: list[Happening]) -> None:
        if not self._followers:
            return
        self._followers = {c for c in self._followers if not c.is_closed}
        for happening in happenings:
            raw = msgspec.Raw(msgspec.json.encode(happening))
            for connection in self._followers:
                if not connection.follows_services or happening.service in connection.follows_services:
                    connection.send(EventLine(connection.follows, raw))

    def _await(self, connection: Connection, operation_id: str) -> None:
        connection.waits_for.add(operation_id)
        waiting = self._waiting.setdefault(operation_id, set())
        waiting.add(connection)
        waiting -= {c for c in waiting if c.is_closed}


def is_ok(operation: Operation) -> bool:
    """Whether everything that was asked for was done."""
    is_complete = len(operation.outcomes.keys() & operation.tasks.keys()) == len(operation.tasks)
    is_done = is_complete and not operation.is_failed and all(o.is_ok for o in operation.outcomes.values())
    return is_done and not operation.refused


def _outcomes_of_refused(names: tuple[str, ...]) -> tuple[TargetOutcome, ...]:
    return tuple(
        TargetOutcome(name, False, "refused: its `remote` in conf.d does not allow it from afar") for name in names
    )


def _done(operation: Operation, name: str) -> str:
    """What was done to one of several that met with different things: of a scale one sees it nowhere else."""
    if operation.verb != "scale" or not operation.outcomes[name].is_ok:
        return ""
    return {"start": "started", "stop": "stopped", "restart": "restarted"}.get(operation.tasks[name].verb, "")


def result_of(operation: Operation) -> msgspec.Raw:
    outcomes = operation.outcomes
    results = tuple(
        TargetOutcome(name, outcomes[name].is_ok, outcomes[name].text or _done(operation, name))
        for name in operation.tasks
        if name in outcomes
    )
    refused = _outcomes_of_refused(operation.refused)
    result = OperationResult(
        operation=operation.id,
        verb=operation.verb,
        ok=is_ok(operation),
        results=results + refused,
        note=operation.note,
    )
    return msgspec.Raw(msgspec.json.encode(result))
