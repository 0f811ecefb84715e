"""Rooms and incidents as state machines: what the server says in, what to do out."""

from __future__ import annotations

import pytest

from amonsup.control.core.incidents import STEADY_S, Incidents, digest
from amonsup.control.core.records import Seen
from amonsup.control.core.room import MOST_NICKS, Room, Step
from amonsup.verbs.results import ExitRow, Happening, StatusRow

JID = "fleet@rooms.x.org"
RIGHT = frozenset({"muc_nonanonymous", "muc_membersonly", "muc_persistent"})


def a_seen(nick: str, *codes: str, **fields: str) -> Seen:
    return Seen(f"{JID}/{nick}", codes=frozenset(codes), **fields)  # type: ignore[arg-type]


def joined() -> Room:
    room = Room(JID, "gsi")
    assert (
        room.seen(a_seen("admin", real_jid="admin@x.org/phone", affiliation="owner", role="moderator")) is Step.NOTHING
    )
    assert room.seen(a_seen("gsi", "110", affiliation="member", role="participant")) is Step.CHECK
    return room


def test_joined_once_our_own_presence_is_there() -> None:
    room = joined()
    assert room.is_in
    assert not room.is_right, "not before it was looked at"
    assert room.standing("admin@x.org") == ""
    room.checked(RIGHT)
    assert room.standing("admin@x.org") == "owner"
    assert room.standing("eve@x.org") == ""
    assert room.moderators() == ["admin@x.org/phone"]


@pytest.mark.parametrize("lacking", sorted(RIGHT))
def test_a_room_that_lacks_anything_grants_nothing(lacking: str) -> None:
    room = joined()
    room.checked(RIGHT - {lacking})
    assert room.standing("admin@x.org") == ""
    assert "only alerts go there" in room.trouble


def test_a_room_that_our_joining_made_is_destroyed() -> None:
    room = Room(JID, "gsi")
    assert room.seen(a_seen("gsi", "110", "201")) is Step.DESTROY
    assert not room.is_in
    room.seen(a_seen("gsi", "110", kind="unavailable"))  # its end is no news
    assert "amonsup room create" in room.trouble


@pytest.mark.parametrize(
    ("condition", "is_out"),
    [
        ("not-acceptable", True),
        ("item-not-found", True),
        ("not-allowed", True),
        ("service-unavailable", False),
        ("feature-not-implemented", False),
        ("remote-server-not-found", False),
        ("remote-server-timeout", False),
    ],
)
def test_what_an_answer_to_our_own_ping_says(condition: str, *, is_out: bool) -> None:
    assert joined().is_out(condition) is is_out


def test_a_taken_nick_is_tried_with_another_and_not_for_ever() -> None:
    room = Room(JID, "gsi")
    refusal = a_seen("gsi", kind="error", condition="conflict")
    steps = [room.seen(refusal) for _ in range(MOST_NICKS + 1)]
    assert steps == [Step.RENAME] * MOST_NICKS + [Step.GIVE_UP]
    assert room.nick == "gsi" + "_" * MOST_NICKS


def test_thrown_out_is_out() -> None:
    room = joined()
    room.checked(RIGHT)
    room.seen(a_seen("gsi", "110", "307", kind="unavailable"))
    assert not room.is_in
    assert room.trouble == "thrown out of the room"
    assert room.standing("admin@x.org") == ""


def test_who_left_stands_nowhere() -> None:
    room = joined()
    room.checked(RIGHT)
    room.seen(a_seen("admin", kind="unavailable"))
    assert room.standing("admin@x.org") == ""


def test_a_spoofed_nick_is_nobody() -> None:
    room = joined()
    room.checked(RIGHT)
    room.seen(a_seen("admin@x.org", real_jid="eve@x.org/1", affiliation="none", role="visitor"))
    assert room.standing("eve@x.org") == "none"
    assert Room(JID, "gsi").seen(Seen("other@rooms.x.org/gsi", codes=frozenset({"110"}))) is Step.NOTHING


# ---- incidents ------------------------------------------------------------------------------------------------------


def an_event(kind: str, text: str = "exit 1", by: str = "", service: str = "ce", *, ok: bool = False) -> Happening:
    return Happening(1, "2026-11-23T12:00:00.000Z", kind, service, text, by, ok=ok)


def rows(**states: str) -> dict[str, StatusRow]:
    return {name: StatusRow(name, state, 1, 1.0, 0, None, None) for name, state in states.items()}


