"""Who may what, and what is answered: the conversation with one client, without a socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from amonsup.cli.plain import render
from amonsup.config.specs import AccessRule, Role
from amonsup.config.specs import Fleet as Specs
from amonsup.config.xmpp_specs import RemoteRule, XmppSpec
from amonsup.loop.loop import Timer
from amonsup.supervisor import household
from amonsup.supervisor.access import Access, role_of
from amonsup.supervisor.adapters.server import Peer
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.handlers import tree
from amonsup.supervisor.model.records import Operation, Outcome, Task
from amonsup.supervisor.requests import MAX_WAITING_PER_CLIENT, Requests, result_of
from amonsup.verbs import NAMES, load
from amonsup.verbs import outcome as outcome_words
from amonsup.verbs.results import Happening, OperationResult
from amonsup.verbs.verb import Kind
from amonsup.wire.messages import Accepted, Answer, Caller, EventLine, Finished, Refused, Request
from tests.support.playbook import service

OWN_UID = 500
RULES = (
    AccessRule(Role.VIEWER, user="bob"),
    AccessRule(Role.OPERATOR, group="operators"),
    AccessRule(Role.READER, user="1003"),
    AccessRule(Role.ADMIN, group="wheel"),
)


def a_peer(uid: int, name: str, *groups: str) -> Peer:
    return Peer(1, uid, name, frozenset(groups))


@pytest.mark.parametrize(
    ("peer", "role"),
    [
        (a_peer(0, "root"), Role.ADMIN),
        (a_peer(OWN_UID, "amonsup"), Role.ADMIN),
        (a_peer(1001, "bob"), Role.VIEWER),
        (a_peer(1001, "bob", "operators"), Role.OPERATOR),
        (a_peer(1001, "bob", "operators", "wheel"), Role.ADMIN),
        (a_peer(1002, "eve"), Role.NONE),
        (a_peer(1002, "operators"), Role.NONE),
        (a_peer(1003, "uid 1003"), Role.READER),
        (a_peer(1004, ""), Role.NONE),
        (a_peer(1004, "mallory", "bob", ""), Role.NONE),
    ],
)
def test_a_role_comes_from_the_peers_credentials(peer: Peer, role: Role) -> None:
    assert role_of(peer, RULES, OWN_UID) is role


def test_by_default_nobody_else_is_anything() -> None:
    assert role_of(a_peer(1001, "bob", "wheel"), (), OWN_UID) is Role.NONE


class FakeConnection:
    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.sent: list[Any] = []
        self.waits_for: set[str] = set()
        self.follows = ""
        self.follows_services: tuple[str, ...] = ()
        self.is_closed = False

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def last(self) -> Any:
        return self.sent[-1]


class FakeDesk:
    def __init__(self) -> None:
        self.fleet = Fleet([service("s")])
        self.household = Fleet([service("logger")])
        self.own_uid = OWN_UID
        self.site = SimpleNamespace(site="here")
        self.carried_out: list[Operation] = []
        self.requests: Requests
        self.xmpp: XmppSpec | None = None

    def applied(self) -> Any:
        return SimpleNamespace(
            site=SimpleNamespace(access=RULES, xmpp=self.xmpp, user="amonsup-xmpp", log_user="amonsup-log"),
            fleet=Specs(),
        )

    def is_our_own(self, pid: int) -> bool:
        return False

    def scaled(self) -> dict[str, Any]:
        return {}

    def own_processes(self) -> dict[str, Any]:
        return {}

    def now(self) -> float:
        return 1.0

    def carry_out(self, operation: Operation) -> None:
        self.carried_out.append(operation)
        self.fleet.operations.add(operation)
        self.requests.recorded(operation)


@pytest.fixture
def desk() -> FakeDesk:
    made = FakeDesk()
    access = Access(made, "/nonexistent", lambda _at, _call: Timer(0.0, None))  # type: ignore[arg-type]
    made.requests = Requests(made, "instance", access)  # type: ignore[arg-type]
    return made


@pytest.fixture
def root() -> FakeConnection:
    return FakeConnection(a_peer(0, "root"))


def ask(desk: FakeDesk, connection: FakeConnection, verb: str, id_: str = "r-1", **args: Any) -> Any:
    desk.requests.take(connection, Request(id_, verb, args))  # type: ignore[arg-type]
    return connection.sent[-1] if connection.sent else None


def finish(desk: FakeDesk, id_: str, is_ok: bool = True) -> Operation:
    operation = desk.fleet.operations.known[id_]
    for name in operation.tasks:
        desk.fleet.operations.settle(id_, name, Outcome(is_ok, "" if is_ok else "no"), 2.0)
    desk.requests.finished(operation)
    return operation


@pytest.mark.parametrize("verb", ["reboot", "", "check", "schema", "../desk", "desk", "x" * 500, "\x1b[2J"])
def test_an_unknown_verb_is_refused_with_those_known(desk: FakeDesk, root: FakeConnection, verb: str) -> None:
    refused = ask(desk, root, verb)
    assert isinstance(refused, Refused)
    assert refused.code == "unknown-verb"
    assert "status" in refused.text
    assert refused.text.isprintable()


REMOTE = [name for name in NAMES if (verb := load(name)) is not None and verb.kind is not Kind.LOCAL]


@pytest.mark.parametrize("verb", REMOTE)
def test_a_stranger_may_nothing(desk: FakeDesk, verb: str) -> None:
    stranger = FakeConnection(a_peer(1002, "eve"))
    assert ask(desk, stranger, verb).code == "forbidden"
    assert desk.carried_out == []


def test_a_viewer_may_look_and_not_touch(desk: FakeDesk) -> None:
    bob = FakeConnection(a_peer(1001, "bob"))
    assert isinstance(ask(desk, bob, "tree"), Answer)
    assert ask(desk, bob, "stop", services=["s"]).code == "forbidden"
    assert "bob has viewer" in bob.last().text


def test_a_command_is_accepted_once_it_is_on_record_and_finished_when_it_is_over(
    desk: FakeDesk, root: FakeConnection
) -> None:
    assert ask(desk, root, "stop", services=["s"]) == Accepted("r-1", ("s",))
    assert [task.by for task in desk.carried_out[0].tasks.values()] == ["root (uid 0)"]
    finish(desk, "r-1")
    assert isinstance(root.last(), Finished)
    assert msgspec.json.decode(root.last().result)["ok"] is True
    assert root.waits_for == set()


def test_the_same_id_attaches_and_does_nothing_again(desk: FakeDesk, root: FakeConnection) -> None:
    ask(desk, root, "restart", services=["s"])
    other = FakeConnection(a_peer(0, "root"))
    assert ask(desk, other, "restart", services=["s"]) == Accepted("r-1", ("s",))
    assert len(desk.carried_out) == 1
    finish(desk, "r-1")
    assert isinstance(root.last(), Finished)
    assert isinstance(other.last(), Finished)
    late = FakeConnection(a_peer(0, "root"))
    ask(desk, late, "restart", services=["s"])
    assert [type(message) for message in late.sent] == [Accepted, Finished]
    assert len(desk.carried_out) == 1


def test_who_may_not_command_may_not_attach_either(desk: FakeDesk, root: FakeConnection) -> None:
    ask(desk, root, "stop", services=["s"])
    bob = FakeConnection(a_peer(1001, "bob"))
    assert ask(desk, bob, "stop", services=["s"]).code == "forbidden"


def test_from_afar_a_request_of_somebody_else_is_not_attached_to(desk: FakeDesk, root: FakeConnection) -> None:
    """What a request may concern was weighed for who gave it; its owner may ask again, over another supervisor too."""
    anybody = RemoteRule(role=Role.OPERATOR, domain="x.org")
    desk.xmpp = XmppSpec(access=(anybody,))
    control = FakeConnection(Peer(1, -1, "control", frozenset(), is_control=True))

    def ask_as(jid: str, id_: str) -> Any:
        request = Request(id_, "stop", {"services": ["s"]}, Caller(jid, "chat"))  # type: ignore[arg-type]
        desk.requests.take(control, request)  # type: ignore[arg-type]
        return control.last()

    ask(desk, root, "stop", "locally", services=["s"])
    assert ask_as("bob@x.org/phone", "locally").code == "forbidden"
    assert isinstance(ask_as("bob@x.org/phone", "from-afar"), Accepted)
    assert ask_as("eve@x.org/phone", "from-afar").code == "forbidden"
    assert isinstance(ask_as("bob@x.org/desk", "from-afar"), Accepted)
    assert len(desk.carried_out) == 2


@pytest.mark.parametrize(
    ("granted", "ceiling", "says"),
    [
        (Role.OPERATOR, Role.OPERATOR, "bob@x.org has operator; roles are given in amonsup.yaml, xmpp.access:"),
        (Role.OPERATOR, Role.ADMIN, "bob@x.org has operator; roles are given in amonsup.yaml, xmpp.access:"),
        (Role.ADMIN, Role.OPERATOR, "nobody has more than operator: `xmpp.remote: admin` in amonsup.yaml would"),
    ],
)
def test_what_limits_somebody_from_afar_is_what_is_named(
    desk: FakeDesk, granted: Role, ceiling: Role, says: str
) -> None:
    desk.xmpp = XmppSpec(access=(RemoteRule(role=granted, domain="x.org"),), remote=ceiling)
    control = FakeConnection(Peer(1, -1, "control", frozenset(), is_control=True))
    asks: Any = (control, Request("r-1", "apply", {}, Caller("bob@x.org/phone", "chat")))
    desk.requests.take(*asks)
    assert says in control.last().text


def test_wrong_arguments_are_named(desk: FakeDesk, root: FakeConnection) -> None:
    refused = ask(desk, root, "stop", services="s")
    assert (refused.code, desk.carried_out) == ("bad-request", [])
    assert "stop: " in refused.text
    assert "services" in refused.text


def test_a_client_waits_for_a_bounded_number_of_commands(desk: FakeDesk, root: FakeConnection) -> None:
    for number in range(MAX_WAITING_PER_CLIENT):
        ask(desk, root, "stop", f"r-{number}", services=["s"])
    assert ask(desk, root, "stop", "one-more", services=["s"]).code == "busy"
    assert isinstance(ask(desk, root, "tree", "a-question"), Answer), "what is not waited for goes on"
    finish(desk, "r-0")
    assert isinstance(ask(desk, root, "stop", "one-more", services=["s"]), Accepted)


def test_a_handler_that_throws_is_one_refusal(
    desk: FakeDesk, root: FakeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "handle", lambda _desk, _call: 1 / 0)
    refused = ask(desk, root, "tree")
    assert refused == Refused("r-1", "failed", "internal error in tree: ZeroDivisionError: division by zero")
    monkeypatch.undo()
    assert isinstance(ask(desk, root, "tree"), Answer)


def test_a_follower_hears_of_the_services_it_asked_for(desk: FakeDesk, root: FakeConnection) -> None:
    desk.requests._open["r-1"] = root  # type: ignore[assignment]
    desk.requests.follow(SimpleNamespace(id="r-1"), ("s",))  # type: ignore[arg-type]
    desk.requests.happened([Happening(1, "t", "exited", "s"), Happening(2, "t", "exited", "other")])
    assert [type(message) for message in root.sent] == [EventLine]
    root.is_closed = True
    desk.requests.happened([Happening(3, "t", "exited", "s")])
    assert len(root.sent) == 1


def test_a_result_is_ok_only_if_everybody_is() -> None:
    tasks = {name: Task("op", "stop", "a") for name in ("a", "b")}

    def ok(outcomes: dict[str, Outcome], **fields: Any) -> bool:
        record = Operation(
            id="op", verb="stop", by="a", accepted=0.0, targets=("a", "b"), tasks=tasks, outcomes=outcomes, **fields
        )
        return bool(msgspec.json.decode(result_of(record))["ok"])

    assert ok({"a": Outcome(True), "b": Outcome(True)})
    assert not ok({"a": Outcome(True), "b": Outcome(False)})
    assert not ok({"a": Outcome(True)})
    assert not ok({"a": Outcome(True), "b": Outcome(True)}, is_failed=True)


def test_of_a_scale_each_is_said_to_be_started_or_stopped() -> None:
    tasks = {"ce-2": Task("op", "stop", "a"), "ce-3": Task("op", "start", "a"), "ce-4": Task("op", "start", "a")}
    outcomes = {"ce-2": Outcome(True), "ce-3": Outcome(True), "ce-4": Outcome(False, "no such file")}
    record = Operation(
        id="op", verb="scale", by="a", accepted=0.0, targets=tuple(tasks), tasks=tasks, outcomes=outcomes
    )
    result = msgspec.json.decode(result_of(record), type=OperationResult)
    assert render(outcome_words.page(result)) == "ce-2: stopped\nce-3: started\nce-4: failed: no such file\n"


def test_our_own_unprivileged_users_are_nobody(desk: FakeDesk) -> None:
    """Whatever `access:` says: a child of a control that was taken over has another pid, but not another user."""
    access = Access(desk, "/nonexistent", lambda _at, _call: Timer(0.0, None))  # type: ignore[arg-type]
    for name in ("amonsup-xmpp", "amonsup-log"):
        assert access.role_of_peer(a_peer(1009, name, "wheel")) is Role.NONE
    assert access.role_of_peer(a_peer(1009, "other", "wheel")) is Role.ADMIN


# ---- what stands in the audit log ----------------------------------------------------------------------------------


class Recorded:
    """In place of the file."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str]] = []

    def append(self, kind: str, by: str, at: str, *, verb: str = "", text: str = "", **_rest: Any) -> None:
        self.entries.append((kind, verb, text))


