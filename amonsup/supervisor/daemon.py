"""The supervisor: the one file that knows every part and wires them.

It turns what the adapters notice into events, lets the engine decide, puts on record what must not be forgotten, and
carries the engine's orders out, in that order: a successor that reads the record may do again what was ordered, but
never finds less on record than was done.

There is one thread and one queue. While events of one turn are handled nothing else happens; what they cause (a spawn
that failed, a sweep that found nothing) goes to the front of the queue.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from amonsup import __version__
from amonsup.config.fingerprints import fingerprint
from amonsup.config.instances import Scaled, expand
from amonsup.config.specs import Loaded, Logging, RestartPolicy, ServiceSpec, SiteSpec
from amonsup.loop.loop import Loop, Timer
from amonsup.supervisor import guardian, helper_process
from amonsup.supervisor.access import Access
from amonsup.supervisor.adapters import applied as applied_files
from amonsup.supervisor.adapters import files, journal, prctl, procfs, scopes, server, spawn
from amonsup.supervisor.adapters.limits import Limits
from amonsup.supervisor.adapters.outputs import Outputs
from amonsup.supervisor.adapters.store import Store
from amonsup.supervisor.adapters.watch import Ended, Watch
from amonsup.supervisor.adapters.wishes import Autostart, Mute, Wish, Wishes
from amonsup.supervisor.almanac import Almanac, read
from amonsup.supervisor.attendants import Attendants
from amonsup.supervisor.births import Surroundings, base_environment
from amonsup.supervisor.control_link import CONTROL, ControlLink, control_spec
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.core.turn import LONG_AGO
from amonsup.supervisor.handlers.desk import Call, OwnProcess, Refusal, Reply
from amonsup.supervisor.household import LOGGER, PROBER, logger_spec, needs_prober, prober_spec
from amonsup.supervisor.lives import Lives
from amonsup.supervisor.logger_link import LoggerLink, told
from amonsup.supervisor.matches import Matches
from amonsup.supervisor.model import effects as fx
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import AT_REST, LIVE, Phase
from amonsup.supervisor.model.records import Deadline, Operation, Outcome, ServiceState, Task, errand_in
from amonsup.supervisor.prober_link import ProberLink
from amonsup.supervisor.readers import Readers
from amonsup.supervisor.record import Record
from amonsup.supervisor.requests import Requests
from amonsup.supervisor.tidings import Tidings, complain, rfc3339
from amonsup.verbs.results import Happening

PUBLIC_SOCKET = "public"
WATCH_ONLY_S = 30.0
DISK_RETRY_S = 5.0


ACTING = frozenset({fx.Spawn, fx.SignalMain, fx.KillAll, fx.Forget, fx.Finished, fx.FleetDown, fx.RunErrand})


class Supervisor:
    """Everything of one site. Also the desk that handlers work at."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.own_uid = os.geteuid()
        self.loop = Loop()
        self.now = self.loop.now
        self.site, self._applied = _read_site(options)
        self.fleet = Fleet(expand(self._applied.loaded.fleet.services, self._applied.scaled))
        self.household = Fleet(self._household_specs())
        self._queue: deque[ev.AnyEvent] = deque()
        self._is_pumping = False
        self._early: list[socket.socket] = []  # streams of control that wait for the server
        self._carry_out_by_kind = self._effect_table()
        self._timers: dict[str, Timer] = {}
        self._applies: deque[Callable[[], None]] = deque()
        self._retry: Timer | None = None
        self._is_up = False

        link = socket.socket(fileno=guardian.LINK_FD)
        self.store = Store(self.loop, link, self._told_of_exit, self._on_signal, self._become_guardian)
        self.watch = Watch(self.loop, options["guardian"], self.store.acknowledge, self.store.listen_briefly)
        self.store.greet()
        self.tidings = Tidings(self.site.state_dir)
        self.wishes = Wishes(self.site.state_dir)
        self.almanac = Almanac(self.loop, time.time, self._read_clock, self.post_all)
        self.outputs = Outputs(self.site.run_dir, self.store)
        found = journal.recover(self._journal_path, procfs.boot_id())
        self.instance = found.instance or os.urandom(8).hex()
        head = journal.Head(journal.FORMAT, procfs.boot_id(), self.instance)
        fleets = (self.fleet, self.household)
        self.record = Record(self.loop, self._journal_path, head, fleets, self._applied.serial)
        self.lives = self._make_lives()
        self.outputs.instance = self.instance
        self.outputs.later = self._shortly
        self.matches = Matches(self.loop, self.fleet, self.tidings, self.post)
        births, scopes = self.lives.births, self.lives.scopes
        self.attendants = Attendants(
            self.loop, self.watch, births, scopes, self.fleet, self.tidings.say, self._reopens_logs
        )
        companions = (self.attendants, self.matches)
        self.logger = LoggerLink(self.loop, self.store, self.outputs, self._log_settings, self.tidings.say, companions)
        self.lives.extras[LOGGER] = self.logger.make
        errands = self.lives.errands
        self.prober = ProberLink(self.loop, self.store, errands.probed, errands.prober_gone)
        self.lives.extras[PROBER] = self.prober.make
        errands.probe = self.prober.ask
        self.readers = Readers(self.site, self.watch)
        self.start_reader = self.readers.start
        self.control = ControlLink(self.loop, self.store, lambda: self.applied().site, self._welcome_control)
        self.lives.extras[CONTROL] = self.control.make
        self.access = Access(self, self.site.state_dir, self.loop.call_at)
        self.requests = Requests(self, self.instance, self.access)
        self.tidings.followers = self.requests.happened
        self._found = found
        self.server: server.Server | None = None

    # -- beginning --

    def run(self) -> int:
        self.watch.listen()
        self.loop.on_signals(
            [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2],
            lambda signum: self._on_signal(signal.Signals(signum).name.removeprefix("SIG")),
        )
        found = self._found
        if found.set_aside:
            self.tidings.say("state-set-aside", f"unreadable state was set aside as {found.set_aside}")
        is_successor = bool(found.instance)
        self.outputs.recover(lambda name, generation: self._is_current(found, name, generation))
        self.outputs.drop_unborn(lambda name, generation: self._is_to_come(found, name, generation))
        if is_successor:
            self._take_over(found)
        else:
            self.record.begin(is_applied=True)
            self._boot()
        live = {name for name, state in self.fleet.states.items() if state.phase in LIVE}
        self.lives.keep_only({*self.fleet.states, *self.household.states}, live)
        self._open_server()
        self._is_up = True
        self.watch.reap_orphans()
        self.store.deliver_pending()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)  # little is made per event, and almost nothing of it in cycles
        gc.enable()
        self.loop.run()
        return 0

    def _make_lives(self) -> Lives:
        soft, hard = self.options["nofile"]
        surroundings = Surroundings(
            site=self.site.site,
            run_dir=self.site.run_dir,
            nofile=(soft, hard),
            oom_score_adj=0 if self.own_uid == 0 else None,
            base_environment=base_environment(os.environ),
        )
        base = scopes.cgroup_base(self.site.run_dir)
        if base is not None:
            made: scopes.Scopes = scopes.CgroupScopes(base)
        else:
            lock = os.fstat(guardian.LOCK_FD)
            made = scopes.MarkerScopes(
                # The lock outlives every state file, so what still runs is found even if the record is lost.
                f"{lock.st_dev}:{lock.st_ino}",
                lambda: (os.getpid(), self.options["guardian"]),
                lambda: {*self.watch.processes, os.getpid()} - self.watch.former,
            )
        run_dir = self.site.run_dir
        limits = Limits(run_dir, scopes.tag_of(run_dir), base or "", (os.getpid(), self.options["guardian"]))
        limits.review(self.fleet.specs.values())
        return Lives(self.loop, surroundings, made, limits, self.watch, self.outputs, self.store, self.post, self._note)

    def _boot(self) -> None:
        """The first supervisor since the machine (or the whole daemon) was started."""
        self.tidings.say(
            "daemon-started", f"amonsup {__version__}, {len(self.fleet.specs)} services, spawner {spawn.KIND}"
        )
        boot = f"boot-{self.instance}"
        self._run(
            self.household,
            self.household.command(self._start_operation(boot, list(self.household.specs)), self.now()),
        )
        for name, generation in self.outputs.lives():
            # Left over by another boot, or with a record that was lost: to be drained, not to be taken for a new life.
            if name in self.fleet.states:
                state = self.fleet.states[name]
                state.generation = max(state.generation, generation)
        self._settle_in(self.fleet.specs)
        wanted = [s.name for s in self.fleet.specs.values() if not s.schedule and self._starts_at_boot(s)]
        self._run(self.fleet, self.fleet.command(self._start_operation(boot, wanted), self.now()))
        self._pump()

    def _household_specs(self) -> tuple[ServiceSpec, ...]:
        site = self._applied.loaded.site
        found = [logger_spec(self.site)]
        if site.xmpp is not None:
            found.append(control_spec(site))
        if needs_prober(self._applied.loaded.fleet.services):
            found.append(prober_spec(self.site))
        return tuple(found)

    def _household_operation(self, verb: str, names: list[str], *, forget: bool = False) -> Operation:
        task = Task(operation="household", verb=verb, by="shutdown" if verb == "stop" else "boot", forget=forget)
        return Operation(
            id="household",
            verb=verb,
            by=task.by,
            accepted=self.now(),
            targets=tuple(names),
            tasks=dict.fromkeys(names, task),
        )

    def _start_operation(self, operation_id: str, names: list[str]) -> Operation:
        task = Task(operation=operation_id, verb="start", by="boot")
        return Operation(
            id=operation_id,
            verb="start",
            by="boot",
            accepted=self.now(),
            targets=tuple(names),
            tasks=dict.fromkeys(names, task),
        )

    def _starts_at_boot(self, spec: ServiceSpec) -> bool:
        if not self.is_enabled(spec):
            return False
        return spec.restart is not RestartPolicy.UNLESS_STOPPED or not self.wishes.of(spec.name).is_stopped

    def _settle_in(self, names: Iterable[str]) -> None:
        """States that are new: what outlived the last boot becomes part of them."""
        for name in names:
            state, spec, wish = self.fleet.states[name], self.fleet.specs[name], self.wishes.of(name)
            state.hold = wish.hold
            if spec.schedule:
                state.calendar, state.dealt = wish.calendar, wish.dealt
                state.is_paused = not self._starts_at_boot(spec)
            self._read_clock_for(state)

    def _read_clock(self, name: str, wall: float) -> ev.ClockRead:
        return read(self.fleet.specs[name], self.fleet.states[name], wall)

    def _read_clock_for(self, state: ServiceState) -> None:
        if state.hold is not None or state.calendar or self.fleet.specs[state.name].schedule:
            self.almanac.set(state.name, LONG_AGO)

    # -- taking over --

    def _take_over(self, found: journal.Recovered) -> None:
        """Go on where a predecessor was cut off."""
        states = found.states.values()
        operations = dict(found.operations)
        last_apply = self._applied.operation
        is_unknown = self._applied.instance == self.instance and found.applied < self._applied.serial
        if last_apply is not None and is_unknown:
            operations.setdefault(last_apply.id, last_apply)
        self.fleet.specs.update({s.name: s for s in self._applied.leaving if s.name in found.states})
        if PROBER in found.states:  # needed or not any more: it is there, or was
            self.household.specs.setdefault(PROBER, prober_spec(self.site))
        household = [s for s in states if s.name in self.household.specs]
        self.household.restore(household, ())
        self.fleet.restore([s for s in states if s.name not in self.household.specs], operations.values())
        self.tidings.say("took-over", f"amonsup {__version__}, {len(states)} states, {self.store.deaths} deaths so far")
        # The record goes with the last step of a shutdown: if one stands in it, over or not, it was not finished.
        self.fleet.is_shutting_down = any(o.verb == "shutdown" for o in self.fleet.operations.known.values())
        self._set_watch_only(self.store.is_watch_only)
        self.record.begin(is_applied=False)
        self.logger.resume()
        self.control.resume()
        self.prober.resume()
        self.attendants.thaw_what_was_left()
        self._is_pumping = True  # nothing is decided before everybody is adopted
        for fleet in (self.household, self.fleet):
            for state in list(fleet.states.values()):
                self._take_over_service(fleet, state)
        self._is_pumping = False
        self.watch.acknowledge_told()
        self._pump()
        self._renew_prober()
        missing = [name for name, state in self.household.states.items() if state.phase not in LIVE]
        if missing and not self.household.is_shutting_down:
            self._run(self.household, self.household.command(self._start_operation("household", missing), self.now()))
        self._resume_operations()
        self._run(self.fleet, self.fleet.reconsider_all(self.now()))
        self._pump()
        if self.fleet.is_shutting_down and all(s.phase in AT_REST for s in self.fleet.states.values()):
            self._fleet_down(self.fleet)

    def _take_over_service(self, fleet: Fleet, state: ServiceState) -> None:
        watchdog_s = fleet.specs[state.name].watchdog_s
        if state.phase is Phase.RUNNING and watchdog_s > 0:
            state.timer_at = self.now() + watchdog_s  # while nobody listened, nobody could be heard
        if fleet is self.fleet:
            self._read_clock_for(state)
        for deadline in state.deadlines:
            self._set_deadline(state.name, deadline)
        if state.timer_at:
            self._set_timer(fx.SetTimer(name=state.name, token=state.timer_token, at=state.timer_at))
        if state.phase in LIVE or state.phase is Phase.QUARANTINED:
            self.lives.take_over(fleet.specs[state.name], state)
        # What was ordered may or may not have been done before the predecessor died.
        if state.phase is Phase.STOPPING and state.pid:
            hook = errand_in(state, "hook")
            if state.is_killed:
                self.lives.kill(state)
            elif hook is None or hook.kind != "pre_stop":
                self.lives.signal(state, fleet.specs[state.name].stop_signal)

    def _resume_operations(self) -> None:
        """Give every open operation the tasks that had not reached their service yet."""
        for operation in self.fleet.operations.open():
            if operation.verb == "upgrade":
                note = f"this is amonsup {__version__}"
                self._finish(self.fleet.operations.finish(operation.id, self.now(), note))
                continue
            if self.fleet.is_watching_only:
                note = "given up: the supervisor died repeatedly"
                for state in self.fleet.states.values():
                    state.queue = tuple(task for task in state.queue if task.operation != operation.id)
                self._finish(self.fleet.operations.finish(operation.id, self.now(), note, is_failed=True))
                continue
            events = [
                ev.Commanded(name=name, task=task)
                for name, task in operation.tasks.items()
                if name not in operation.outcomes
                and name in self.fleet.states
                and all(t.operation != operation.id for t in self.fleet.states[name].queue)
            ]
            self._run(self.fleet, self.fleet.handle(events, self.now()))
            self._drop_vanished(operation)
        self._pump()

    def _drop_vanished(self, operation: Operation) -> None:
        """Targets that were forgotten before the outcome was on record: their removal is what was wanted."""
        operations = self.fleet.operations
        for name, task in operation.tasks.items():
            is_vanished = task.forget and name not in self.fleet.states and name not in operation.outcomes
            if is_vanished and operations.settle(operation.id, name, Outcome(is_ok=True), self.now()):
                self._finish(operation)

    @staticmethod
    def _is_current(found: journal.Recovered, name: str, generation: int) -> bool:
        state = found.states.get(name)
        return state is not None and state.generation == generation and state.phase in LIVE

    @staticmethod
    def _is_to_come(found: journal.Recovered, name: str, generation: int) -> bool:
        state = found.states.get(name)
        return state is not None and generation > state.generation

    def _set_watch_only(self, is_so: bool) -> None:
        self.fleet.is_watching_only = is_so
        if not is_so:
            return
        self.tidings.say("watching-only", f"the supervisor died repeatedly; nothing is started for {WATCH_ONLY_S:g} s")
        self.loop.call_at(self.now() + WATCH_ONLY_S, self._end_watch_only)

    def _end_watch_only(self) -> None:
        self.fleet.is_watching_only = False
        self.tidings.say("watching-ended", "services are looked after again")
        self._run(self.fleet, self.fleet.reconsider_all(self.now()))
        self._pump()

    # -- the engine's turn --

    def post(self, event: ev.AnyEvent) -> None:
        """Something happened. Handled at once, or after the event that is being handled."""
        self._queue.append(event)
        if not self._is_pumping:
            self._pump()

    def post_all(self, events: Iterable[ev.AnyEvent]) -> None:
        """The same for several, settled together."""
        self._queue.extend(events)
        self._pump()

    def _pump(self) -> None:
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._queue:
                event = self._queue.popleft()
                fleet = self._fleet_of(event.name)
                self._run(fleet, fleet.handle((event,), self.now()))
        finally:
            self._is_pumping = False
        self.record.write()
        self._settle_accounts()

    def _fleet_of(self, name: str) -> Fleet:
        return self.household if name in self.household.specs else self.fleet

    def _run(self, fleet: Fleet, effects: list[fx.AnyEffect]) -> None:
        """Record, then act. Events that acting causes are handled before whatever else is queued.

        What may be done twice without harm (a sweep, a timer) need not be on record first; that is written at the
        latest when the queue is empty.
        """
        if not ACTING.isdisjoint(map(type, effects)):
            self.record.write()
        waiting, self._queue = self._queue, deque()
        was_pumping, self._is_pumping = self._is_pumping, True
        for effect in effects:
            self._carry_out_effect(fleet, effect)
        self._is_pumping = was_pumping
        self._queue.extend(waiting)

    def _carry_out_effect(self, fleet: Fleet, effect: fx.AnyEffect) -> None:
        self._carry_out_by_kind[type(effect)](fleet, effect)

    def _spawn(self, fleet: Fleet, effect: fx.Spawn) -> None:
        self.lives.spawn(fleet.specs[effect.name], effect.generation)

    def _signal_main(self, fleet: Fleet, effect: fx.SignalMain) -> None:
        self.lives.signal(fleet.states[effect.name], effect.signal)

    def _kill_all(self, fleet: Fleet, effect: fx.KillAll) -> None:
        self.lives.kill(fleet.states[effect.name])

    def _sweep(self, fleet: Fleet, effect: fx.Sweep) -> None:
        self.lives.sweep(fleet.specs[effect.name], effect.generation, effect.signal)

    def _run_errand(self, fleet: Fleet, effect: fx.RunErrand) -> None:
        self.lives.errands.run(fleet.specs[effect.name], fleet.states[effect.name], effect.kind, effect.token)

    def _remember(self, fleet: Fleet, effect: fx.Remember) -> None:
        if fleet is self.fleet:
            self.wishes.stop(effect.name, is_stopped=effect.is_stopped)

    def _forget(self, _fleet: Fleet, effect: fx.Forget) -> None:
        self._clear_timer(effect.name)
        self.almanac.set(effect.name, 0.0)
        self.lives.forget(effect.name)
        self.matches.forget(effect.name)
        self.attendants.forget(effect.name)
        self.record.forget(effect.name)

    def _effect_table(self) -> dict[type, Callable[[Fleet, Any], None]]:
        return {
            fx.Spawn: self._spawn,
            fx.SignalMain: self._signal_main,
            fx.KillAll: self._kill_all,
            fx.Sweep: self._sweep,
            fx.SetTimer: lambda _fleet, effect: self._set_timer(effect),
            fx.ClearTimer: lambda _fleet, effect: self._clear_timer(effect.name),
            fx.SetDeadline: lambda _fleet, effect: self._set_deadline(effect.name, effect),
            fx.ClearDeadline: lambda _fleet, effect: self._clear_timer(f"{effect.name}/{effect.kind}"),
            fx.RunErrand: self._run_errand,
            fx.KillErrand: lambda _fleet, effect: self.lives.errands.kill(effect.name, effect.kind, effect.token),
            fx.SeekMain: lambda fleet, effect: self.lives.seek(fleet.specs[effect.name], effect.generation),
            fx.Note: lambda _fleet, effect: self.tidings.note(effect),
            fx.Remember: self._remember,
            fx.RememberHold: lambda _fleet, effect: self.wishes.hold(effect.name, effect.hold),
            fx.RememberCalendar: lambda _fleet, effect: self.wishes.deal(effect.name, effect.calendar, effect.dealt),
            fx.SetAlarm: lambda _fleet, effect: self.almanac.set(effect.name, effect.at),
            fx.Forget: self._forget,
            fx.Finished: lambda _fleet, effect: self._finish(effect.operation),
            fx.Quarantine: self._quarantine,
            fx.FleetDown: lambda fleet, _effect: self._fleet_down(fleet),
        }

    def _set_timer(self, effect: fx.SetTimer) -> None:
        self._clear_timer(effect.name)
        name, token = effect.name, effect.token
        self._timers[name] = self.loop.call_at(effect.at, partial(self._timer_fired, name, token))

    def _timer_fired(self, name: str, token: int) -> None:
        self._timers.pop(name, None)
        self.post(ev.TimerFired(name=name, token=token))

    def _set_deadline(self, name: str, deadline: fx.SetDeadline | Deadline) -> None:
        key = f"{name}/{deadline.kind}"
        self._clear_timer(key)
        event = ev.DeadlinePassed(name=name, kind=deadline.kind, token=deadline.token)
        self._timers[key] = self.loop.call_at(deadline.at, lambda: self.post(event))

    def _clear_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _quarantine(self, fleet: Fleet, effect: fx.Quarantine) -> None:
        name, error = effect.name, effect.error
        path = os.path.join(self.site.state_dir, f"transcript-{name}-{time.strftime('%Y%m%dT%H%M%S')}.json")
        try:
            files.write_atomically(path, effect.transcript, is_durable=False)
        except OSError as failure:
            path = f"not written: {failure.strerror}"
        fleet.states[name].quarantine = path
        complain(f"internal error: {name}: {error}; it is in quarantine, transcript: {path}")

    # -- the record --

    @property
    def _journal_path(self) -> str:
        return os.path.join(self.site.run_dir, "journal")

    def _settle_accounts(self) -> None:
        """After a turn: what was noted goes to the journal of events and to whoever listens."""
        self._save_wishes()
        self.tidings.flush(lambda note: not (note.name in self.household.specs and self._is_routine(note.kind)))

    def _save_wishes(self) -> None:
        self.wishes.save()
        if self.wishes.error and self._retry is None:
            self._retry = self.loop.call_at(self.now() + DISK_RETRY_S, self._retry_disk)

    def _retry_disk(self) -> None:
        self._retry = None
        self._save_wishes()

    def _is_routine(self, kind: str) -> bool:
        """What of our own processes nobody needs to read."""
        return kind in ("started", "running") or self.household.is_shutting_down

    def _note(self, name: str, kind: str, text: str, by: str = "") -> None:
        self.tidings.note(fx.Note(name=name, kind=kind, text=text, by=by))

    # -- what the kernel and the guardian tell --

    def _told_of_exit(self, pid: int, ticks: int, ended: Ended, trace: str) -> None:
        self.watch.told_by_guardian(pid, ticks, ended, trace)

    def _on_signal(self, name: str) -> None:
        verb = {"TERM": "shutdown", "HUP": "apply", "USR2": "upgrade"}.get(name)
        if verb is not None:
            self._internal_call(verb, f"SIG{name}")
        self.store.taken(name)

    def _internal_call(self, verb: str, by: str, **arguments: object) -> None:
        import importlib

        from amonsup.config.specs import Role
        from amonsup.verbs import load

        declared = load(verb)
        assert declared is not None
        call = Call(f"{by}-{os.urandom(4).hex()}", verb, Role.ADMIN, by, declared.arguments(**arguments))
        reply = importlib.import_module(f"amonsup.supervisor.handlers.{verb}").handle(self, call)
        if isinstance(reply, Refusal):
            self.tidings.say("refused", f"{by}: {reply.text}")
        elif isinstance(reply, Operation):
            self.carry_out(reply)

    def _reopens_logs(self, name: str) -> None:
        """A file of the service was renamed under it."""
        self._internal_call("reload", "log-rotation", services=(name,))

    def own_files(self, name: str) -> dict[str, str]:
        return self.attendants.facts(name)

    def _log_settings(self, name: str) -> dict[str, Any]:
        """How the output of a service is kept; of one that is no longer configured: as by default."""
        spec = self.fleet.specs.get(name)
        return told(spec.logging if spec is not None else Logging())

    # -- the desk --

    def wall(self, at: float) -> str:
        return rfc3339(time.time() - (self.now() - at))

    def clock(self) -> float:
        return time.time()

    def wish(self, name: str) -> Wish:
        return self.wishes.of(name)

    def enable(self, name: str, autostart: Autostart) -> None:
        self.wishes.enable(name, autostart)
        self._note(name, "enabled" if autostart.is_enabled else "disabled", "", autostart.by)
        self._settle_accounts()

    def is_enabled(self, spec: ServiceSpec) -> bool:
        wish = self.wishes.of(spec.name).autostart
        return spec.autostart if wish is None else wish.is_enabled

    def applied(self) -> Loaded:
        return self._applied.loaded

    def mute(self, names: Iterable[str], mute: Mute | None) -> None:
        for name in names:
            self.wishes.mute(name, mute)
            text = f"until {rfc3339(mute.until)}" + (f": {mute.why}" if mute.why else "") if mute else "alerts again"
            self.tidings.note(fx.Note(name=name, kind="muted", text=text, by=mute.by if mute else ""))
        self._settle_accounts()

    def run_helper(self, role: str, options: dict[str, object], then: Callable[[int, bytes], None]) -> None:
        complete = {**options, "state_dir": self.site.state_dir, "run_dir": self.site.run_dir}
        helper_process.run(self.loop, self.watch, role, complete, then)

    def ask_control(self, message: dict[str, object], then: Callable[[str], None]) -> None:
        self.control.ask(message, then)

    def _shortly(self, call: Callable[[], None]) -> None:
        self.loop.call_at(self.loop.now() + 1.0, call)

    def is_our_own(self, pid: int) -> bool:
        return any(pid == state.pid for state in self.household.states.values())

    def warnings(self) -> tuple[str, ...]:
        found = []
        if fingerprint(self.site.conf_d) != self._applied.loaded.fingerprint:
            found.append("conf.d differs from what is applied: amonsup apply --dry-run shows how")
        if self.fleet.is_watching_only:
            found.append("the supervisor died repeatedly: it adopts and watches only, for half a minute")
        if self.fleet.is_shutting_down:
            found.append("amonsupd is shutting down")
        found += [error for error in (self.record.error, self.tidings.error, self.wishes.error) if error]
        found += self.lives.limits.warnings()
        found += [f"xmpp {name}: {text}" for name, text in self.control.sessions.items() if text]
        return (*found, *self.logger.warnings())

    def own_processes(self) -> dict[str, OwnProcess]:
        scope = {
            "cgroup": "a cgroup each",
            "marker": "an inherited limit as marker (no cgroup can be made here)",
        }
        facts = {
            "version": __version__,
            "python": sys.version.split()[0],
            "spawner": spawn.KIND,
            "scopes": scope[self.lives.scopes.kind],
            "limits": self.lives.limits.versions,
            "descriptors": str(len(self.store.descriptors)) + " in the store",
            "run_dir": self.site.run_dir,
            "state_dir": self.site.state_dir,
        }
        return {
            "supervisor": OwnProcess("supervisor", os.getpid(), self.store.deaths, "owns the services", facts),
            "guardian": OwnProcess(
                "guardian", self.options["guardian"], 0, "restarts the supervisor, keeps descriptors", {}
            ),
        }

    def happenings(self) -> Iterable[Happening]:
        return self.tidings.happenings()

    def command_logs(self, verb: str, name: str, then: Callable[[str], None]) -> None:
        self.logger.command(verb, name, then)

    def follow(self, call: Call, services: tuple[str, ...]) -> None:
        self.requests.follow(call, services)

    def reply(self, call: Call, reply: Reply) -> None:
        if call.by.startswith("SIG") and isinstance(reply, Refusal):
            self.tidings.say("refused", f"{call.by}: {reply.text}")
        self.requests.reply(call, reply)

    def carry_out(self, operation: Operation) -> None:
        """The operation goes on record with its tasks queued, 'accepted' goes out, then the effects follow."""
        self.tidings.command(_words(operation), operation.by)
        if operation.verb == "shutdown":
            effects = self.fleet.shut_down(operation, self.now())
        else:
            effects = self.fleet.command(operation, self.now())
        self.record.write()
        self.requests.recorded(operation)
        self._run(self.fleet, effects)
        self._pump()

    def _finish(self, operation: Operation) -> None:
        self.record.write()
        self.requests.finished(operation)

    # -- the configuration --

    def load_configuration(self, then: Callable[[Loaded | str], None]) -> None:
        def begin() -> None:
            options = {"arguments": [self.site.config_file], "run_dir": self.site.run_dir}
            helper_process.run(self.loop, self.watch, "config", options, ended)

        def ended(code: int, raw: bytes) -> None:
            self._applies.popleft()
            try:
                then(_loaded_or_errors(code, raw))
            finally:
                if self._applies:
                    self._applies[0]()

        self._applies.append(begin)
        if len(self._applies) == 1:
            begin()

    def scaled(self) -> dict[str, Scaled]:
        return self._applied.scaled

    def commit(
        self, call: Call, loaded: Loaded, scaled: dict[str, Scaled], operation: Operation, renewed: list[str]
    ) -> None:
        services = expand(loaded.fleet.services, scaled)
        new = {spec.name for spec in services}
        record = applied_files.Applied(
            format=applied_files.FORMAT,
            serial=self._applied.serial + 1,
            at=time.time(),
            loaded=loaded,
            instance=self.instance,
            operation=operation,
            leaving=tuple(self.fleet.specs[name] for name in self.fleet.states if name not in new),
            scaled=scaled,
        )
        try:
            applied_files.write(self.site.state_dir, self.site.run_dir, record)
        except OSError as error:
            where = error.filename or self.site.state_dir
            text = f"cannot record the new configuration: {error.strerror}: {where}; nothing was changed"
            self.requests.reply(call, Refusal("failed", text))
            return
        self.requests.accept(self.requests.take_open(call.id), operation)
        site_before = self.applied().site
        self._applied = record
        self.record.serial = record.serial
        known, before = set(self.fleet.states), self.fleet.specs
        self.fleet.respecify(services)
        self.lives.respecified(before, self.fleet.specs)
        self._settle_in(name for name in self.fleet.specs if name not in known)
        self.wishes.keep_only(new)
        self.attendants.configured(before)
        self.matches.configured(before)
        self._queue.extend(ev.Respecified(name=name) for name in renewed)
        for name in renewed:
            self.logger.changed(name)
        self._renew_control(site_before, loaded.site)
        self._renew_prober()
        self.carry_out(operation)

    def _renew_control(self, before: SiteSpec, now: SiteSpec) -> None:
        """What control is born with may have changed; the logger's cannot (handlers/apply.py)."""
        if (before.xmpp, before.site, before.tags) == (now.xmpp, now.site, now.tags):
            return
        self.household.respecify(self._household_specs())
        verb = "stop" if now.xmpp is None else "restart"
        operation = self._household_operation(verb, [CONTROL], forget=now.xmpp is None)
        self._run(self.household, self.household.command(operation, self.now()))

    def _renew_prober(self) -> None:
        """It is there only while a check needs it."""
        is_needed = needs_prober(self._applied.loaded.fleet.services)
        prober = self.household.states.get(PROBER)
        is_there = prober is not None and not any(task.forget for task in prober.queue)  # on its way out is not there
        if is_needed == is_there or self.household.is_shutting_down:
            return
        self.household.respecify(self._household_specs())
        operation = self._household_operation("start" if is_needed else "stop", [PROBER], forget=not is_needed)
        self._run(self.household, self.household.command(operation, self.now()))

    # -- ends of ours --

    def upgrade(self, call: Call) -> None:
        def tried(code: int, raw: bytes) -> None:
            if code != 0:
                words = raw.decode("utf-8", "replace").strip().splitlines()
                detail = words[-1] if words else "see the daemon's stderr"
                self.reply(
                    call,
                    Refusal("failed", f"the installed version does not load ({detail}); nothing changed"),
                )
                return
            operation = Operation(id=call.id, verb="upgrade", by=call.by, accepted=self.now(), targets=(), tasks={})
            self.requests.accept(self.requests.take_open(call.id), operation)
            self.fleet.operations.add(operation)
            self.record.write()
            self.requests.recorded(operation)
            self.tidings.say("upgrading", f"from {__version__} to {raw.decode('utf-8', 'replace').strip()} ({call.by})")
            self._leave_for_upgrade()

        # It also reads what it would have to go on from: a version that cannot must not get the services.
        options = {"run_dir": self.site.run_dir, "state_dir": self.site.state_dir}
        helper_process.run(self.loop, self.watch, "probe", options, tried)

    def _leave_for_upgrade(self) -> None:
        """Our processes follow one by one: those with a link end with it, the guardian and our successor are new."""
        for link in ("link:logger", "link:control", "link:prober"):
            self.store.drop(link)
        self.store.announce_upgrade()
        self.loop.call_soon(self.loop.stop)

    def _open_server(self) -> None:
        fd = self.store.descriptors.get(PUBLIC_SOCKET)
        if fd is None:
            listener = server.listen_at(self.site.socket)
            self.store.keep(PUBLIC_SOCKET, os.dup(listener.fileno()))
        else:
            listener = socket.socket(fileno=os.dup(fd))
        self.server = server.Server(self.loop, listener, self.requests.hello, self.requests.take)
        early, self._early = self._early, []
        for sock in early:
            self._welcome_control(sock)

    def _welcome_control(self, sock: socket.socket) -> None:
        """At the beginning there is no server yet: control waits in the socket."""
        if self.server is None:
            self._early.append(sock)
        else:
            self.server.adopt(sock, server.Peer(0, -1, CONTROL, frozenset(), is_control=True))

    def _fleet_down(self, fleet: Fleet) -> None:
        """A shutdown: first the services, then, once the logger has everything, the logger, then we."""
        if fleet is self.fleet:
            self.loop.call_soon(self._drain_logger)
        else:
            self._leave_for_good()

    def _drain_logger(self) -> None:
        deadline = self.now() + 5.0

        def look() -> None:
            if self.household.is_shutting_down:
                return  # drained before the deadline
            if self.outputs.is_drained or self.now() >= deadline:
                down = self._household_operation("stop", list(self.household.states))
                self._run(self.household, self.household.shut_down(down, self.now()))
                self._pump()
            else:
                self.outputs.when_drained = look
                self.loop.call_at(deadline, look)

        look()

    def _leave_for_good(self) -> None:
        self.tidings.say("daemon-stopped", "everything is stopped")
        self.readers.close()
        self.attendants.close()
        self.lives.close()
        self.store.announce_down(0)
        for path in (self._journal_path, self.site.socket):
            with contextlib.suppress(OSError):
                os.unlink(path)
        self.loop.call_soon(self.loop.stop)

    def _become_guardian(self) -> None:
        """Our parent is gone. Same pid, same children, same descriptors: we are the guardian now."""
        if self._is_up:
            self.record.write()
        take_guardians_role(self.options, self.store.descriptors)


