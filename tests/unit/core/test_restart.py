"""When a service that ended is started again, and how soon: the arithmetic, and what a fleet makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.config.specs import Backoff, RestartPolicy, ServiceType, StartLimit
from amonsup.supervisor.core import restart
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import ExitReport, Stray
from tests.support.playbook import Playbook, service

STEADY = Backoff(jitter=0.0)


def ended(**fields: object) -> ExitReport:
    return ExitReport(generation=1, reason="it ended", at=0.0, **fields)  # type: ignore[arg-type]


def test_the_delays_are_initial_step_and_then_grow_up_to_the_maximum() -> None:
    delays = [restart.delay_s(STEADY, attempt, "s/1") for attempt in range(12)]
    assert delays == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    grown = Backoff(initial_s=5.0, step_s=10.0, factor=3.0, max_s=100.0, jitter=0.0)
    assert [restart.delay_s(grown, attempt, "s/1") for attempt in range(5)] == [5, 10, 30, 90, 100]


# Whole milliseconds and permille, as conf.d can write them; 5e-324 s has no tenth that a float could hold.
milliseconds = st.integers(0, 10**9).map(lambda number: number / 1000)
backoffs = st.builds(
    Backoff,
    initial_s=milliseconds,
    step_s=milliseconds,
    factor=st.integers(1000, 10**6).map(lambda number: number / 1000),
    max_s=milliseconds,
    jitter=st.integers(0, 1000).map(lambda number: number / 1000),
)


@given(backoffs, st.integers(0, 10**9), st.text())
def test_a_delay_is_never_negative_above_the_maximum_or_further_off_than_its_jitter(
    backoff: Backoff, attempt: int, seed: str
) -> None:
    plain = restart.delay_s(Backoff(**{**_fields(backoff), "jitter": 0.0}), attempt, seed)
    delay = restart.delay_s(backoff, attempt, seed)
    assert 0 <= delay <= backoff.max_s
    assert abs(delay - plain) <= plain * backoff.jitter * 1.000001
    assert delay == restart.delay_s(backoff, attempt, seed)


def _fields(backoff: Backoff) -> dict[str, float]:
    return {key: getattr(backoff, key) for key in Backoff.__struct_fields__}


def test_services_that_fail_together_do_not_come_back_together() -> None:
    delays = {restart.delay_s(Backoff(), 5, f"s{number}/1") for number in range(50)}
    assert len(delays) == 50
    assert max(delays) - min(delays) > 16 * 0.1


@given(st.floats(0, 1e6), st.lists(st.floats(0, 1e6)), st.integers(1, 20), st.floats(0.001, 1e6))
def test_a_start_limit_counts_what_lies_within_its_window(
    now: float, starts: list[float], count: int, within_s: float
) -> None:
    limit = StartLimit(count, within_s)
    inside = [at for at in starts if now - at < within_s]
    assert list(restart.recent(tuple(starts), limit, now)) == inside
    assert restart.is_exhausted(tuple(starts), limit, now) == (len(inside) >= count)
    assert not restart.is_exhausted(tuple(starts), None, now)


@pytest.mark.parametrize(
    ("report", "is_success"),
    [
        (ended(code=0), True),
        (ended(code=3), True),
        (ended(code=1), False),
        (ended(signal=15), True),
        (ended(signal=15, core=True), False),
        (ended(signal=15, oom=True), False),
        (ended(signal=9), False),
        (ended(), False),
    ],
)
def test_what_counts_as_a_success(report: ExitReport, is_success: bool) -> None:
    assert restart.is_success(service("s", success_codes=(0, 3)), report) is is_success


@pytest.mark.parametrize("policy", RestartPolicy)
@pytest.mark.parametrize("succeeded", [True, False])
@pytest.mark.parametrize("is_oneshot", [True, False])
def test_what_the_policy_wants(policy: RestartPolicy, succeeded: bool, is_oneshot: bool) -> None:
    kind = ServiceType.ONESHOT if is_oneshot else ServiceType.SIMPLE
    wants = restart.wants_another(service("s", restart=policy, type=kind), succeeded)
    never = policy is RestartPolicy.NO or (succeeded and (is_oneshot or policy is RestartPolicy.ON_FAILURE))
    assert wants is not never


# ---- what a fleet makes of it --------------------------------------------------------------------------------------


def test_an_exit_that_nobody_commanded_says_whether_it_was_a_success() -> None:
    book = Playbook(service("s", restart=RestartPolicy.ALWAYS, success_codes=(0, 3)))
    book.up("s")
    for code in (3, 1):
        book.exits("s", code=code)
        book.advance(60.0)
    book.stop("s")
    assert [(note.text.partition(" (")[0], note.ok) for note in book.notes if note.kind == "exited"] == [
        ("exit 3", True),
        ("exit 1", False),
        ("killed by 15", False),
    ]


def test_the_first_restart_is_immediate_and_the_next_ones_back_off() -> None:
    book = Playbook(service("s", backoff=STEADY))
    book.start("s")
    delays = []
    for _ in range(5):
        book.exits("s", code=1)
        delays.append(book.due_in("s") if book.phase("s") is Phase.BACKOFF else 0)
        book.advance(book.due_in("s") or 0) if book.phase("s") is Phase.BACKOFF else None
    assert delays == [0, 1, 2, 4, 8]
    assert book.state("s").restarts == 5
    assert book.said("s", "backoff")[0] == "exit 1; next start in 1 s"


def test_of_a_life_that_left_nothing_behind_the_next_comes_in_the_same_turn() -> None:
    book = Playbook(service("s", backoff=STEADY), service("d"), service("user", "d"))
    book.looks_at_once = True
    book.start("s", "user")
    book.take()
    book.exits("s", code=1)
    assert book.take() == ["s: spawn 2"]
    assert (book.state("s").is_swept, book.state("s").exits[-1].reason) == (False, "exit 1")
    book.exits("d", code=1)
    assert book.take_of("d") == ["d: sweep", "d: spawn 2"], "whoever needs it sees it down first"
    book.strays["s"] = (Stray(9, "late"),)
    book.exits("s", code=1)
    assert book.take_of("s") == ["s: sweep"]


def test_a_life_of_reset_after_starts_the_count_again() -> None:
    book = Playbook(service("s", backoff=STEADY))
    book.start("s")
    for _ in range(4):
        book.exits("s", code=1)
        book.advance(5.0)
    assert book.state("s").attempt == 4
    book.advance(59.0)
    book.exits("s", code=1)
    assert book.phase("s") is Phase.STARTING, "60 s and more: as if it were the first"
    assert book.state("s").attempt == 1


def test_a_life_just_short_of_reset_after_goes_on_counting() -> None:
    book = Playbook(service("s", backoff=STEADY))
    book.start("s")
    book.exits("s", code=1)
    book.advance(59.9)
    book.exits("s", code=1)
    assert (book.phase("s"), book.due_in("s")) == (Phase.BACKOFF, 1.0)


def test_a_command_clears_what_failures_had_counted_up() -> None:
    book = Playbook(service("s", backoff=STEADY, start_limit=StartLimit(3, 600.0)))
    book.start("s")
    for _ in range(2):
        book.exits("s", code=1)
        book.advance(1.0)
    book.restart("s")
    assert (book.state("s").attempt, len(book.state("s").starts)) == (0, 1)


def test_the_start_beyond_the_limit_is_not_made() -> None:
    book = Playbook(service("s", backoff=STEADY, start_limit=StartLimit(3, 60.0)))
    book.start("s")
    for _ in range(2):
        book.exits("s", code=9)
        book.advance(2.0)
    assert book.take()[-1] == "s: spawn 3"
    book.exits("s", code=9)
    assert book.take() == ["s: sweep"]
    assert book.phase("s") is Phase.FATAL
    assert book.state("s").why == "3 starts within 60 s; last: exit 9"
    assert book.state("s").restarts == 2
    book.advance(1000.0)
    assert book.take() == []


def test_a_start_that_falls_out_of_the_window_by_its_delay_is_made() -> None:
    book = Playbook(service("s", backoff=STEADY, start_limit=StartLimit(2, 10.0)))
    book.start("s")
    book.advance(9.5)
    book.exits("s", code=1)
    book.exits("s", code=1)
    assert book.phase("s") is Phase.BACKOFF, "in a second the first start is 10.5 s ago"
    book.advance(1.0)
    assert book.phase("s") is Phase.STARTING


def test_our_own_shortage_costs_the_service_nothing() -> None:
    book = Playbook(service("s", restart=RestartPolicy.NO, start_limit=StartLimit(1, 600.0)))
    book.spawn_failures["s"] = [("EAGAIN", True)] * 5
    start = book.start("s")
    for _ in range(5):
        assert (book.phase("s"), book.due_in("s")) == (Phase.BACKOFF, 1.0)
        assert book.outcome(start) is None
        book.advance(1.0)
    book.advance(1.0)
    assert book.outcome(start) == "ok"
    assert (book.state("s").restarts, book.state("s").attempt, book.state("s").exits) == (0, 0, ())


def test_only_the_last_exits_are_kept_and_strays_stand_with_theirs() -> None:
    book = Playbook(service("s", backoff=Backoff(step_s=0.0)))
    book.start("s")
    for code in range(1, 9):
        book.exits("s", code=code)
    assert [report.code for report in book.state("s").exits] == [4, 5, 6, 7, 8]
