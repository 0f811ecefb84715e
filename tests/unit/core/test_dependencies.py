"""Dependencies: who comes up after whom, goes down before whom, and comes back by itself."""

from __future__ import annotations

import itertools

import pytest

from amonsup.config.specs import Backoff, Condition, Dependency, RestartPolicy, ServiceType
from amonsup.supervisor.core import ordering
from amonsup.supervisor.model.phases import Desired, Phase
from tests.support.playbook import Playbook, completed, following, healthy, service

ONESHOT, NOTIFY = ServiceType.ONESHOT, ServiceType.NOTIFY


def diamond() -> Playbook:
    return Playbook(service("db"), service("left", "db"), service("right", "db"), service("top", "left", "right"))


def order(script: list[str], what: str) -> list[str]:
    return [line.split(":")[0] for line in script if what in line]


def test_a_start_fetches_what_it_needs_in_order() -> None:
    book = diamond()
    start = book.start("top")
    assert order(book.take(), "spawn") == ["db", "left", "right", "top"]
    book.advance(1.0)
    assert book.outcome(start) == "ok"


def test_a_simple_dependency_has_started_once_it_was_spawned() -> None:
    book = Playbook(service("db"), service("web", "db"), answers_at_once=False)
    book.start("web")
    assert book.take() == ["db: spawn 1"]
    book.answer()
    assert book.take() == ["web: spawn 1"]


def test_a_notifying_dependency_has_started_when_it_says_so() -> None:
    book = Playbook(service("db", type=NOTIFY), service("web", "db"))
    book.start("web")
    book.advance(50.0)
    assert book.take() == ["db: spawn 1"]
    book.notice("db", is_ready=True)
    assert "web: spawn 1" in book.take()


def test_a_healthy_dependency_has_to_be_running() -> None:
    book = Playbook(service("db"), service("web", healthy("db")))
    book.start("web")
    assert book.take() == ["db: spawn 1"]
    book.advance(1.0)
    assert book.take() == ["web: spawn 1"]


def test_a_oneshot_dependency_is_met_when_it_has_succeeded() -> None:
    book = Playbook(service("migrate", type=ONESHOT), service("web", completed("migrate")))
    start = book.start("web")
    assert book.take() == ["migrate: spawn 1"]
    book.exits("migrate", code=0)
    assert book.take() == ["migrate: sweep", "web: spawn 1"]
    book.advance(1.0)
    assert book.outcome(start) == "ok"


def test_a_oneshot_that_has_succeeded_is_not_run_again_for_the_next_dependant() -> None:
    book = Playbook(service("migrate", type=ONESHOT), service("web", completed("migrate")))
    book.start("migrate")
    book.exits("migrate", code=0)
    book.take()
    book.start("web")
    assert book.take() == ["web: spawn 1"]


def test_a_plain_dependency_on_a_oneshot_is_met_when_it_has_succeeded() -> None:
    """`depends_on: [migrate]` means service_started; what has come to a good end had been started."""
    book = Playbook(service("migrate", type=ONESHOT), service("web", "migrate"))
    start = book.start("web")
    book.exits("migrate", code=0)
    book.advance(1.0)
    assert book.outcome(start) == "ok"
    assert book.state("migrate").generation == 1


def test_a_oneshot_with_restart_true_takes_its_dependants_along_only_when_it_runs_again() -> None:
    book = Playbook(service("migrate", type=ONESHOT), service("web", following("migrate")))
    book.start("web")
    book.exits("migrate", code=0)
    book.advance(1.0)
    assert book.phase("web") is Phase.RUNNING
    book.take()
    book.restart("migrate")
    book.exits("migrate", code=0)
    book.advance(1.0)
    assert book.phase("web") is Phase.RUNNING
    assert book.state("web").generation == 2


def test_a_oneshot_dependency_that_failed_for_good_fails_the_start() -> None:
    book = Playbook(service("migrate", type=ONESHOT, restart=RestartPolicy.NO), service("web", completed("migrate")))
    start = book.start("web")
    book.exits("migrate", code=3)
    assert book.outcome(start) == "its dependency migrate is exited: exit 3"
    assert book.phase("web") is Phase.WAITING
    book.start("migrate")
    book.exits("migrate", code=0)
    book.advance(1.0)
    assert book.phase("web") is Phase.RUNNING


def test_a_start_whose_dependency_is_fatal_fails_and_says_why() -> None:
    book = Playbook(service("db", restart=RestartPolicy.NO), service("mid", "db"), service("web", "mid"))
    book.spawn_failures["db"] = [("no such program: /bin/service", False)]
    book.start("db")
    start = book.start("web")
    assert book.outcome(start) == "its dependency db is fatal: no such program: /bin/service"
    assert book.phases() == {"db": "fatal", "mid": "waiting", "web": "waiting"}