def take_guardians_role(options: dict[str, Any], store: dict[str, int]) -> None:
    """Our parent is gone, at whatever moment: what it held and we do not is found again by path, or made anew."""
    complain("the guardian died; taking its role")
    table = {"lock": guardian.LOCK_FD, "store": store, "exits": [], "pending": []}
    guardian.become_guardian(options, table)


def _loaded_or_errors(code: int, raw: bytes) -> Loaded | str:
    from amonsup.config.helper import Answer

    try:
        answer = msgspec.json.decode(raw, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return f"the configuration could not be read: the parser ended with {code}"
    if answer.loaded is not None:
        applied_files.share(answer.loaded.fleet.services)
        return answer.loaded
    return "\n".join(error.render() for error in answer.errors)


def _words(operation: Operation) -> str:
    names = ", ".join(operation.targets[:5]) + (" …" if len(operation.targets) > 5 else "")
    return f"{operation.verb} {names}".strip()


def _read_site(options: dict[str, Any]) -> tuple[SiteSpec, applied_files.Applied]:
    applied, set_aside = applied_files.read(options["state_dir"], options["run_dir"])
    if set_aside:
        complain(f"the applied configuration could not be read; it was set aside as {set_aside}")
    if applied is None:
        raise SystemExit(f"no applied configuration in {options['state_dir']} and {options['run_dir']}")
    if set_aside:
        applied_files.write(options["state_dir"], options["run_dir"], applied)
    return msgspec.convert(options["site"], SiteSpec), applied


def main(options: dict[str, Any]) -> int:
    """options: see guardian.main; `guardian` is the pid of our parent."""
    for fd in (guardian.LINK_FD, guardian.LOCK_FD):
        os.set_inheritable(fd, False)
    prctl.set_child_subreaper()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if os.getppid() != options["guardian"]:
        take_guardians_role(options, {})
    gc.disable()
    return Supervisor(options).run()


if __name__ == "__main__":
    sys.exit("started by amonsupd, not by hand")
