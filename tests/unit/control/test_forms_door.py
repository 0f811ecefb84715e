"""Ad-hoc commands, step by step, as a client sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from amonsup.config.roles import Role
from amonsup.control.core.records import Asked
from amonsup.control.doors.forms import Forms
from amonsup.control.xmpp import stanzas
from amonsup.verbs.results import OperationResult, PlanResult, StatusResult, TargetOutcome
from amonsup.wire.messages import Answer, Caller, Finished, Refused

Reply = Answer | Finished | Refused


class Client:
    """A person with a client, and a site whose supervisor answers `replies` in turn."""

    def __init__(self, role: Role, *replies: Reply) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._replies = list(replies)
        self._sent: list[Element] = []
        self._tasks: list[asyncio.Task[None]] = []
        desk: Any = SimpleNamespace(
            role_of=lambda _: role,
            caller=Caller,
            serve=self._serve,
            turned_away=lambda *_: None,
            mirror=SimpleNamespace(rows={"ce": None, "db": None}),
            supervisor=SimpleNamespace(request=self._request),
        )
        self._speaker: Any = SimpleNamespace(jid="gsi@x.org/amonsup", send=lambda stanza, *_: self._sent.append(stanza))
        self._door = Forms(desk)

    def step(self, node: str, values: dict[str, str] | None = None) -> Element:
        """The stanza that answers a step; with `values` the form of the step before is sent."""
        return asyncio.run(self._step(node, values))

    async def _step(self, node: str, values: dict[str, str] | None) -> Element:
        key = "" if values is None else command(self._sent[-1]).get("sessionid", "")
        payload = stanzas.element(stanzas.COMMANDS, "command", node=node, sessionid=key)
        form = stanzas.element(stanzas.FORMS, "x", payload, type="submit")
        for var, value in (values or {}).items():
            field = stanzas.element(stanzas.FORMS, "field", form, var=var)
            stanzas.element(stanzas.FORMS, "value", field, value)
        assert self._door.asked(self._speaker, Asked("bob@x.org/phone", "1", "set", payload))
        await asyncio.gather(*self._tasks)
        self._tasks.clear()
        return self._sent[-1]

    def _serve(self, _who: str, coroutine: Coroutine[Any, Any, None]) -> bool:
        self._tasks.append(asyncio.get_running_loop().create_task(coroutine))
        return True

    async def _request(self, verb: str, args: dict[str, Any], _caller: Caller, **_: Any) -> Reply:
        self.requests.append((verb, args))
        return self._replies.pop(0)


def command(stanza: Element) -> Element:
    found = stanza.find(f"{{{stanzas.COMMANDS}}}command")
    assert found is not None
    return found


def note(stanza: Element) -> tuple[str, str]:
    """Type and text."""
    found = command(stanza).find(f"{{{stanzas.COMMANDS}}}note")
    assert found is not None
    return found.get("type", ""), found.text or ""


def error(stanza: Element) -> tuple[str, str]:
    """Condition and text."""
    found = stanza.find(f"{{{stanzas.CLIENT}}}error")
    return stanzas.condition(found), stanza.findtext(f".//{{{stanzas.STANZA_ERRORS}}}text") or ""


def field(stanza: Element, var: str) -> Element:
    return next(each for each in stanza.iter(f"{{{stanzas.FORMS}}}field") if each.get("var") == var)


def raw(result: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(result))


def test_the_first_click_on_apply_asks_and_the_second_shows_the_plan() -> None:
    client = Client(Role.ADMIN, Answer("1", raw(PlanResult(()))))
    form = client.step("apply")
    assert client.requests == []
    assert command(form).get("status") == "executing"
    assert field(form, "dry_run").findtext(f"{{{stanzas.FORMS}}}value") == "1"
    assert note(client.step("apply", {})) == ("info", "nothing to change")
    assert client.requests == [("apply", {"dry_run": True})]


def test_what_only_looks_is_answered_at_once() -> None:
    client = Client(Role.VIEWER, Answer("1", raw(StatusResult("gsi", ()))))
    assert note(client.step("status")) == ("info", "no services")


def test_an_apply_is_carried_out_when_the_tick_is_taken_away() -> None:
    result = OperationResult("1", "apply", True, (TargetOutcome("ce", True),))
    client = Client(Role.ADMIN, Finished("1", raw(result)))
    client.step("apply")
    assert note(client.step("apply", {"dry_run": "0"})) == ("info", "done: apply ce")
    assert client.requests == [("apply", {"dry_run": False})]


def test_a_refusal_by_the_site_is_an_error() -> None:
    client = Client(Role.OPERATOR, Refused("1", "bad-request", "hold: no duration"))
    client.step("hold")
    done = client.step("hold", {"service": "ce", "duration": "soon"})
    assert note(done) == ("error", "bad-request: hold: no duration")
    assert command(done).get("status") == "completed"


def test_who_is_turned_down_is_told_why() -> None:
    client = Client(Role.VIEWER, Refused("1", "forbidden", "no"))
    assert error(client.step("restart")) == ("forbidden", "restart needs the role operator; yours is viewer")
    assert error(client.step("restrat")) == ("item-not-found", "I do not know 'restrat'; did you mean 'restart'?")


def test_a_stranger_is_told_nothing() -> None:
    client = Client(Role.NONE, Refused("1", "forbidden", "no"))
    assert error(client.step("restart")) == error(client.step("restrat")) == ("service-unavailable", "")