def test_a_start_waits_as_long_as_its_dependency_keeps_trying() -> None:
    book = Playbook(service("db", type=NOTIFY), service("web", "db"))
    start = book.start("web")
    for _ in range(20):
        book.exits("db", code=1)
        book.advance(400.0)
    assert book.outcome(start) is None
    book.advance(400.0)
    book.notice("db", is_ready=True)
    book.advance(2.0)
    assert book.outcome(start) == "ok"


def test_stop_is_ordered_dependants_first() -> None:
    book = diamond()
    book.up("top")
    book.answers_at_once = False
    stop = book.stop("db")
    assert book.take() == ["top: signal 15"]
    seen = []
    while book.pending:
        book.answer()
        seen += order(book.take(), "signal")
    assert sorted(seen[:2]) == ["left", "right"]
    assert seen[2:] == ["db"]
    assert book.outcome(stop) == "ok"
    assert book.phases() == {"db": "stopped", "left": "waiting", "right": "waiting", "top": "waiting"}


def test_a_dependency_waits_for_a_dependant_that_takes_its_time() -> None:
    book = Playbook(service("db"), service("web", "db"))
    book.up("web")
    book.deaf.add("web")
    stop = book.stop("db")
    book.advance(9.0)
    assert book.phase("db") is Phase.DRAINING
    assert book.state("db").waiting_for == ("web",)
    book.advance(1.0)
    assert book.outcome(stop) == "ok"


def test_dependants_come_back_when_what_a_person_stopped_is_started_again() -> None:
    book = diamond()
    book.up("top")
    book.stop("db")
    book.take()
    book.start("db")
    assert order(book.take(), "spawn") == ["db", "left", "right", "top"]
    book.advance(1.0)
    assert set(book.phases().values()) == {"running"}


def test_a_crash_of_the_dependency_leaves_plain_dependants_alone() -> None:
    book = Playbook(service("db"), service("web", "db"))
    book.up("web")
    book.exits("db", code=1)
    assert book.take() == ["db: sweep", "db: spawn 2"]
    assert book.phase("web") is Phase.RUNNING


def test_restart_true_follows_a_crash_and_comes_back() -> None:
    book = Playbook(service("db"), service("web", following("db")))
    book.up("web")
    book.exits("db", code=1)
    book.advance(1.0)
    assert order(book.take(), "spawn") == ["db", "web"]
    assert book.phase("web") is Phase.RUNNING
    assert book.state("web").exits[-1].by == "dependency db"
    assert book.state("web").restarts == 0


def test_restart_true_goes_down_before_a_commanded_restart_and_comes_back_after_it() -> None:
    book = Playbook(service("db"), service("web", following("db")), service("log", "db"))
    book.up("web", "log")
    restart = book.restart("db")
    assert book.take_of("db", "web") == [
        "web: signal 15",
        "web: sweep 15",
        "db: signal 15",
        "db: sweep 15",
        "db: spawn 2",
        "web: spawn 2",
    ]
    book.advance(1.0)
    assert book.outcome(restart) == "ok"
    assert (book.state("web").generation, book.state("log").generation) == (2, 1)


def test_restart_true_waits_for_a_dependency_in_back_off() -> None:
    book = Playbook(service("db", backoff=Backoff(initial_s=30.0)), service("web", following("db")))
    book.up("web")
    book.exits("db", code=1)
    assert book.phases() == {"db": "backoff", "web": "waiting"}
    book.advance(34.0)
    assert set(book.phases().values()) == {"running"}


def test_a_persons_stop_of_a_dependency_is_not_undone_by_a_dependant_that_crashes() -> None:
    book = Playbook(service("db"), service("web", "db", backoff=Backoff(initial_s=5.0)))
    book.up("web")
    book.exits("web", code=1)
    book.stop("db")
    book.take()
    book.advance(100.0)
    assert book.take() == []
    assert book.phases() == {"db": "stopped", "web": "waiting"}


def test_a_person_who_starts_the_dependant_wants_the_dependency_too() -> None:
    book = Playbook(service("db"), service("mid", "db"), service("web", "mid"))
    book.up("web")
    book.stop("db")
    assert book.phases() == {"db": "stopped", "mid": "waiting", "web": "waiting"}
    start = book.start("web")
    book.advance(1.0)
    assert book.outcome(start) == "ok"
    assert book.remembered["db"] is False


