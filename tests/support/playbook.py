"""A fleet on a fake kernel and a clock that only moves when told: what happens reads as a script.

The kernel here knows processes, sweeps and timers, and asserts what a real one could only suffer: a life is begun
only when the one before it was swept, a timer is armed exactly as long as the state says so. Its answers wait in
`pending`; with `answers_at_once` each is given as soon as it is known, as the daemon does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from amonsup.config.specs import Condition, Dependency, ServiceSpec, ServiceType
from amonsup.supervisor import almanac
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.core.plan import Change, digest, plan
from amonsup.supervisor.model import effects as fx
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import AT_REST, LIVE, Phase
from amonsup.supervisor.model.records import (
    SLOTS,
    ExitReport,
    Hold,
    Operation,
    Outcome,
    ServiceState,
    Stray,
    Task,
    errand_in,
)

SIGTERM, SIGKILL = 15, 9


def service(name: str, *depends_on: str | Dependency, **fields: Any) -> ServiceSpec:
    """A spec; dependencies may be given by name alone."""
    dependencies = tuple(Dependency(each) if isinstance(each, str) else each for each in depends_on)
    return ServiceSpec(name=name, command=("/bin/service",), depends_on=dependencies, **fields)


def healthy(name: str, *, restart: bool = False) -> Dependency:
    return Dependency(name, Condition.HEALTHY, restart)


def completed(name: str) -> Dependency:
    return Dependency(name, Condition.COMPLETED)


def following(name: str) -> Dependency:
    """restart: true"""
    return Dependency(name, restart=True)


class Life:
    """What the kernel has of one generation. `is_asked_for`: Spawn was ordered and not answered yet."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.pid = 0
        self.born = 0.0
        self.is_asked_for = True
        self.is_alive = False
        self.is_clean = False


class Chore:
    """An errand that the kernel has. `end` is decided when it is born, or by the test."""

    def __init__(self, kind: str, token: int) -> None:
        self.kind, self.token = kind, token
        self.is_born = False


class Answer(msgspec.Struct, frozen=True):
    """Something that the kernel will say. `kind`: spawn (still to be done), swept, seek, born and done (of an errand,
    whose token is `generation`), or event."""

    kind: str
    name: str
    generation: int
    event: ev.AnyEvent | None = None


