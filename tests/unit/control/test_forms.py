"""Forms out of the verbs' declarations, their sessions, and bounds on what a server may send."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.config.roles import Role
from amonsup.control.core import chatline, forms
from amonsup.control.xmpp import stanzas
from amonsup.control.xmpp.guard import MAX_DEPTH, MAX_STANZA, Guard, HostileError
from amonsup.verbs import load
from amonsup.verbs.verb import Kind

HEADER = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def test_a_form_is_made_of_the_declaration() -> None:
    verb = load("restart")
    assert verb is not None
    found = {field.var: field for field in forms.fields(verb, ("ce", "db"))}
    assert found["services"].options == ("all", "ce", "db")
    assert found["services"].is_required
    assert found["kill"].kind == "boolean"


@pytest.mark.parametrize("name", chatline.VERBS)
def test_every_verb_of_the_menu_can_be_asked_for(name: str) -> None:
    verb = load(name)
    assert verb is not None
    for field in forms.fields(verb, ("ce",)):
        assert field.var not in forms.HIDDEN


def test_what_was_filled_in_becomes_arguments() -> None:
    verb = load("restart")
    assert verb is not None
    assert forms.arguments(verb, {"services": ["ce", " "], "kill": ["1"]}) == {"services": ["ce"], "kill": True}
    assert isinstance(forms.arguments(verb, {"kill": ["1"]}), str)
    events = load("events")
    assert events is not None
    assert isinstance(forms.arguments(events, {"lines": ["many"]}), str)


def test_labels_are_for_who_sees_a_form() -> None:
    labels = {}
    for name in chatline.VERBS:
        verb = load(name)
        assert verb is not None
        for field in forms.fields(verb, ("ce",)):
            assert field.label, (name, field.var)
            assert not re.search(r"(^|\s)--?[a-z]|TAG|Ctrl", field.label), (name, field.label)
            labels[name, field.var] = field.label
    assert labels["restart", "services"] == "services, or all of them"
    assert labels["hold", "service"] == "service"
    assert labels["logs", "lines"] == "the last N of each log; 40 are shown at most"
    logs = load("logs")
    assert logs is not None
    assert forms.arguments(logs, {}) == "services is missing"


@pytest.mark.parametrize("name", chatline.VERBS)
def test_the_first_click_only_looks(name: str) -> None:
    verb = load(name)
    assert verb is not None
    if verb.kind is Kind.OPERATION or verb.role >= Role.OPERATOR:
        assert forms.needs_form(verb)
    assert forms.needs_form(verb) is (name not in ("status", "events", "tree"))


def test_a_form_begins_with_the_dry_run() -> None:
    verb = load("apply")
    assert verb is not None
    (field,) = forms.fields(verb, ())
    assert (field.var, field.kind, field.is_ticked) == ("dry_run", "boolean", True)
    assert forms.arguments(verb, {"dry_run": ["0"]}) == {"dry_run": False}
    assert forms.arguments(verb, {"dry_run": ["1"]}) == {"dry_run": True}
    assert forms.arguments(verb, {}) == {"dry_run": True}, "a client that shows no form must not apply"


def test_a_form_belongs_to_whoever_opened_it() -> None:
    sessions = forms.Sessions()
    session = sessions.open("admin@x.org/phone", "restart", 0.0)
    assert session is not None
    for sender, verb in (
        ("eve@x.org/phone", "restart"),
        ("admin@x.org/laptop", "restart"),
        ("admin@x.org/phone", "stop"),
    ):
        assert sessions.take(session.id, sender, verb, 1.0) is None
    assert sessions.take(session.id, "admin@x.org/phone", "restart", 1.0) is session
    assert sessions.take(session.id, "admin@x.org/phone", "restart", 1.0) is None, "once"


def test_a_form_that_nobody_fills_in_closes_by_itself() -> None:
    sessions = forms.Sessions()
    assert sessions.has_room("a@x.org/1", 0.0)
    session = sessions.open("a@x.org/1", "restart", 0.0)
    assert session is not None
    assert sessions.take(session.id, "a@x.org/1", "restart", forms.TTL_S) is None
    assert len(sessions) == 0


def test_a_thousand_half_open_forms_are_few() -> None:
    sessions = forms.Sessions()
    for number in range(1000):
        sessions.open("eve@x.org/1", "restart", float(number) / 1000)
    assert len(sessions) == forms.MOST_PER_PERSON
    for number in range(1000):
        sessions.open(f"eve{number}@x.org/1", "restart", 1.0 + float(number) / 1000)
    assert len(sessions) == forms.MOST


# ---- the guard ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        b"<!DOCTYPE stream [<!ENTITY a 'aaaa'>]><stream/>",
        HEADER + b"<message><!-- hidden --></message>",
        HEADER + b"<?php evil ?>",
        HEADER + b"<a>" * MAX_DEPTH,
        HEADER + b"<message><body>" + b"x" * MAX_STANZA + b"</body></message>",
        HEADER + b"<message><body>" + b"x" * MAX_STANZA,
        HEADER + b"<message " + b" ".join(b"a%d='1'" % number for number in range(101)) + b"/>",
        HEADER + b"<message><body>&lol;</body></message>",
    ],
)
def test_what_no_server_needs_to_send_is_refused(hostile: bytes) -> None:
    with pytest.raises(HostileError):
        Guard().feed(hostile)


@given(st.lists(st.integers(min_value=1, max_value=2000), min_size=1, max_size=50))
def test_an_honest_stream_passes_however_it_is_cut(cuts: list[int]) -> None:
    stanza = b"<message from='a@x.org'><body>" + b"x" * 1000 + b"</body></message>"
    stream = HEADER + (stanza + b" \n ") * 40
    guard = Guard()
    at = 0
    for cut in cuts:
        guard.feed(stream[at : at + cut])
        at += cut
    guard.feed(stream[at:])


def test_years_of_keep_alives_are_no_stanza() -> None:
    guard = Guard()
    guard.feed(HEADER)
    for _ in range(10):
        guard.feed(b" " * (MAX_STANZA // 4))


def test_after_the_login_what_is_strange_is_named_and_ends_nothing() -> None:
    guard = Guard()
    guard.restart(is_logged_in=True)
    deep = b"<message>" + b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH + b"</message>"
    wide = b"<message " + b" ".join(b"a%d='1'" % number for number in range(101)) + b"/>"
    guard.feed(HEADER + b"<presence/>" + deep + b"<message><body>fine</body></message>" + wide)
    assert guard.strange == {1, 3}
    with pytest.raises(HostileError):
        guard.feed(b"<message><body>" + b"x" * MAX_STANZA)


def test_a_new_header_is_a_new_stream() -> None:
    guard = Guard()
    guard.feed(HEADER + b"<proceed/>")
    guard.restart()
    guard.feed(HEADER + b"<features/>")


# ---- stanzas --------------------------------------------------------------------------------------------------------


@given(st.text())
def test_whatever_a_service_wrote_can_be_sent(text: str) -> None:
    import xml.etree.ElementTree as ET

    made = stanzas.message("a@x.org", text)
    ET.fromstring(ET.tostring(made))


def test_a_message_that_is_too_long_is_cut_and_says_so() -> None:
    body = stanzas.message("a@x.org", "ü" * stanzas.LONGEST_OUT).findtext("{jabber:client}body") or ""
    assert len(body.encode()) <= stanzas.LONGEST_OUT
    assert body.endswith("ü\n… (cut)")


@pytest.mark.parametrize(
    ("stamp", "age"),
    [
        ("2026-11-23T12:00:00Z", 60.0),
        ("2026-11-23T12:00:30.500+00:00", 29.5),
        ("nonsense", float("inf")),
        ("", float("inf")),
    ],
)
def test_a_delay_has_an_age_and_an_unreadable_one_is_endless(stamp: str, age: float) -> None:
    from datetime import UTC, datetime
    from xml.etree.ElementTree import Element, SubElement

    xml = Element("{jabber:client}message", {"from": "A@X.org/Phone"})
    SubElement(xml, "{urn:xmpp:delay}delay", {"stamp": stamp})
    said = stanzas.said(xml, datetime(2026, 11, 23, 12, 1, 0, tzinfo=UTC).timestamp())
    assert said.age_s == age
    assert said.is_delayed
    assert said.sender == "a@x.org/Phone"
