"""Whom a command from afar may concern: each service has its own ceiling, also where one name stands for many."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from amonsup.config.instances import Scaled, expand
from amonsup.config.specs import Fleet as Specs
from amonsup.config.specs import Role, ServiceSpec
from amonsup.loop.loop import Timer
from amonsup.supervisor.access import Access, Identity
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.handlers.desk import Refusal
from amonsup.verbs import load
from amonsup.wire.messages import Caller


def service(name: str, **fields: Any) -> ServiceSpec:
    return ServiceSpec(name=name, command=("x",), tags=("all-of-them",), **fields)


SERVICES = (
    service("open"),
    service("ce", scale=2),
    service("none", scale=0),
    service("secret", remote=Role.NONE),
    service("shut", scale=2, remote=Role.VIEWER),
)


@pytest.fixture
def access() -> Access:
    scaled: dict[str, Scaled] = {}
    desk = SimpleNamespace(
        fleet=Fleet(expand(SERVICES, scaled)),
        applied=lambda: SimpleNamespace(fleet=Specs(services=SERVICES)),
        scaled=lambda: scaled,
        now=lambda: 0.0,
    )
    return Access(desk, "/nonexistent", lambda _at, _call: Timer(0.0, None))  # type: ignore[arg-type]


def narrow(access: Access, name: str, **args: Any) -> Any:
    verb = load(name)
    assert verb is not None
    who = Identity("bob@x.org", "chat", Role.OPERATOR, Caller(jid="bob@x.org/phone", via="chat"))
    arguments = verb.arguments(**args)
    found = access.narrow(verb, who, arguments)
    if isinstance(found, Refusal):
        return found.code
    narrowed, refused = found
    return getattr(narrowed, "services", None) or (narrowed if narrowed != arguments else "as said"), refused


def test_instances_are_asked_one_by_one(access: Access) -> None:
    assert narrow(access, "restart", services=("ce",)) == (("ce-1", "ce-2"), ())
    assert narrow(access, "restart", services=("all",)) == (("open", "ce-1", "ce-2"), ("secret", "shut-1", "shut-2"))
    assert narrow(access, "restart", services=("shut",)) == "forbidden"


def test_no_instance_never_means_everybody(access: Access) -> None:
    assert narrow(access, "status", services=("none",)) == (("none",), ())
    assert narrow(access, "show", service="none") == ("as said", ())


def test_a_hold_of_many_is_all_or_nothing(access: Access) -> None:
    assert narrow(access, "hold", service="ce", duration="1h") == ("as said", ())
    assert narrow(access, "hold", service="@all-of-them", duration="1h") == "forbidden"
    assert narrow(access, "hold", service="shut", duration="1h") == "forbidden"


def test_scale_is_held_to_the_ceiling_of_what_it_scales(access: Access) -> None:
    assert narrow(access, "scale", scales=("ce=3", "none=1")) == ("as said", ())
    assert narrow(access, "scale", scales=("shut=0",)) == "forbidden"
    assert narrow(access, "scale", scales=("ce=3", "shut=0")) == "forbidden"