def scenes() -> list[tuple[str, str]]:
    """How a dependency may be away already, for a moment or for long, when a person stops it."""
    return list(itertools.product(("backoff", "sweeping", "watchdog", "fatal"), ("plain", "following")))


@pytest.mark.parametrize(("scene", "kind"), scenes())
def test_a_stop_of_a_dependency_that_is_away_takes_its_dependants_along(scene: str, kind: str) -> None:
    db = service(
        "db",
        type=NOTIFY if scene == "watchdog" else ServiceType.SIMPLE,
        watchdog_s=5.0 if scene == "watchdog" else 0.0,
        backoff=Backoff(initial_s=60.0),
        restart=RestartPolicy.ALWAYS,
    )
    book = Playbook(db, service("web", following("db") if kind == "following" else "db"))
    book.up("web")
    if scene == "sweeping":
        book.answers_at_once = False
        book.exits("db", code=1)
        book.answer()
        assert book.phase("db") is Phase.CLEANING
    elif scene == "watchdog":
        book.deaf.add("db")
        book.notice("db", has_failed=True)
        assert book.phase("db") is Phase.STOPPING
    elif scene == "backoff":
        book.exits("db", code=1)
        assert book.phase("db") is Phase.BACKOFF
    else:
        book.exits("db", code=1)
        book.spawn_failures["db"] = [("no", False)]
        book.apply(service("db", restart=RestartPolicy.NO), *list(book.fleet.specs.values())[1:])
        book.advance(70.0)
        assert book.phase("db") is Phase.FATAL
    stop = book.stop("db")
    book.answers_at_once = True
    book.advance(30.0)
    book._settle()
    assert book.outcome(stop) == "ok"
    assert book.phases() == {"db": "stopped", "web": "waiting"}


def test_a_stop_during_a_restart_takes_along_those_that_the_restart_had_spared() -> None:
    """Found by reading: the stop waited for a dependant that nobody had told."""
    book = Playbook(service("db"), service("plain", "db"), service("web", following("db")))
    book.up("plain", "web")
    book.deaf.add("web")
    restart = book.restart("db")
    stop = book.stop("db")
    book.advance(30.0)
    assert book.outcome(restart) == "overridden by stop (alice)"
    assert book.outcome(stop) == "ok"
    assert book.phases() == {"db": "stopped", "plain": "waiting", "web": "waiting"}


def test_a_start_of_the_dependant_after_the_stop_of_its_dependency_fails_or_succeeds_but_ends() -> None:
    book = Playbook(service("db"), service("web", "db"))
    book.up("web")
    book.deaf.add("db")
    book.stop("db")
    start = book.start("web")
    book.advance(20.0)
    assert book.outcome(start) is not None


def test_a_start_that_is_taken_along_by_a_stop_of_its_dependency_says_so() -> None:
    book = Playbook(service("db"), service("web", "db", type=NOTIFY))
    start = book.start("web")
    stop = book.stop("db")
    book.advance(20.0)
    assert book.outcome(stop) == "ok"
    assert book.outcome(start) == "its dependency db is stopped: stopped by alice"


def test_a_oneshot_that_fails_is_tried_again_and_then_its_dependants_come() -> None:
    book = Playbook(service("migrate", type=ONESHOT), service("web", completed("migrate")))
    start = book.start("web")
    book.exits("migrate", code=1)
    assert book.outcome(start) is None
    book.exits("migrate", code=0)
    book.advance(1.0)
    assert book.outcome(start) == "ok"


def test_the_whole_fleet_stops_in_order_at_a_shutdown() -> None:
    book = diamond()
    book.up("top")
    book.shut_down()
    ends = order(book.take(), "signal")
    assert ends[0] == "top"
    assert ends[-1] == "db"
    assert book.downs == 1
    assert all(state.desired is Desired.DOWN for state in book.fleet.states.values())


def test_layers_name_everybody_once_and_after_what_it_depends_on() -> None:
    book = diamond()
    assert ordering.layers(book.fleet.specs) == [["db"], ["left", "right"], ["top"]]


def test_a_new_dependency_in_place_does_not_end_what_runs() -> None:
    """interface.md: a change of dependency needs no restart."""
    for dependency in (Dependency("db"), following("db"), Dependency("db", Condition.HEALTHY, True)):
        book = Playbook(service("db"), service("web"))
        book.up("web")
        changes, _ = book.apply(service("db"), service("web", dependency))
        assert [(change.name, change.action) for change in changes] == [("web", "change")]
        assert book.phase("web") is Phase.RUNNING
        assert book.take() == ["op-2: "]
