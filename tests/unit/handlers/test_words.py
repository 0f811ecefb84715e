"""What people type, understood or refused: times, signals, names."""

from __future__ import annotations

import signal
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amonsup.config import own_processes
from amonsup.config.specs import Fleet as Specs
from amonsup.config.specs import Logging, ServiceSpec
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.handlers import start
from amonsup.supervisor.handlers.desk import Refusal, mutating, operation, select
from amonsup.supervisor.handlers.events import since_text
from amonsup.supervisor.handlers.show import LAST_LINES, last_lines
from amonsup.supervisor.handlers.signal import signal_number
from amonsup.supervisor.model.phases import Goal, Phase
from amonsup.supervisor.model.records import Operation
from amonsup.wire.messages import REFUSALS
from tests.support.playbook import service

settings.register_profile("ci", max_examples=200, deadline=None, database=None)
settings.load_profile("ci")


# ---- since ---------------------------------------------------------------------------------------------------------


WALL = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", ""),
        ("0s", "2026-01-02T03:04:05.000Z"),
        ("10m", "2026-01-02T02:54:05.000Z"),
        ("1h30m", "2026-01-02T01:34:05.000Z"),
        ("2h ago", "2026-01-02T01:04:05.000Z"),
        ("today", "2026-01-02T00:00:00.000Z"),
        ("02:30", "2026-01-02T02:30:00.000Z"),
        ("15:30", "2026-01-01T15:30:00.000Z"),
        ("2026-01-01", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T02:00:00.5+02:00", "2026-01-01T00:00:00.500Z"),
        ("999999999d", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_since_is_what_it_is_for_logs(text: str, moment: str) -> None:
    assert since_text(text, WALL) == moment


@given(st.datetimes().filter(lambda moment: 1900 < moment.year < 2200), st.integers(-14, 14))
def test_moments_compare_as_text(moment: datetime, offset: int) -> None:
    text = f"{moment.isoformat()}{offset:+03d}:00"
    found = since_text(text, WALL)
    assert found.endswith("Z")
    seconds = datetime.fromisoformat(text).timestamp() - datetime.fromisoformat(found).timestamp()
    assert 0 <= seconds < 0.0011


@given(st.text(max_size=40) | st.sampled_from(["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]))
def test_no_text_is_too_strange_for_since(text: str) -> None:
    with suppress(ValueError):
        found = since_text(text, WALL)
        assert not found or found.endswith("Z")


# ---- signals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("HUP", 1),
        ("SIGHUP", 1),
        ("sigterm", 15),
        ("usr1", 10),
        ("9", 9),
        ("64", 64),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("0", None),
        ("65", None),
        ("-9", None),
        ("1" * 5000, None),
        ("²", None),
        ("", None),
        ("SIG", None),
        ("SIG_DFL", None),
        ("SIGSIGHUP", None),
        ("ＨＵＰ", None),
    ],
)
def test_signals_by_name_or_number(text: str, number: int | None) -> None:
    assert signal_number(text) == number


@given(st.text(max_size=12))
def test_a_signal_is_one_or_none(text: str) -> None:
    number = signal_number(text)
    assert number is None or 1 <= number < signal.NSIG


@pytest.mark.parametrize("text", ["0001999", "00064000", "0001" + "9" * 5000])
def test_a_number_with_leading_zeros_is_looked_at_whole(text: str) -> None:
    assert signal_number(text) is None


# ---- names ---------------------------------------------------------------------------------------------------------


def a_desk(**own: Any) -> Any:
    fleet = Fleet(
        [
            service("db", tags=("store",)),
            service("ce", "db", tags=("grid", "store")),
            service("migrate", tags=("grid",)),
        ]
    )
    return SimpleNamespace(
        fleet=fleet,
        household=Fleet([service("logger")]),
        own_processes=lambda: {"supervisor": None, "guardian": None},
        now=lambda: 5.0,
        applied=lambda: SimpleNamespace(fleet=Specs()),
        scaled=dict,
        **own,
    )


def a_call(verb: str, *services: str) -> Any:
    args = SimpleNamespace(services=services, force=False)
    return SimpleNamespace(id="c-1", verb=verb, by="alice (uid 1)", refused=(), args=args)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("ce", "db"), ["db", "ce"]),
        (("ce", "ce", "@grid"), ["ce", "migrate"]),
        (("all",), ["db", "ce", "migrate"]),
        (("@store", "migrate"), ["db", "ce", "migrate"]),
        ((), []),
    ],
)
def test_names_come_in_configuration_order_each_once(words: tuple[str, ...], names: list[str]) -> None:
    assert select(a_desk(), words) == names


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("cee", "there is no service 'cee'; did you mean 'ce'?"),
        ("zzz", "there is no service 'zzz'; known: db, ce, migrate"),
        ("@tier1", "no service has the tag 'tier1'; tags: grid, store"),
        ("@", "no service has the tag ''; tags: grid, store"),
        ("\x1b[2J", "there is no service '?[2J'; known: db, ce, migrate"),
        ("", "there is no service ''; known: db, ce, migrate"),
        ("logger", own_processes.no_service("logger")),
        ("supervisor", own_processes.no_service("supervisor")),
        ("control", own_processes.no_service("control")),
    ],
)
def test_an_unknown_name_is_refused_and_the_nearest_named(word: str, says: str) -> None:
    refusal = select(a_desk(), ("db", word))
    assert isinstance(refusal, Refusal)
    assert refusal == Refusal("unknown-service", says)
    assert refusal.code in REFUSALS


