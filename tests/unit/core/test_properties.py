"""Whatever happens, in whatever order: what must hold for every fleet, on the fake kernel of the playbook.

The machine below deals commands, exits, notices, deadlines, answers of the kernel (in any order, spawns that fail
included), stale events, applies and deaths of the supervisor over a small random graph of dependencies. The playbook
asserts after every turn that no life begins beside another, that timers are what states say, and that what is at rest
has neither process nor deadline nor anybody waiting.
"""

from __future__ import annotations

import copy
import sys
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from amonsup.config.specs import (
    Backoff,
    Condition,
    Dependency,
    Healthcheck,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
    StartLimit,
)
from amonsup.supervisor.core.turn import LONG_AGO
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import AT_REST, Desired, Phase
from amonsup.supervisor.model.records import ExitReport, Stray
from tests.support.playbook import Playbook

NAMES = ("a", "b", "c", "d")

names = st.sampled_from(NAMES)
verbs = st.sampled_from(("start", "stop", "restart", "reload"))
SLOW = ("pre_start", "post_start", "pre_stop", "post_stop", "preflight", "reload", "check")


class Sketch(NamedTuple):
    """What is drawn of a spec; short to read when hypothesis has found something."""

    name: str
    needs: tuple[Dependency, ...] = ()
    type: str = "simple"
    restart: str = "always"
    program: str = "/bin/one"
    min_uptime_s: float = 1.0
    start_timeout_s: float = 30.0
    watchdog_s: float = 0.0
    grace_s: float = 10.0
    initial_s: float = 0.0
    limit: int = 0
    schedule: str = ""
    catch_up: bool = False
    hooks: tuple[str, ...] = ()
    preflight: bool = False
    health: str = ""  # on_failure

    def __repr__(self) -> str:
        unusual = [f"{k}={v!r}" for k, v in self._asdict().items() if v != self._field_defaults.get(k)]
        return f"Sketch({', '.join(unusual)})"

    def spec(self) -> ServiceSpec:
        return ServiceSpec(
            name=self.name,
            command=(self.program,),
            type=ServiceType(self.type),
            restart=RestartPolicy(self.restart),
            depends_on=self.needs,
            min_uptime_s=self.min_uptime_s,
            start_timeout_s=self.start_timeout_s,
            watchdog_s=self.watchdog_s if self.type == "notify" else 0.0,
            stop_grace_period_s=self.grace_s,
            backoff=Backoff(initial_s=self.initial_s),
            start_limit=StartLimit(self.limit, 60.0) if self.limit else None,
            schedule=self.schedule if self.type == "oneshot" else "",
            catch_up=self.catch_up,
            preflight=("/bin/preflight",) if self.preflight else (),
            healthcheck=Healthcheck(
                test=("/bin/check",), interval_s=3.0, retries=2, start_period_s=1.0, on_failure=self.health
            )
            if self.health and self.type != "oneshot"
            else None,
            **dict.fromkeys(self.hooks, ("/bin/hook",)),
        )


@st.composite
def sketches(draw: st.DrawFn, name: str, earlier: tuple[Sketch, ...]) -> Sketch:
    """A service that depends on some of `earlier`, as the configuration's door would let through."""
    needs = []
    for other in earlier:
        if draw(st.booleans()):
            other_condition = Condition.COMPLETED if other.type == "oneshot" else Condition.HEALTHY
            condition = draw(st.sampled_from((Condition.STARTED, other_condition)))
            needs.append(Dependency(other.name, condition, draw(st.booleans())))
    return Sketch(
        name,
        tuple(needs),
        type=draw(st.sampled_from(("simple", "simple", "notify", "oneshot", "forking"))),
        restart=draw(st.sampled_from(("always", "on-failure", "unless-stopped", "no"))),
        program=draw(st.sampled_from(("/bin/one", "/bin/two"))),
        min_uptime_s=draw(st.sampled_from((1.0, 0.0))),
        watchdog_s=draw(st.sampled_from((0.0, 5.0))),
        grace_s=draw(st.sampled_from((10.0, 0.0))),
        initial_s=draw(st.sampled_from((0.0, 1.0))),
        limit=draw(st.sampled_from((0, 1, 3))),
        schedule=draw(st.sampled_from(("", "*/5 * * * *", "@daily"))),
        catch_up=draw(st.booleans()),
        hooks=tuple(draw(st.sets(st.sampled_from(SLOW[:4]), max_size=4))) if draw(st.booleans()) else (),
        preflight=draw(st.booleans()),
        health=draw(st.sampled_from(("", "", "restart", "none"))),
    )


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Sketch, ...]:
    found: tuple[Sketch, ...] = ()
    for name in draw(st.sampled_from((NAMES, NAMES, NAMES[:2], NAMES[1:]))):
        found = (*found, draw(sketches(name, found)))
    return found