class Playbook:
    """Feed it commands and facts; read `take()`, `phase(name)` and `outcome(operation)`."""

    def __init__(
        self, *specs: ServiceSpec, answers_at_once: bool = True, now: float = 1000.0, wall: float = 1_000_000_000.0
    ) -> None:
        self.fleet = Fleet(specs)
        self.now = now
        self.answers_at_once = answers_at_once
        self.pending: list[Answer] = []
        self.timers: dict[str, tuple[int, float]] = {}
        self.ahead = wall - now  # of the wall clock before the monotonic one
        self.alarms: dict[str, float] = {}
        self.holds: dict[str, Hold | None] = {}
        self.calendars: dict[str, tuple[str, float]] = {}
        self.lives: dict[str, Life] = {}
        self.script: list[str] = []
        self.notes: list[fx.Note] = []
        self.remembered: dict[str, bool] = {}
        self.quarantines: list[fx.Quarantine] = []
        self.downs = 0
        self.deaf: set[str] = set()  # services that ignore their stop signal
        self.clinging: set[str] = set()  # services whose strays ignore it
        self.strays: dict[str, tuple[Stray, ...]] = {}
        self.spawn_failures: dict[str, list[tuple[str, bool]]] = {}  # name -> (reason, is_transient), used up
        self.chores: dict[tuple[str, str], Chore] = {}  # (service, slot)
        self.deadlines: dict[tuple[str, str], tuple[int, float]] = {}
        self.slow: set[str] = set()  # kinds of errands that end only when told to
        self.failing: dict[str, str] = {}  # kinds of errands that fail, and how
        self.begun: set[tuple[str, int]] = set()  # errands, by service and token
        self.undone: dict[str, ServiceSpec] = {}  # whose pre_start has run, and no post_stop after it
        self.looks_at_once = False  # it is seen with the main process's end that nothing else of the life is left
        self.lost: set[str] = set()  # forking services whose daemon is not there when it is looked for
        self._last_pid = 100
        self._last_operation = 0
        self.is_checking = True

    # -- reading --

    def phase(self, name: str) -> Phase:
        return self.fleet.states[name].phase

    def phases(self) -> dict[str, str]:
        return {name: state.phase.value for name, state in self.fleet.states.items()}

    def state(self, name: str) -> ServiceState:
        return self.fleet.states[name]

    def take(self) -> list[str]:
        """The effects since the last look, without notes and timers."""
        taken, self.script = self.script, []
        return taken

    def take_of(self, *names: str) -> list[str]:
        return [line for line in self.take() if line.split(":")[0] in names]

    def said(self, name: str, kind: str) -> list[str]:
        return [note.text for note in self.notes if (note.name, note.kind) == (name, kind)]

    def due_in(self, name: str) -> float | None:
        """Seconds until the service's deadline; None: it has none."""
        return round(self.timers[name][1] - self.now, 6) if name in self.timers else None

    def outcome(self, operation: str, name: str = "") -> str | None:
        """`ok`, or why not, of the (one, or named) target; None: not over."""
        known = self.fleet.operations.known[operation]
        found = known.outcomes.get(name) if name else next(iter(known.outcomes.values()), None)
        return None if found is None else _words(found)

    # -- people --

    @property
    def wall(self) -> float:
        """What the wall clock says."""
        return self.now + self.ahead

    def hold(self, name: str, for_s: float, by: str = "alice", why: str = "") -> None:
        self.feed(ev.Held(name=name, hold=Hold(self.wall + for_s, by, why, self.wall)))

    def release(self, name: str, by: str = "bob") -> None:
        self.feed(ev.Released(name=name, by=by))

    def reset(self, name: str, by: str = "bob") -> None:
        self.feed(ev.WasReset(name=name, by=by))

    def command(self, verb: str, *names: str, by: str = "alice", **fields: bool) -> str:
        """An operation with one task for each of `names`; returns its id."""
        return self.operate({name: Task(self._next_id(), verb, by, **fields) for name in names}, verb, by)

    def start(self, *names: str) -> str:
        return self.command("start", *names)

    def stop(self, *names: str) -> str:
        return self.command("stop", *names)

    def restart(self, *names: str) -> str:
        return self.command("restart", *names)

    def shut_down(self) -> str:
        tasks = {name: Task(self._next_id(), "stop", "SIGTERM") for name in self.fleet.states}
        return self.operate(tasks, "shutdown", "SIGTERM")

    def operate(self, tasks: dict[str, Task], verb: str, by: str) -> str:
        self._last_operation += 1
        operation = f"op-{self._last_operation}"
        tasks = {n: msgspec.structs.replace(t, operation=operation) for n, t in tasks.items()}
        record = Operation(id=operation, verb=verb, by=by, accepted=self.now, targets=tuple(tasks), tasks=tasks)
        take = self.fleet.shut_down if verb == "shutdown" else self.fleet.command
        self._carry_out(take(record, self.now))
        return operation

    def apply(self, *specs: ServiceSpec) -> tuple[list[Change], str]:
        """As handlers/apply.py and the daemon do it: plan, adopt, tell who changed in place, command the rest."""
        changes = plan(self.fleet.specs, {spec.name: spec for spec in specs}, self.fleet.states)
        tasks = {
            change.name: Task(self._next_id(), change.action, "apply", forget=change.action == "stop")
            for change in changes
            if change.action in ("start", "stop", "restart")
        }
        self.fleet.respecify(specs)
        operation = self.operate(tasks, "apply", "apply")
        for change in changes:
            if change.action in ("change", "restart", "add"):
                self.feed(ev.Respecified(name=change.name))
        return changes, operation

    def up(self, *names: str) -> None:
        """Start, and let everybody become running."""
        self.start(*names)
        for _ in range(10):
            for name, life in list(self.lives.items()):
                if life.is_alive and self.fleet.specs[name].type is ServiceType.NOTIFY:
                    self.notice(name, is_ready=True, is_alive=True)
            self.advance(1.0)
        assert all(self.phase(name) is Phase.RUNNING for name in names), self.phases()
        self.take()

    # -- the world --

    def feed(self, *events: ev.AnyEvent) -> None:
        """Events, each in a turn of its own, as the daemon hands them in."""
        for event in events:
            self._carry_out(self.fleet.handle([event], self.now))

    def exits(self, name: str, code: int | None = None, signal: int | None = None, *, core: bool = False) -> None:
        """The main process ends by itself. Neither code nor signal: nobody can say how."""
        self._die(name, code, signal, core=core)
        self._settle()

    def notice(self, name: str, **fields: Any) -> None:
        self.feed(ev.Noticed(name=name, generation=self.state(name).generation, **fields))

    def main_pid(self, name: str) -> int:
        """The service names another of its processes as main (MAINPID=); its pid."""
        self._last_pid += 1
        self.lives[name].pid = self._last_pid
        self.notice(name, main_pid=self._last_pid, main_start_ticks=self._last_pid * 10)
        return self._last_pid

    def advance(self, seconds: float) -> None:
        """Let time pass; every deadline on the way is met at its moment."""
        until = self.now + seconds
        for step in itertools.count():
            assert step < 20_000, f"time stands still: {self.deadlines} {self.timers} {self.alarms}"
            deadlines = [(at, name, self.fire) for name, (_, at) in self.timers.items()]
            deadlines += [(at - self.ahead, name, self.read_clock) for name, at in self.alarms.items()]
            deadlines += [(at, key, self._fire_key) for key, (_, at) in self.deadlines.items()]
            due = min(deadlines, key=lambda each: (each[0], str(each[1])), default=None)
            if due is None or due[0] > until:
                break
            self.now = max(self.now, due[0])
            due[2](due[1])
        self.now = until

    def set_clock(self, by_s: float) -> None:
        """The wall clock is set ahead (or back): whoever waits for it looks at it."""
        self.ahead += by_s
        for name in list(self.alarms):
            self.read_clock(name)

    def read_clock(self, name: str) -> None:
        self.alarms.pop(name, None)
        self.feed(almanac.read(self.fleet.specs[name], self.state(name), self.wall))

    def fire(self, name: str) -> None:
        """The service's deadline is met now, whatever the clock says."""
        token, _ = self.timers.pop(name)
        self.feed(ev.TimerFired(name=name, token=token))

    def _fire_key(self, key: tuple[str, str]) -> None:
        self.fire_deadline(*key)

    def fire_deadline(self, name: str, kind: str) -> None:
        token, _ = self.deadlines.pop((name, kind))
        self.feed(ev.DeadlinePassed(name=name, kind=kind, token=token))

    def chore_ends(self, name: str, slot: str, reason: str = "", **fields: Any) -> None:
        """What is under way in the slot ends; `reason`: in failure."""
        chore = self.chores.pop((name, slot))
        self.feed(ev.ErrandEnded(name=name, token=chore.token, is_ok=not reason, reason=reason, **fields))

    def answer(self, index: int = 0, failure: tuple[str, bool] | None = None) -> None:
        """Give one of the pending answers. `failure`: a spawn comes to nothing, why, and whether for our fault."""
        answer = self.pending.pop(index)
        life = self.lives.get(answer.name)
        if answer.kind == "event":
            assert answer.event is not None
            self.feed(answer.event)
        elif answer.kind in ("born", "done"):
            self._advance_chore(answer)
        elif answer.kind == "seek":
            self._seek(answer.name, answer.generation)
        elif answer.kind == "swept":
            self._sweep_chores(answer.name)
            if life is not None and life.generation == answer.generation:
                life.is_clean, life.is_alive = True, False
            strays = self.strays.pop(answer.name, ())
            self.feed(ev.Swept(name=answer.name, generation=answer.generation, strays=strays))
        elif life is not None and life.is_asked_for:
            self._bear(answer.name, life, failure)

    def unborn(self, name: str) -> None:
        """A predecessor died between intent and exec; the spawn that was under way is no more."""
        self.pending = [a for a in self.pending if (a.kind, a.name) != ("spawn", name)]
        life = self.lives[name]
        life.is_asked_for, life.is_clean = False, True
        self.feed(ev.Unborn(name=name, generation=life.generation))

    def succeed(self) -> None:
        """The supervisor dies; its successor has only what can be written down."""
        states = [_copy(state, ServiceState) for state in self.fleet.states.values()]
        operations = [_copy(each, Operation) for each in self.fleet.operations.known.values()]
        successor = Fleet(self.fleet.specs.values())
        successor.restore(states, operations)
        successor.is_shutting_down = self.fleet.is_shutting_down
        successor.is_watching_only = self.fleet.is_watching_only
        assert successor.states == self.fleet.states
        assert successor.operations.known == self.fleet.operations.known
        self.fleet = successor
        self._carry_out(self.fleet.reconsider_all(self.now))

    # -- the fake kernel --

    def _carry_out(self, effects: Iterable[fx.AnyEffect]) -> None:
        for effect in effects:
            self._do(effect)
        self.check()
        self._settle()

    def _settle(self) -> None:
        while self.answers_at_once and self.pending:
            self.answer()

    def _do(self, effect: fx.AnyEffect) -> None:
        name = effect.name
        match effect:
            case fx.Spawn(generation=generation):
                self._say(name, f"spawn {generation}")
                earlier = self.lives.get(name)
                assert earlier is None or earlier.is_clean, f"{name}: {generation} beside an earlier life"
                assert earlier is None or earlier.generation < generation, f"{name}: {generation} again"
                assert name in self.fleet.specs, f"{name}: a life without a spec"
                self.lives[name] = Life(generation)
                self.pending.append(Answer("spawn", name, generation))
            case fx.SignalMain(signal=signal, generation=generation):
                self._say(name, f"signal {signal}")
                assert generation == self.lives[name].generation
                if name not in self.deaf:
                    self._die(name, None, signal)
            case fx.KillAll(generation=generation):
                self._say(name, "kill")
                assert generation == self.lives[name].generation
                self.clinging.discard(name)
                self._die(name, None, SIGKILL)
            case fx.Sweep(generation=generation, signal=signal):
                self._say(name, f"sweep {signal}" if signal else "sweep")
                self._sweep(name, generation, signal)
            case fx.LetGo(generation=generation):
                assert generation == self.lives[name].generation
                assert not self.lives[name].is_alive
                self.lives[name].is_clean = True
            case fx.SetTimer(token=token, at=at):
                self.timers[name] = (token, at)
            case fx.ClearTimer():
                self.timers.pop(name, None)
            case fx.SetAlarm(at=at):
                self.alarms[name] = at
                if not at:
                    del self.alarms[name]
            case fx.RememberHold(hold=hold):
                self.holds[name] = hold
            case fx.RememberCalendar(calendar=calendar, dealt=dealt):
                self.calendars[name] = calendar, dealt
            case fx.SetDeadline(kind=kind, token=token, at=at):
                self.deadlines[name, kind] = (token, at)
            case fx.ClearDeadline(kind=kind):
                self.deadlines.pop((name, kind), None)
            case fx.RunErrand(kind=kind, token=token):
                self._say(name, kind)
                self._begin_chore(name, kind, token)
            case fx.KillErrand(kind=kind, token=token):
                self._say(name, f"kill {kind}")
                self.pending.append(Answer("done", name, token))
            case fx.SeekMain(generation=generation):
                self._say(name, "seek")
                self.pending.append(Answer("seek", name, generation))
            case fx.Note():
                self.notes.append(effect)
            case fx.Remember(is_stopped=is_stopped):
                self.remembered[name] = is_stopped
            case fx.Forget():
                self._say(name, "forget")
                assert name not in self.lives or self.lives.pop(name).is_clean
                self.timers.pop(name, None)
                self.alarms.pop(name, None)
            case fx.Finished(operation=operation):
                assert operation.is_failed or all(each in operation.outcomes for each in operation.tasks)
                said = [_words(outcome) for outcome in operation.outcomes.values()]
                self._say(operation.id, "; ".join(said))
            case fx.Quarantine():
                self._say(name, "quarantine")
                self.quarantines.append(effect)
            case fx.FleetDown():
                self._say("fleet", "down")
                self.downs += 1

    def _begin_chore(self, name: str, kind: str, token: int) -> None:
        slot = SLOTS[kind]
        earlier = self.chores.get((name, slot))
        assert earlier is None, f"{name}: {kind} beside {earlier and earlier.kind}"
        if kind in ("pre_start", "post_stop"):
            life = self.lives.get(name)
            assert life is None or life.is_clean, f"{name}: {kind} beside a life, or before it was swept"
        spec = self.fleet.specs[name]
        if kind == "pre_start":
            is_new = (name, token) not in self.begun  # or made again, because nobody knows how it ended
            assert self.undone.get(name) is not spec or not is_new, f"{name}: pre_start again, and no post_stop"
            if spec.post_stop:
                self.undone[name] = spec
        elif kind == "post_stop":
            self.undone.pop(name, None)
        self.begun.add((name, token))
        self.chores[name, slot] = Chore(kind, token)
        self.pending.append(Answer("born", name, token))

    def _advance_chore(self, answer: Answer) -> None:
        name, token = answer.name, answer.generation
        found = [key for key, chore in self.chores.items() if key[0] == name and chore.token == token]
        if not found:
            return
        chore = self.chores[found[0]]
        errand = errand_in(self.state(name), found[0][1]) if name in self.fleet.states else None
        if answer.kind == "born":
            chore.is_born = True
            if chore.kind not in self.slow:
                self.pending.append(Answer("done", name, token))
            self._last_pid += 1
            self.feed(ev.ErrandBorn(name=name, token=token, pid=self._last_pid, start_ticks=self._last_pid * 10))
        elif errand is not None and errand.is_killed:
            self.chore_ends(name, found[0][1], "killed by 9")
        else:
            self.chore_ends(name, found[0][1], self.failing.get(chore.kind, ""))

    def _sweep_chores(self, name: str) -> None:
        """They are swept away with the life; that they ended is told later."""
        for key, chore in list(self.chores.items()):
            if key[0] == name:
                del self.chores[key]
                event = ev.ErrandEnded(name=name, token=chore.token, is_ok=False, reason="killed by 9")
                self.pending.append(Answer("event", name, chore.token, event))

    def _seek(self, name: str, generation: int) -> None:
        life = self.lives.get(name)
        if life is None or life.generation != generation or life.is_clean:
            return
        if name in self.lost:
            self.feed(ev.MainMissing(name=name, generation=generation, reason="no daemon"))
            return
        self._last_pid += 1
        life.pid, life.is_alive = self._last_pid, True
        self.feed(ev.MainFound(name=name, generation=generation, pid=life.pid, start_ticks=life.pid * 10))

    def _sweep(self, name: str, generation: int, signal: int) -> None:
        life = self.lives.get(name)
        if life is not None and life.generation == generation:
            life.is_asked_for = False  # a spawn that still waits for an earlier sweep is given up
            self.pending = [a for a in self.pending if (a.kind, a.name) != ("spawn", name)]
            if life.is_alive:  # it was born, and nobody took note
                self._die(name, None, SIGKILL)
        if signal and name in self.clinging:
            return
        self.clinging.discard(name)
        if not any((a.kind, a.name) == ("swept", name) for a in self.pending):
            self.pending.append(Answer("swept", name, generation))

    def _bear(self, name: str, life: Life, failure: tuple[str, bool] | None) -> None:
        planned = self.spawn_failures.get(name)
        failure = failure or (planned.pop(0) if planned else None)
        life.is_asked_for = False
        if failure is not None:
            life.is_clean = True
            reason, is_transient = failure
            event = ev.SpawnFailed(name=name, generation=life.generation, reason=reason, is_transient=is_transient)
            self.feed(event)
            return
        self._last_pid += 1
        life.pid, life.is_alive, life.born = self._last_pid, True, self.now
        self.feed(
            ev.Spawned(
                name=name,
                generation=life.generation,
                pid=life.pid,
                start_ticks=life.pid * 10,
                digest=digest(self.fleet.specs[name]),
                is_captured=True,
            )
        )

    def _die(self, name: str, code: int | None, signal: int | None, *, core: bool = False) -> None:
        life = self.lives[name]
        if not life.is_alive:
            return
        life.is_alive = False
        words = f"exit {code}" if code is not None else f"killed by {signal}" if signal else "ended, unknown"
        report = ExitReport(
            generation=life.generation,
            reason=words,
            at=self.now,
            code=code,
            signal=signal,
            core=core,
            pid=life.pid,
            uptime_s=self.now - life.born,
        )
        is_busy = any(key[0] == name for key in self.chores)
        is_alone = self.looks_at_once and not is_busy and name not in self.clinging and name not in self.strays
        event = ev.Exited(name=name, generation=life.generation, pid=life.pid, report=report, is_alone=is_alone)
        self.pending.append(Answer("event", name, life.generation, event))

    def check(self) -> None:
        """What holds after every turn."""
        if not self.is_checking:
            return
        for name, state in self.fleet.states.items():
            armed = self.timers.get(name)
            if state.timer_at:
                assert armed == (state.timer_token, state.timer_at), f"{name}: {armed} {state}"
            else:
                assert armed is None, f"{name}: {armed} {state}"
            armed_too = {kind: at for (who, kind), at in self.deadlines.items() if who == name}
            assert armed_too == {d.kind: (d.token, d.at) for d in state.deadlines}, f"{name}: {armed_too} {state}"
            assert isinstance(state.phase, Phase)
            assert state.phase is Phase.QUARANTINED or state.phase not in AT_REST or not state.pid, state
            assert state.name in self.fleet.specs
            if state.phase in AT_REST and state.phase is not Phase.QUARANTINED:
                assert not state.timer_at, state
                assert not state.queue, state
                assert not state.errands, state
                assert not state.deadlines, state
                assert not [key for key in self.chores if key[0] == name], self.chores
                assert name not in self.lives or self.lives[name].is_clean, state
            assert not state.errands or state.phase in LIVE | {Phase.QUARANTINED}, state
            assert bool(state.health) <= (state.phase is Phase.RUNNING), state

    def _say(self, who: str, what: str) -> None:
        self.script.append(f"{who}: {what}")

    def _next_id(self) -> str:
        return f"op-{self._last_operation + 1}"


def _words(outcome: Outcome) -> str:
    return "ok" if outcome.is_ok else outcome.text


def _copy(record: Any, kind: Callable[..., Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(record), type=kind)