def test_an_own_process_that_does_not_run_says_what_it_would_be_needed_for() -> None:
    says = "prober does not run here: it is needed for a healthcheck with http: or tcp: only"
    assert select(a_desk(), ("prober",), own=True) == Refusal("unknown-service", says)


def test_amonsups_own_processes_can_be_looked_at() -> None:
    assert select(a_desk(), ("supervisor", "ce", "logger"), own=True) == ["ce", "logger", "supervisor"]


def test_all_of_nothing_is_nothing() -> None:
    desk = a_desk()
    desk.fleet = Fleet()
    assert select(desk, ("all",)) == []


def test_start_all_does_not_run_again_what_has_done_its_work() -> None:
    desk = a_desk()
    done = desk.fleet.states["migrate"]
    done.phase, done.goal = Phase.EXITED, Goal.DONE
    everything = start.handle(desk, a_call("start", "all"))
    assert isinstance(everything, Operation)
    assert list(everything.tasks) == ["db", "ce"]
    by_name = start.handle(desk, a_call("start", "migrate"))
    assert isinstance(by_name, Operation)
    assert list(by_name.tasks) == ["migrate"]


def test_an_operation_gives_everybody_the_same_task() -> None:
    found = operation(a_desk(), a_call("stop"), ["db", "ce"], kill=True)
    assert found.targets == ("db", "ce")
    assert {task.verb for task in found.tasks.values()} == {"stop"}
    assert all(task.kill and task.operation == "c-1" for task in found.tasks.values())
    assert msgspec.json.decode(msgspec.json.encode(found), type=Operation) == found


def test_nobody_may_change_anything_during_a_shutdown_or_while_it_only_watches() -> None:
    desk = a_desk()
    assert mutating(desk) is None
    desk.fleet.is_watching_only = True
    assert mutating(desk).code == "watching-only"  # type: ignore[union-attr]
    desk.fleet.is_shutting_down = True
    assert mutating(desk).code == "shutting-down"  # type: ignore[union-attr]
    assert start.handle(desk, a_call("start", "db")).code == "shutting-down"  # type: ignore[union-attr]


# ---- the end of a log ----------------------------------------------------------------------------------------------


def test_the_last_lines_are_few_whole_and_harmless(tmp_path: Any) -> None:
    log = tmp_path / "s.log"
    spec = ServiceSpec(name="s", command=("/s",))
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(5000)) + b"tab\t\x1b[31m\xff\n")
    found = last_lines(str(tmp_path), spec)
    assert len(found) == LAST_LINES
    assert found[-2:] == ("line 4999", "tab\t?[31m\ufffd")
    (tmp_path / "s.err.log").write_bytes(b"apart\n")
    assert last_lines(str(tmp_path), msgspec.structs.replace(spec, logging=Logging(stderr="separate")))[-1] == "apart"
    assert last_lines(str(tmp_path), msgspec.structs.replace(spec, logging=Logging(capture=False))) == ()
    assert last_lines(str(tmp_path / "none"), spec) == ()
    log.write_bytes(b"")
    assert last_lines(str(tmp_path), spec) == ()