class FleetMachine(RuleBasedStateMachine):
    book: Playbook

    @initialize(graph=graphs())
    def begin(self, graph: tuple[Sketch, ...]) -> None:
        self.book = Playbook(*(sketch.spec() for sketch in graph), answers_at_once=False)
        self.book.looks_at_once = bool(len(graph) % 2)
        self.added: set[tuple[str, str]] = set()  # (service, dependency) that came while the service lived
        self.operations: list[str] = []

    # -- people --

    def may_command(self) -> bool:
        """As handlers/desk.py: mutating."""
        return not self.book.fleet.is_watching_only and not self.book.fleet.is_shutting_down

    @rule(verb=verbs, chosen=st.sets(names, min_size=1), kill=st.booleans(), force=st.booleans())
    def command(self, verb: str, chosen: set[str], kill: bool, force: bool) -> None:
        known = [name for name in self.book.fleet.specs if name in chosen]
        if not self.may_command() or not known:
            return
        kill = kill and verb in ("stop", "restart")
        self.operations.append(self.book.command(verb, *known, kill=kill, force=force))

    @rule(name=names, for_s=st.sampled_from((5.0, 1000.0)))
    def hold(self, name: str, for_s: float) -> None:
        if name in self.book.fleet.specs and self.may_command():
            self.book.hold(name, for_s)

    @rule(name=names)
    def release(self, name: str) -> None:
        if name in self.book.fleet.specs and self.may_command():
            self.book.release(name)

    @rule(name=names)
    def reset(self, name: str) -> None:
        if name in self.book.fleet.specs and self.may_command():
            self.book.reset(name)

    @precondition(lambda self: self.book.downs == 0)
    @rule(is_meant=st.sampled_from((False, False, False, False, True)))
    def shut_down(self, is_meant: bool) -> None:
        if is_meant and not self.book.fleet.is_shutting_down:
            self.book.shut_down()

    @precondition(lambda self: self.may_command())
    @rule(graph=graphs())
    def apply(self, graph: tuple[Sketch, ...]) -> None:
        specs = [sketch.spec() for sketch in graph]
        old = self.book.fleet.specs
        new = {spec.name for spec in specs}
        if any(state.hold is not None and name not in new for name, state in self.book.fleet.states.items()):
            return  # as handlers/plans.py: what would go is held, so nothing is done at all
        for spec in specs:
            before = {d.name for d in old[spec.name].depends_on} if spec.name in old else set()
            self.added |= {(spec.name, d.name) for d in spec.depends_on if d.name not in before}
        self.operations.append(self.book.apply(*specs)[1])

    # -- the kernel --

    @precondition(lambda self: self.book.pending)
    @rule(index=st.integers(0, 7), failure=st.sampled_from((None, None, None, False, True)))
    def answer(self, index: int, failure: bool | None) -> None:
        why = None if failure is None else ("no such program", failure)
        self.book.answer(index % len(self.book.pending), why)

    @rule()
    def answer_all(self) -> None:
        while self.book.pending:
            self.book.answer()

    @rule(name=names, end=st.sampled_from(({"code": 0}, {"code": 1}, {"signal": 11}, {"signal": 15}, {})))
    def exit(self, name: str, end: dict[str, int]) -> None:
        if name in self.book.lives:
            self.book.exits(name, **end)

    @rule(name=names, is_deaf=st.booleans(), has_strays=st.booleans())
    def misbehave(self, name: str, is_deaf: bool, has_strays: bool) -> None:
        (self.book.deaf.add if is_deaf else self.book.deaf.discard)(name)
        if has_strays:
            self.book.clinging.add(name)
            self.book.strays[name] = (Stray(7, "left"),)

    @rule(
        name=names,
        fields=st.fixed_dictionaries(
            {
                "is_ready": st.booleans(),
                "is_alive": st.booleans(),
                "is_stopping": st.booleans(),
                "has_failed": st.booleans(),
                "status": st.sampled_from((None, "fine")),
            }
        ),
    )
    def notice(self, name: str, fields: dict[str, Any]) -> None:
        if name in self.book.lives:
            self.book.notice(name, **fields)

    @rule(name=names)
    def main_pid(self, name: str) -> None:
        if name in self.book.lives and self.book.lives[name].is_alive and self.book.state(name).pid:
            self.book.main_pid(name)

    @rule(name=names)
    def unborn(self, name: str) -> None:
        if name in self.book.lives and self.book.lives[name].is_asked_for:
            self.book.unborn(name)

    @rule(kind=st.sampled_from(SLOW), is_slow=st.booleans(), is_failing=st.booleans())
    def errands_misbehave(self, kind: str, is_slow: bool, is_failing: bool) -> None:
        (self.book.slow.add if is_slow else self.book.slow.discard)(kind)
        self.book.failing.pop(kind, None)
        if is_failing:
            self.book.failing[kind] = "exit 1"

    @precondition(lambda self: self.book.chores)
    @rule(
        index=st.integers(0, 7),
        reason=st.sampled_from(("", "", "exit 1")),
        how=st.sampled_from(({}, {}, {"is_void": True}, {"is_unknown": True})),
    )
    def an_errand_ends(self, index: int, reason: str, how: dict[str, bool]) -> None:
        found = [key for key, chore in self.book.chores.items() if chore.is_born]
        if found:
            name, slot = found[index % len(found)]
            self.book.chore_ends(name, slot, reason or ("lost" if how else ""), **how)

    @rule(name=names, is_lost=st.booleans())
    def the_daemon_hides(self, name: str, is_lost: bool) -> None:
        (self.book.lost.add if is_lost else self.book.lost.discard)(name)

    # -- time --

    @rule(seconds=st.sampled_from((0.5, 1.0, 10.0, 100.0)))
    def time_passes(self, seconds: float) -> None:
        self.book.advance(seconds)

    @rule(seconds=st.sampled_from((1.0, 50.0)))
    def deadlines_are_late(self, seconds: float) -> None:
        self.book.now += seconds

    @rule(name=names)
    def a_deadline_is_early(self, name: str) -> None:
        if name in self.book.timers:
            self.book.fire(name)

    @rule(by_s=st.sampled_from((-86400.0, -600.0, -1.0, 1.0, 600.0, 86400.0)))
    def the_clock_is_set(self, by_s: float) -> None:
        self.book.set_clock(by_s)

    @precondition(lambda self: self.book.deadlines)
    @rule(index=st.integers(0, 7))
    def another_deadline_is_early(self, index: int) -> None:
        found = list(self.book.deadlines)
        self.book.fire_deadline(*found[index % len(found)])

    # -- what is over --

    @rule(name=names, back=st.integers(1, 3), which=st.integers(0, 11))
    def stale(self, name: str, back: int, which: int) -> None:
        """An event of an earlier life, or of a deadline that was moved, changes nothing and orders nothing."""
        if name not in self.book.fleet.states:
            return
        state = self.book.state(name)
        past = state.generation - back
        report = ExitReport(generation=past, reason="exit 1", at=self.book.now, code=1)
        event = (
            ev.Spawned(name=name, generation=past, pid=99, start_ticks=1),
            ev.SpawnFailed(name=name, generation=past, reason="no"),
            ev.Unborn(name=name, generation=past),
            ev.Noticed(name=name, generation=past, is_ready=True, status="late", main_pid=99),
            ev.Exited(name=name, generation=past, pid=state.pid, report=report),
            ev.Swept(name=name, generation=past),
            ev.TimerFired(name=name, token=state.timer_token - back),
            ev.MainFound(name=name, generation=past, pid=99, start_ticks=1),
            ev.MainMissing(name=name, generation=past, reason="no"),
            ev.ErrandBorn(name=name, token=self._old_token(name, back), pid=99, start_ticks=1),
            ev.ErrandEnded(name=name, token=self._old_token(name, back), is_ok=back == 1),
            ev.DeadlinePassed(name=name, kind="hook", token=self._old_token(name, back)),
        )[which]
        before = copy.deepcopy(self.book.fleet.states)
        assert self.book.fleet.handle([event], self.book.now) == []
        assert self.book.fleet.states == before

    def _old_token(self, name: str, back: int) -> int:
        state = self.book.state(name)
        known = {e.token for e in state.errands} | {d.token for d in state.deadlines}
        return next(token for token in range(state.serial + back, -10, -1) if token not in known)

    @rule()
    def the_supervisor_dies(self) -> None:
        self.book.succeed()

    @rule(is_watching=st.booleans())
    def watch_only(self, is_watching: bool) -> None:
        if self.book.fleet.is_watching_only and not is_watching:
            self.book.fleet.is_watching_only = False
            self.book._carry_out(self.book.fleet.reconsider_all(self.book.now))
        self.book.fleet.is_watching_only = is_watching

    # -- what holds --

    @invariant()
    def nothing_is_quarantined(self) -> None:
        if hasattr(self, "book"):
            assert not self.book.quarantines, self.book.quarantines[0].error

    @invariant()
    def nobody_runs_without_what_a_person_has_stopped(self) -> None:
        if not hasattr(self, "book"):
            return
        fleet = self.book.fleet
        for spec in fleet.specs.values():
            if fleet.states[spec.name].phase is not Phase.RUNNING or fleet.states[spec.name].hold:
                continue
            for needed in spec.depends_on:
                other = fleet.states[needed.name]
                is_stopped = other.phase is Phase.STOPPED and other.desired is Desired.DOWN
                if needed.condition is not Condition.COMPLETED and (spec.name, needed.name) not in self.added:
                    assert not is_stopped, (spec.name, needed.name, self.book.phases())

    @invariant()
    def what_is_due_is_armed(self) -> None:
        if not hasattr(self, "book") or self.book.fleet.is_shutting_down:
            return
        for name, state in self.book.fleet.states.items():
            wanted = min([*([state.due] if state.due else []), *([state.hold.until] if state.hold else [])], default=0)
            armed = self.book.alarms.get(name, 0)
            assert armed in (wanted, LONG_AGO), (name, state, armed)

    def teardown(self) -> None:
        if not hasattr(self, "book") or sys.exc_info()[0] is not None:
            return
        book = self.book
        book.deaf.clear()
        book.slow.clear()
        book.failing.clear()
        book.lost.clear()
        book.fleet.is_watching_only = False
        for name in list(book.fleet.states):
            book.release(name)
        book._carry_out(book.fleet.reconsider_all(book.now))
        self._let_settle()
        # Everybody behaves now, so nothing can be waited for without end.
        still_open = [(o.id, o.verb, set(o.tasks) - set(o.outcomes)) for o in book.fleet.operations.open()]
        assert not still_open, (still_open, book.fleet.states)
        allowed = AT_REST | {Phase.RUNNING, Phase.WAITING}
        assert all(state.phase in allowed for state in book.fleet.states.values()), book.phases()
        if not book.fleet.is_shutting_down:
            book.shut_down()
        self._let_settle()
        assert not book.fleet.operations.open()
        assert book.downs == 1
        assert all(state.phase in AT_REST for state in book.fleet.states.values()), book.phases()
        assert not book.timers
        assert all(life.is_clean for life in book.lives.values())
        assert not book.quarantines

    def _let_settle(self) -> None:
        """Every answer comes, every deadline passes, oneshots end well and notifying services report."""
        book = self.book
        for _ in range(60):
            self.answer_all()
            for name, state in list(book.fleet.states.items()):
                life = book.lives.get(name)
                if life is None or not life.is_alive or name not in book.fleet.specs:
                    continue
                kind = book.fleet.specs[name].type
                is_starter = kind is ServiceType.FORKING and not state.has_forked
                # A oneshot may run: it was held while an apply made it one, and so kept the life it had.
                is_ending = kind is ServiceType.ONESHOT and state.phase is Phase.RUNNING
                if is_ending or ((kind is ServiceType.ONESHOT or is_starter) and state.phase is Phase.STARTING):
                    book.exits(name, code=0)
                elif kind is ServiceType.NOTIFY:
                    book.notice(name, is_ready=True, is_alive=True)
            self.answer_all()
            for name, slot in [key for key, chore in book.chores.items() if chore.is_born]:
                if (name, slot) in book.chores:
                    book.chore_ends(name, slot)
                self.answer_all()
            for name, kind in [key for key in book.deadlines if key[1] in ("order", "health")]:
                if (name, kind) in book.deadlines:
                    book.fire_deadline(name, kind)
                self.answer_all()
            for name in [n for n in book.timers if book.phase(n) is not Phase.RUNNING]:
                book.now = max(book.now, book.timers[name][1]) if name in book.timers else book.now
                if name in book.timers:
                    book.fire(name)


TestFleet = FleetMachine.TestCase
TestFleet.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, database=None, report_multiple_bugs=False
)