@pytest.fixture
def recorded(desk: FakeDesk) -> Recorded:
    access: Any = desk.requests._access
    access.audit = made = Recorded()
    return made


def test_a_command_that_is_refused_does_not_look_like_one_that_was_done(
    desk: FakeDesk, root: FakeConnection, recorded: Recorded
) -> None:
    assert ask(desk, root, "signal", "r-1", signal="FOO", services=["s"]).code == "bad-request"
    assert ask(desk, root, "start", "r-2", services=["nope"]).code == "unknown-service"
    assert [entry[:2] for entry in recorded.entries] == [
        ("command", "signal"),
        ("finished", "signal"),
        ("command", "start"),
        ("finished", "start"),
    ]
    assert recorded.entries[0][2] == "signal=FOO"
    assert recorded.entries[1][2].startswith("refused: 'FOO' is no signal")
    assert recorded.entries[3][2].startswith("refused: there is no service 'nope'")


def test_an_operation_has_one_end_and_its_arguments(desk: FakeDesk, root: FakeConnection, recorded: Recorded) -> None:
    ask(desk, root, "restart", services=["s"], force=True)
    assert recorded.entries == [("command", "restart", "--force")]
    finish(desk, "r-1", is_ok=False)
    assert recorded.entries[1:] == [("finished", "restart", "failed: s: no")]


def test_what_an_apply_does_to_our_own_processes_is_the_apply_s_and_no_command_of_its_own(
    desk: FakeDesk, recorded: Recorded
) -> None:
    """So that show control does not say that a boot has restarted it."""
    operation = household.operation("restart", ["control"], 1.0, household.APPLY)
    assert [task.by for task in operation.tasks.values()] == ["apply"]
    desk.requests.finished(operation)
    assert recorded.entries == []


def test_what_only_looks_is_no_command(desk: FakeDesk, root: FakeConnection, recorded: Recorded) -> None:
    ask(desk, root, "tree")
    assert recorded.entries == []


def test_a_handler_that_throws_is_the_end_of_its_command(
    desk: FakeDesk, root: FakeConnection, recorded: Recorded
) -> None:
    ask(desk, root, "signal", signal="HUP", services=["s"])  # the fake has no lives to signal
    assert [entry[0] for entry in recorded.entries] == ["command", "finished"]
