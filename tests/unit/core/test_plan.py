"""What an apply would do: (old, new, state) -> action and reason; and that no field is forgotten."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from amonsup.config import not_yet
from amonsup.config.specs import (
    Backoff,
    Condition,
    Dependency,
    Healthcheck,
    Logging,
    RestartPolicy,
    Role,
    ServiceSpec,
    ServiceType,
    StartLimit,
    Update,
    WatchRule,
)
from amonsup.supervisor.core.plan import BORN_WITH, Change, differing, digest, plan, with_followers
from amonsup.supervisor.model.phases import LIVE, Desired, Phase
from amonsup.supervisor.model.records import ExitReport, ServiceState, Task
from tests.support.playbook import Playbook, following, service

# ---- every field ---------------------------------------------------------------------------------------------------

IN_PLACE = {
    "description": "shown only",
    "autostart": "asked at a boot",
    "start_timeout_s": "asked when a start begins",
    "min_uptime_s": "asked when a start begins",
    "restart": "asked after an end",
    "backoff": "asked after an end",
    "start_limit": "asked before a start",
    "success_codes": "asked after an end",
    "success_signals": "asked after an end",
    "depends_on": "asked whenever something around changes",
    "stop_signal": "asked at a stop",
    "stop_grace_period_s": "asked at a stop",
    "tags": "asked when a command selects",
    "scale": "only what is made of it runs: instances, and those have none",
    "instance_of": "asked when a command selects",
    "schedule": "the calendar is read anew",
    "time_zone": "the calendar is read anew",
    "catch_up": "asked when runs were missed",
    "mem_limit_bytes": "the kernel takes it for processes that run",
    "cpus": "the kernel takes it for processes that run",
    "pids_limit": "the kernel takes it for processes that run",
    "cpuset": "the kernel takes it for processes that run",
    "pid_file": "asked when a start ends",
    "healthcheck": "asked before each check",
    "remote": "asked when a command comes from afar",
    "reload_signal": "asked at a reload",
    "reload_command": "asked at a reload",
    "is_reload_given": "asked when a file of its own is rotated",
    "preflight": "asked before a command",
    "pre_start": "asked before a start",
    "post_start": "asked after a start",
    "pre_stop": "asked before a stop",
    "post_stop": "asked after an end",
}
"""Why a running life need not know; proven below where the engine is concerned."""

NOT_YET = {
    "sockets": "sockets",
    "update": "update",
}
"""Fields that no configuration can carry yet, with their key. Who takes one out of not_yet.py decides here anew."""


def test_every_field_is_decided() -> None:
    fields = set(ServiceSpec.__struct_fields__) - {"name", "logging"}
    groups = (set(BORN_WITH), set(IN_PLACE), set(NOT_YET))
    assert set().union(*groups) == fields
    assert all(not a & b for a, b in itertools.combinations(groups, 2))


def test_what_is_not_decided_yet_is_refused_by_the_configuration() -> None:
    assert set(NOT_YET.values()) <= set(not_yet.SERVICE)
    undecided = {key for key in not_yet.SERVICE if key.startswith("logging.")}
    assert undecided <= {f"logging.{f.removesuffix('_bytes')}" for f in Logging.__struct_fields__}


OTHER: dict[str, Any] = {
    "command": ("/bin/other",),
    "user": "nobody",
    "group": "users",
    "supplementary_groups": ("adm",),
    "working_dir": "/tmp",
    "environment": (("A", "1"),),
    "umask": 0o77,
    "type": ServiceType.NOTIFY,
    "watchdog_s": 7.0,
    "no_new_privileges": True,
    "description": "another",
    "autostart": False,
    "start_timeout_s": 1.0,
    "min_uptime_s": 9.0,
    "restart": RestartPolicy.NO,
    "backoff": Backoff(step_s=9.0),
    "start_limit": StartLimit(1, 1.0),
    "success_codes": (0, 1),
    "success_signals": (),
    "depends_on": (following("db"),),
    "stop_signal": 2,
    "stop_grace_period_s": 1.0,
    "tags": ("x",),
    "remote": Role.NONE,
    "scale": 3,
    "instance_of": "x",
    "schedule": "@daily",
    "time_zone": "UTC",
    "catch_up": True,
    "mem_limit_bytes": 1 << 20,
    "cpus": 0.5,
    "pids_limit": 9,
    "cpuset": "0",
    "ulimits": (("core", 0, 0),),
    "nice": 5,
    "ionice": "idle",
    "oom_score_adj": 5,
    "cap_drop": ("ALL",),
    "cap_add": ("CAP_CHOWN",),
    "secrets": (("token", "/etc/t"),),
    "pid_file": "/run/s.pid",
    "healthcheck": Healthcheck(test=("/bin/check",)),
    "reload_signal": 10,
    "reload_command": ("/bin/reload",),
    "is_reload_given": True,
    "preflight": ("/bin/preflight",),
    "pre_start": ("/bin/hook",),
    "post_start": ("/bin/hook",),
    "pre_stop": ("/bin/hook",),
    "post_stop": ("/bin/hook",),
}


def test_the_samples_differ_from_the_defaults() -> None:
    assert set(OTHER) == set(BORN_WITH) | set(IN_PLACE)
    plain = service("s")
    assert all(getattr(plain, key) != value for key, value in OTHER.items())


@pytest.mark.parametrize("field", BORN_WITH)
def test_what_a_life_is_born_with_needs_a_new_one(field: str) -> None:
    new = msgspec.structs.replace(service("s"), **{field: OTHER[field]})
    assert digest(new) != digest(service("s"))
    (change,) = plan_of(service("s"), new, Phase.RUNNING)
    assert (change.action, change.why) == ("restart", f"changed: {field.removesuffix('_s')}")


@pytest.mark.parametrize("field", IN_PLACE)
def test_what_is_asked_when_it_is_needed_does_not(field: str) -> None:
    """On a running service: planned as a change in place, and carried out without touching its process."""
    new = msgspec.structs.replace(service("s"), **{field: OTHER[field]})
    assert digest(new) == digest(service("s"))
    book = Playbook(service("s"), service("db"))
    book.up("s")
    changes, operation = book.apply(new, service("db"))
    assert [change.action for change in changes] == ["change"]
    assert book.outcome(operation) is None, "nothing to be done for anybody"
    assert book.fleet.operations.known[operation].is_finished
    assert book.phase("s") is Phase.RUNNING
    assert book.take() == [f"{operation}: "]
    assert book.fleet.specs["s"] == new


def test_capture_and_stderr_are_what_a_life_is_born_with_and_the_rest_of_logging_is_not() -> None:
    capture = service("s", logging=Logging(capture=False))
    assert plan_of(service("s"), capture, Phase.RUNNING)[0] == Change("s", "restart", "changed: logging")
    separate = service("s", logging=Logging(stderr="separate"))
    assert plan_of(service("s"), separate, Phase.RUNNING)[0].action == "restart"
    rest = Logging(
        max_size_bytes=1,
        max_files=1,
        max_total_bytes=1,
        rotate="daily",
        compress=False,
        timestamps=True,
        on_full="drop",
        files=("/x",),
        watch=(WatchRule(match="x"),),
    )
    assert plan_of(service("s"), service("s", logging=rest), Phase.RUNNING)[0].action == "change"


# ---- the changed policy is in force at once ------------------------------------------------------------------------


def test_a_changed_restart_policy_is_in_force_for_the_next_end() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.apply(service("s", restart=RestartPolicy.NO))
    book.exits("s", code=1)
    assert book.phase("s") is Phase.EXITED


def test_a_changed_stop_signal_and_grace_period_are_in_force_for_the_next_stop() -> None:
    book = Playbook(service("s"))
    book.up("s")
    book.apply(service("s", stop_signal=2, stop_grace_period_s=3.0))
    book.take()
    book.deaf.add("s")
    book.stop("s")
    assert (book.take(), book.due_in("s")) == (["s: signal 2"], 3.0)


def test_a_changed_success_exit_and_back_off_are_in_force_for_the_next_end() -> None:
    book = Playbook(service("s", restart=RestartPolicy.ON_FAILURE))
    book.up("s")
    book.apply(service("s", restart=RestartPolicy.ON_FAILURE, success_codes=(0, 4), backoff=Backoff(initial_s=5.0)))
    book.exits("s", code=5)
    assert book.phase("s") is Phase.BACKOFF
    book.advance(6.0)
    book.exits("s", code=4)
    assert book.phase("s") is Phase.EXITED


def test_a_dependency_that_is_taken_away_lets_who_waits_for_it_go_on() -> None:
    book = Playbook(service("db", restart=RestartPolicy.NO), service("web", "db"))
    book.spawn_failures["db"] = [("no", False)]
    book.start("web")
    assert book.phase("web") is Phase.WAITING
    book.apply(service("db", restart=RestartPolicy.NO), service("web"))
    assert book.take()[-1] == "web: spawn 1"


def test_a_dependency_that_becomes_restart_true_is_followed_from_now_on() -> None:
    book = Playbook(service("db"), service("web", "db"))
    book.up("web")
    book.apply(service("db"), service("web", following("db")))
    book.take()
    book.exits("db", code=1)
    assert "web: spawn 2" in book.take()


# ---- the plan as a table -------------------------------------------------------------------------------------------

SAME, BORN, POLICY = service("s"), service("s", umask=0o77), service("s", restart=RestartPolicy.NO)
LATENT = service("s", autostart=False)


def plan_of(old: ServiceSpec | None, new: ServiceSpec | None, phase: Phase | None) -> list[Change]:
    states = {} if phase is None else {"s": ServiceState(name="s", phase=phase, desired=Desired.UP)}
    return plan({"s": old} if old else {}, {"s": new} if new else {}, states)


@pytest.mark.parametrize(("code", "action", "why"), [(0, "change", "was exited"), (3, "restart", "had failed")])
def test_what_had_failed_for_good_gets_its_cure(code: int, action: str, why: str) -> None:
    exits = (ExitReport(generation=1, reason=f"exit {code}", at=1.0, code=code),)
    states = {"s": ServiceState(name="s", phase=Phase.EXITED, desired=Desired.DOWN, exits=exits)}
    assert plan({"s": SAME}, {"s": BORN}, states) == [Change("s", action, f"changed: umask; {why}")]
    assert plan({"s": SAME}, {"s": POLICY}, states) == [Change("s", "change", "changed: restart")]


def test_what_somebody_is_just_stopping_is_not_started_again() -> None:
    states = {"s": ServiceState(name="s", phase=Phase.STOPPING, desired=Desired.DOWN)}
    (change,) = plan({"s": SAME}, {"s": BORN}, states)
    assert change.action == "change"


@pytest.mark.parametrize(
    ("old", "new", "phases", "action", "why"),
    [
        (None, SAME, {None}, "start", "new in conf.d"),
        (None, LATENT, {None}, "add", "new in conf.d, autostart: false"),
        (SAME, None, LIVE, "stop", "removed from conf.d"),
        (SAME, None, set(Phase) - LIVE, "stop", "removed from conf.d, was not running"),
        (SAME, BORN, LIVE, "restart", "changed: umask"),
        (SAME, BORN, {Phase.BACKOFF}, "restart", "changed: umask; was backoff"),
        (SAME, BORN, {Phase.FATAL}, "restart", "changed: umask; was fatal"),
        (SAME, BORN, {Phase.QUARANTINED}, "restart", "changed: umask; was quarantined"),
        (SAME, BORN, {Phase.STOPPED}, "change", "changed: umask; was stopped"),
        (SAME, BORN, {Phase.EXITED}, "change", "changed: umask; was exited"),
        (SAME, BORN, {Phase.WAITING}, "change", "changed: umask; was waiting"),
        (SAME, BORN, {None}, "change", "changed: umask"),
        (SAME, POLICY, {*Phase, None}, "change", "changed: restart"),
    ],
)
def test_plan(
    old: ServiceSpec | None, new: ServiceSpec | None, phases: set[Phase | None], action: str, why: str
) -> None:
    for phase in phases:
        assert plan_of(old, new, phase) == [Change("s", action, why)], phase


@pytest.mark.parametrize("phase", Phase)
def test_what_did_not_change_is_not_named(phase: Phase) -> None:
    assert plan_of(SAME, SAME, phase) == []


def test_the_plan_follows_the_new_order_and_removals_come_last() -> None:
    old = {name: service(name) for name in ("gone", "b", "a")}
    new = {name: service(name, umask=0) for name in ("a", "b", "new")}
    states = {name: ServiceState(name=name, phase=Phase.RUNNING, desired=Desired.UP) for name in old}
    assert [(c.name, c.action) for c in plan(old, new, states)] == [
        ("a", "restart"),
        ("b", "restart"),
        ("new", "start"),
        ("gone", "stop"),
    ]


@pytest.mark.parametrize(("templates", "why"), [(("s",), "s is scaled down"), ((), "removed from conf.d")])
def test_an_instance_that_goes_while_its_service_stays_is_scaled_down(templates: tuple[str, ...], why: str) -> None:
    old = {"s-2": service("s-2", instance_of="s")}
    states = {"s-2": ServiceState(name="s-2", phase=Phase.RUNNING, desired=Desired.UP)}
    assert plan(old, {}, states, templates) == [Change("s-2", "stop", why)]
    assert plan(old, {}, {}, templates) == [Change("s-2", "stop", f"{why}, was not running")]


def test_what_comes_back_while_it_is_being_removed_is_new() -> None:
    leaving = ServiceState(name="s", phase=Phase.STOPPING, queue=(Task("op", "stop", "apply", forget=True),))
    assert plan({"s": SAME}, {"s": SAME}, {"s": leaving}) == [Change("s", "start", "new in conf.d")]


def test_changed_keys_are_named_as_conf_d_names_them() -> None:
    new = service(
        "s",
        success_codes=(1,),
        success_signals=(),
        reload_signal=0,
        mem_limit_bytes=1,
        start_timeout_s=1.0,
        healthcheck=Healthcheck(tcp="x:1"),
        update=Update(("x",)),
        remote=Role.NONE,
    )
    assert differing(SAME, new) == (
        "start_timeout",
        "success_exit",
        "healthcheck",
        "reload",
        "mem_limit",
        "update",
        "remote",
    )


def test_a_spec_of_every_field_has_a_stable_digest() -> None:
    """It is compared with what an older supervisor of the same site wrote down."""
    assert digest(service("s")) == digest(service("other"))
    assert digest(msgspec.json.decode(msgspec.json.encode(BORN), type=ServiceSpec)) == digest(BORN)


# ---- who follows a restart -----------------------------------------------------------------------------------------

CHAIN = (
    service("web", following("ce")),
    service("ce", following("db")),
    service("db"),
    service("idle", following("db")),
    service("loose", "db"),
    service("held", following("db")),
    service("after", Dependency("db", Condition.COMPLETED, restart=True)),
)


def followed(book: Playbook, *specs: ServiceSpec) -> list[tuple[str, str, str]]:
    """The plan as it is shown: (name, action, why)."""
    new = {spec.name: spec for spec in specs}
    changes = plan(book.fleet.specs, new, book.fleet.states)
    return [(c.name, c.action, c.why) for c in with_followers(changes, new, book.fleet.states)]


def changed(specs: tuple[ServiceSpec, ...], **fields: dict[str, Any]) -> tuple[ServiceSpec, ...]:
    return tuple(msgspec.structs.replace(spec, **fields.get(spec.name, {})) for spec in specs)


def test_the_plan_names_those_whom_the_engine_restarts_with_a_dependency() -> None:
    """Transitively, who is up and free; and exactly those have a new life once it was carried out, each just one."""
    book = Playbook(*CHAIN)
    book.up("web", "loose", "held")
    book.hold("held", 1000.0)
    new = changed(CHAIN, db={"umask": 0o77})
    lines = followed(book, *new)
    assert lines == [
        ("web", "restart", "its dependency ce is restarted"),
        ("ce", "restart", "its dependency db is restarted"),
        ("db", "restart", "changed: umask"),
    ]
    book.apply(*new)
    book.advance(2.0)
    lives = {name: state.generation for name, state in book.fleet.states.items()}
    assert {name for name, life in lives.items() if life == 2} == {name for name, _, _ in lines}
    assert max(lives.values()) == 2


def test_who_changes_too_and_follows_has_both_reasons_and_a_restart_of_its_own_has_its_own() -> None:
    book = Playbook(*CHAIN)
    book.up("web")
    assert followed(book, *changed(CHAIN, db={"umask": 0}, ce={"description": "x"}, web={"umask": 0})) == [
        ("web", "restart", "changed: umask"),
        ("ce", "restart", "changed: description; its dependency db is restarted"),
        ("db", "restart", "changed: umask"),
    ]


def test_the_new_dependencies_decide_who_follows_and_removals_stay_last() -> None:
    book = Playbook(service("gone"), service("db"), service("ce", "db"))
    book.up("gone", "ce")
    assert followed(book, service("db", umask=0), service("ce", following("db"))) == [
        ("db", "restart", "changed: umask"),
        ("ce", "restart", "changed: depends_on; its dependency db is restarted"),
        ("gone", "stop", "removed from conf.d"),
    ]


def test_nobody_follows_what_is_not_up_or_is_held() -> None:
    book = Playbook(service("db"), service("ce", following("db")))
    book.up("ce")
    book.hold("db", 1000.0)
    assert [name for name, _, _ in followed(book, service("db", umask=0), service("ce", following("db")))] == ["db"]


# ---- an apply, carried out -----------------------------------------------------------------------------------------


def test_an_apply_touches_only_what_changed() -> None:
    book = Playbook(service("a"), service("b"), service("c"))
    book.up("a", "b", "c")
    _, operation = book.apply(service("a"), service("b", umask=0), service("d"))
    assert {line.split(":")[0] for line in book.take()} == {"b", "c", "d"}
    book.advance(1.0)
    assert book.fleet.operations.known[operation].is_finished
    assert book.phases() == {"a": "running", "b": "running", "d": "running"}
    assert book.state("a").generation == 1


def test_a_removed_chain_is_stopped_in_order_and_forgotten() -> None:
    book = Playbook(service("db"), service("web", "db"))
    book.up("web")
    _, operation = book.apply()
    script = book.take()
    assert script.index("web: signal 15") < script.index("db: signal 15")
    assert [line for line in script if "forget" in line] == ["web: forget", "db: forget"]
    assert book.fleet.operations.known[operation].is_finished
    assert book.fleet.states == book.fleet.specs == {}


def test_a_removed_dependency_that_is_gone_first_leaves_nobody_pointing_at_it() -> None:
    book = Playbook(service("db", restart=RestartPolicy.NO), service("web", "db"))
    book.up("web")
    book.exits("db", code=1)
    book.deaf.add("web")
    book.apply()
    assert list(book.fleet.states) == ["web"]
    assert book.fleet.specs["web"].depends_on == ()
    book.advance(10.0)
    assert book.fleet.states == {}


def test_a_service_that_is_not_to_start_by_itself_is_only_known() -> None:
    book = Playbook()
    changes, _ = book.apply(LATENT)
    assert [change.action for change in changes] == ["add"]
    assert (book.phase("s"), book.lives) == (Phase.STOPPED, {})


def test_a_start_that_no_deadline_watches_any_more_gets_one_with_the_new_spec() -> None:
    """A oneshot that takes too long while it is held is left alone; made a simple service, it is up after a while."""
    book = Playbook(service("s", type=ServiceType.ONESHOT, start_timeout_s=5.0))
    book.start("s")
    book.hold("s", 1000.0)
    book.advance(6.0)
    assert (book.phase("s"), book.due_in("s")) == (Phase.STARTING, None)
    book.apply(service("s"))
    book.advance(1.0)
    assert book.phase("s") is Phase.RUNNING