def test_one_incident_from_the_first_failure_until_it_was_well_for_a_while() -> None:
    incidents = Incidents("a")
    first = incidents.happened(an_event("exited"))
    assert first is not None
    assert incidents.happened(an_event("exited", "exit 2")) is first
    assert first.count == 2
    assert incidents.look(rows(ce="running"), now=10.0) == ([], STEADY_S)
    assert incidents.look(rows(ce="backoff"), now=20.0) == ([], None)
    assert incidents.look(rows(ce="running"), now=30.0) == ([], STEADY_S)
    resolved, again = incidents.look(rows(ce="running"), now=30.0 + STEADY_S)
    assert (resolved, again) == ([first], None)
    assert first.is_resolved
    assert incidents.happened(an_event("exited")) is not first


@pytest.mark.parametrize(
    "event",
    [
        an_event("exited", "killed by SIGTERM (stopped by admin)", by="admin"),
        an_event("exited", "exit 3", ok=True),
        an_event("running"),
        an_event("fatal", service=""),
    ],
)
def test_what_is_no_incident(event: Happening) -> None:
    assert Incidents("a").happened(event) is None


def test_a_service_that_somebody_stopped_or_removed_is_no_incident_any_more() -> None:
    incidents = Incidents("a")
    incidents.happened(an_event("fatal"))
    incidents.happened(an_event("fatal", service="db"))
    assert incidents.look(rows(ce="fatal", db="fatal"), now=1.0) == ([], None)
    resolved, _ = incidents.look(rows(ce="stopped"), now=2.0)
    assert {each.service for each in resolved} == {"ce", "db"}


def test_of_a_process_of_our_own_the_event_is_all_that_there_is() -> None:
    """It stands in no list of services: nobody would see it well again."""
    incidents = Incidents("a")
    incident = incidents.happened(an_event("exited", "killed by SIGKILL", service="control"))
    assert incident is not None
    assert incidents.look(rows(ce="running"), now=1.0) == ([], None)
    assert not incidents.open
    assert incident.words("gsi", None, (), ()) == "gsi: control exited: killed by SIGKILL"


def test_an_end_that_counts_as_success_is_well() -> None:
    row = StatusRow("ce", "exited", None, None, 0, None, ExitRow(3, None, core=False, reason="exit 3", at="", ok=True))
    incidents = Incidents("a")
    assert incidents.found(row, "2026-11-23T12:00:00Z") is None
    incidents.happened(an_event("unhealthy"))
    assert incidents.look({"ce": row}, now=1.0)[0]


def test_the_words_say_the_state_the_cause_and_what_hangs_on_it() -> None:
    incidents = Incidents("a")
    incident = incidents.happened(an_event("exited"))
    assert incident is not None
    text = incident.words("gsi", rows(ce="backoff")["ce"], ("web",), ("one", "two", "three", "four"))
    assert text.splitlines() == ["gsi: ce backoff: exit 1", "needed by web", "| two", "| three", "| four"]


def test_a_digest_names_the_first_of_them() -> None:
    incidents = Incidents("a")
    found = [incidents.happened(an_event("fatal", service=f"s{number}")) for number in range(25)]
    text = digest("gsi", [each for each in found if each is not None])
    assert text.startswith("gsi: 25 incidents\ns0 exit 1\n")
    assert text.endswith("… and 5 more")


def test_a_digest_tells_what_is_over_from_what_is_not() -> None:
    incidents = Incidents("a")
    found = [incidents.happened(an_event("fatal", service=name)) for name in ("a", "b")]
    incidents.look(rows(a="fatal", b="fatal"), now=0.0)
    incidents.look(rows(a="stopped", b="fatal"), now=1.0)
    assert digest("gsi", [each for each in found if each]) == "gsi: 1 incident, 1 over\na stopped\nb exit 1"


@pytest.mark.parametrize(
    ("state", "told"),
    [("stopped", "gsi: ce stopped (2 times), after exit 2"), ("", "gsi: ce removed (2 times), after exit 2")],
)
def test_who_stops_or_removes_a_service_does_not_make_it_well(state: str, told: str) -> None:
    incidents = Incidents("a")
    incidents.happened(an_event("exited"))
    incidents.happened(an_event("exited", "exit 2"))
    incidents.look(rows(ce="fatal"), now=0.0)
    (over,) = incidents.look(rows(ce=state) if state else {}, now=1.0)[0]
    assert over.words("gsi", None, (), ()) == told


def test_what_stands_badly_when_we_begin_is_an_incident() -> None:
    incidents = Incidents("a")
    bad = StatusRow("ce", "fatal", None, None, 3, None, None)
    assert incidents.found(bad, "2026-11-23T12:00:00Z") is not None
    assert incidents.found(StatusRow("db", "running", 1, 1.0, 0, None, None), "") is None
    assert incidents.found(StatusRow("cron", "exited", None, None, 0, None, None), "") is None
    assert list(incidents.open) == ["ce"]
