"""Questions about the site, by machines: what they are told fits into a stanza."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any

import pytest

from amonsup.config.roles import Role
from amonsup.control.core.records import Asked
from amonsup.control.doors.queries import Queries
from amonsup.control.xmpp import stanzas

HARD_CAP = 64 * 1024


@pytest.mark.parametrize(("many", "are_all"), [(50, True), (5000, False)])
def test_a_list_of_services_is_one_stanza_that_passes(many: int, *, are_all: bool) -> None:
    names = [f"{number:04}".ljust(63, "x") for number in range(many)]
    rows = {name: SimpleNamespace(name=name, state="unhealthy") for name in names}
    desk: Any = SimpleNamespace(role_of=lambda _jid: Role.VIEWER, mirror=SimpleNamespace(rows=rows))
    sent: list[ET.Element] = []
    speaker: Any = SimpleNamespace(jid="gsi@x.org/amonsup", send=lambda stanza, *_: sent.append(stanza))
    question = ET.Element(f"{{{stanzas.DISCO_ITEMS}}}query")
    assert Queries(desk).asked(speaker, Asked("viewer@x.org/phone", "1", "get", question))
    listed = [item.get("node", "") for item in sent[0].iter(f"{{{stanzas.DISCO_ITEMS}}}item")]
    assert listed == [f"service/{name}" for name in names][: len(listed)]
    assert (len(listed) == many) is are_all
    assert len(ET.tostring(sent[0])) < HARD_CAP
