"""The supervisor: the one file that knows every part and wires them.

What the adapters notice becomes events, the engine decides (engine.py), and its orders are carried out (orders.py), in
that order, with the record in between: a successor that reads the record may do again what was ordered, but never
finds less on record than was done. How a site comes up, how a successor takes over and how all of it ends have files of
their own: beginning here, taking_over.py, leaving.py. Everything is in one thread.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from amonsup import __version__
from amonsup.config.instances import expand
from amonsup.config.specs import Logging, RestartPolicy, ServiceSpec, SiteSpec
from amonsup.loop.loop import Loop, Timer
from amonsup.supervisor import configuration, guardian, household, taking_over
from amonsup.supervisor.access import Access
from amonsup.supervisor.adapters import journal, prctl, procfs, scopes, server, spawn
from amonsup.supervisor.adapters.limits import Limits
from amonsup.supervisor.adapters.outputs import Outputs
from amonsup.supervisor.adapters.store import Store
from amonsup.supervisor.adapters.transfer import Transfers
from amonsup.supervisor.adapters.watch import Ended, Watch
from amonsup.supervisor.adapters.wishes import Wishes
from amonsup.supervisor.almanac import Almanac, read
from amonsup.supervisor.attendants import Attendants
from amonsup.supervisor.births import Surroundings, base_environment
from amonsup.supervisor.configuration import Configuration
from amonsup.supervisor.control_link import CONTROL, ControlLink
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.core.turn import LONG_AGO
from amonsup.supervisor.engine import Engine
from amonsup.supervisor.front_desk import FrontDesk
from amonsup.supervisor.handlers.desk import Call, Refusal
from amonsup.supervisor.household import LOGGER, PROBER
from amonsup.supervisor.leaving import Leaving
from amonsup.supervisor.lives import Lives
from amonsup.supervisor.logger_link import LoggerLink, told
from amonsup.supervisor.matches import Matches
from amonsup.supervisor.model import effects as fx
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import LIVE
from amonsup.supervisor.model.records import Operation, ServiceState
from amonsup.supervisor.orders import Orders
from amonsup.supervisor.prober_link import ProberLink
from amonsup.supervisor.readers import Readers
from amonsup.supervisor.record import Record
from amonsup.supervisor.requests import Requests
from amonsup.supervisor.tidings import Tidings, complain

PUBLIC_SOCKET = "public"
DISK_RETRY_S = 5.0
CHANGES_NOTHING = Logging(max_files=10_000, compress=False)


class Supervisor:
    """Everything of one site."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.own_uid = os.geteuid()
        self.loop = Loop()
        self.now = self.loop.now
        self.site = msgspec.convert(options["site"], SiteSpec)
        self.configuration = Configuration(self, configuration.read(options))
        applied = self.configuration.applied
        self.fleet = Fleet(expand(applied.loaded.fleet.services, applied.scaled))
        self.household = Fleet(self.configuration.household_specs())
        self._early: list[socket.socket] = []  # streams of control that wait for the server
        self._retry: Timer | None = None
        self._is_up = False

        link = socket.socket(fileno=guardian.LINK_FD)
        self.store = Store(self.loop, link, self._told_of_exit, self._on_signal, self._become_guardian)
        self.watch = Watch(self.loop, options["guardian"], self.store.acknowledge, self.store.listen_briefly)
        self.store.greet()
        self.tidings = Tidings(self.site.state_dir)
        self.wishes = Wishes(self.site.state_dir)
        self.outputs = Outputs(self.site.run_dir, self.store, procfs.boot_id())
        self.journal_path = os.path.join(self.site.run_dir, "journal")
        found = journal.recover(self.journal_path, procfs.boot_id())
        self.instance = found.instance or os.urandom(8).hex()
        head = journal.Head(journal.FORMAT, procfs.boot_id(), self.instance)
        fleets = (self.fleet, self.household)
        self.record = Record(self.loop, self.journal_path, head, fleets, applied.serial)
        self.engine = Engine(self.now, self.fleet, self.household, self.record, self._save_wishes, self.settle_accounts)
        self.almanac = Almanac(self.loop, time.time, self._read_clock, self.engine.post_all)
        self.lives = self._make_lives()
        self.outputs.instance = self.instance
        self.outputs.later = self._shortly
        self.matches = Matches(self.loop, self.fleet, self.tidings, self.engine.post)
        births, scopes_ = self.lives.births, self.lives.scopes
        self.attendants = Attendants(
            self.loop, self.watch, births, scopes_, self.fleet, self.tidings.say, self._reopens_logs
        )
        companions = (Transfers(self.store), self.attendants, self.matches)
        self.logger = LoggerLink(self.loop, self.store, self.outputs, self._log_settings, self.tidings.say, companions)
        self.lives.extras[LOGGER] = self.logger.make
        errands = self.lives.errands
        self.prober = ProberLink(self.loop, self.store, errands.probed, errands.prober_gone, self._prober_hangs)
        self.lives.extras[PROBER] = self.prober.make
        errands.probe, errands.overdue = self.prober.ask, self.prober.overdue
        self.readers = Readers(self.site, self.watch, births.account)
        self.leaving = Leaving(self)
        self.orders = Orders(self, self.leaving.fleet_down)
        self.engine.orders = self.orders.by_kind
        self.desk = FrontDesk(self)
        access = Access(self.desk, self.site.state_dir, self.loop.call_at)
        self.control = ControlLink(
            self.loop,
            self.store,
            lambda: self.configuration.loaded.site,
            self._welcome_control,
            lambda: self.tidings.newest,
            access.refusals.turned_away,
        )
        self.lives.extras[CONTROL] = self.control.make
        self.requests = Requests(self.desk, self.instance, access)
        self.tidings.followers = self.requests.happened
        self._found = found
        self.server: server.Server | None = None

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
        post = self.engine.post
        return Lives(self.loop, surroundings, made, limits, self.watch, self.outputs, self.store, post, self.note)

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
        self.outputs.recover(lambda name, generation: taking_over.is_current(found, name, generation))
        self.outputs.drop_unborn(lambda name, generation: taking_over.is_to_come(found, name, generation))
        if is_successor:
            taking_over.take_over(self, found)
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

    def _boot(self) -> None:
        """The first supervisor since the machine (or the whole daemon) was started."""
        count = len(self.fleet.specs)
        services = f"{count} service{'' if count == 1 else 's'}"  # the living supervisor knows no words of config's
        self.tidings.say("daemon-started", f"amonsup {__version__}, {services}, spawner {spawn.KIND}")
        boot = f"boot-{self.instance}"
        self.start_household(boot, list(self.household.specs))
        for name, generation in self.outputs.lives():
            # Left over by another boot, or with a record that was lost: to be drained, not to be taken for a new life.
            if name in self.fleet.states:
                state = self.fleet.states[name]
                state.generation = max(state.generation, generation)
        self.settle_in(self.fleet.specs)
        wanted = [s.name for s in self.fleet.specs.values() if not s.schedule and self._starts_at_boot(s)]
        start = household.start_operation(boot, wanted, self.now())
        self.engine.run(self.fleet, self.fleet.command(start, self.now()))
        self.engine.pump()

    def start_household(self, operation_id: str, names: list[str]) -> None:
        start = household.start_operation(operation_id, names, self.now())
        self.engine.run(self.household, self.household.command(start, self.now()))

    def command_household(self, verb: str, names: list[str], *, forget: bool = False) -> None:
        """Because of what an apply has changed."""
        operation = household.operation(verb, names, self.now(), household.APPLY, forget=forget)
        self.engine.run(self.household, self.household.command(operation, self.now()))

    def _starts_at_boot(self, spec: ServiceSpec) -> bool:
        if not self.is_enabled(spec):
            return False
        return spec.restart is not RestartPolicy.UNLESS_STOPPED or not self.wishes.of(spec.name).is_stopped

    def is_enabled(self, spec: ServiceSpec) -> bool:
        """Whether it starts by itself: conf.d's word, or what a person said since."""
        wish = self.wishes.of(spec.name).autostart
        return spec.autostart if wish is None else wish.is_enabled

    def settle_in(self, names: Iterable[str]) -> None:
        """States that are new: what outlived the last boot becomes part of them."""
        for name in names:
            state, spec, wish = self.fleet.states[name], self.fleet.specs[name], self.wishes.of(name)
            state.hold = wish.hold
            if spec.schedule:
                state.calendar, state.dealt = wish.calendar, wish.dealt
                state.is_paused = not self._starts_at_boot(spec)
            self.read_clock_for(state)

    def read_clock_for(self, state: ServiceState) -> None:
        """Whoever waits for a moment of the wall clock gets to know how it stands."""
        if state.hold is not None or state.calendar or self.fleet.specs[state.name].schedule:
            self.almanac.set(state.name, LONG_AGO)

    def _read_clock(self, name: str, wall: float) -> ev.ClockRead:
        return read(self.fleet.specs[name], self.fleet.states[name], wall)

    # -- clients --

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

    def carry_out(self, operation: Operation) -> None:
        """The operation goes on record with its tasks queued, 'accepted' goes out, then the effects follow.

        What it wants remembered over a boot goes first: a successor finds the operation begun, and would not ask again.
        """
        self.tidings.command(_words(operation), operation.by)
        if operation.verb == "shutdown":
            effects = self.fleet.shut_down(operation, self.now())
        else:
            effects = self.fleet.command(operation, self.now())
        self.engine.remember(self.fleet, effects)
        self.record.write()
        self.requests.recorded(operation)
        self.engine.run(self.fleet, effects)
        self.engine.pump()
        if operation.verb == "shutdown":
            taking_over.end_watch_only(self)  # nothing is started any more, and what stops is not to wait for it

    def finish(self, operation: Operation) -> None:
        """It is over: on record first, then told to whoever waits."""
        self.record.write()
        self.requests.finished(operation)

    # -- after a turn --

    def settle_accounts(self) -> None:
        """What was noted goes to the journal of events and to whoever listens."""
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

    def _shortly(self, call: Callable[[], None]) -> None:
        self.loop.call_at(self.now() + 1.0, call)

    def note(self, name: str, kind: str, text: str, by: str = "") -> None:
        self.tidings.note(fx.Note(name=name, kind=kind, text=text, by=by))

    # -- what the kernel, the guardian and the logger tell --

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
        reply = importlib.import_module(f"amonsup.supervisor.handlers.{verb}").handle(self.desk, call)
        if isinstance(reply, Refusal):
            self.tidings.say("refused", f"{by}: {reply.text}")
        elif isinstance(reply, Operation):
            self.carry_out(reply)

    def _reopens_logs(self, name: str) -> None:
        """A file of the service was renamed under it."""
        self._internal_call("reload", "log-rotation", services=(name,))

    def _log_settings(self, name: str) -> dict[str, Any]:
        """How the output of a service is kept. What one has left that is no longer configured changes no old file."""
        spec = self.fleet.specs.get(name)
        return told(spec.logging if spec is not None else CHANGES_NOTHING)

    def _prober_hangs(self) -> None:
        """It is ended as if it had crashed, and a new one follows."""
        state = self.household.states.get(PROBER)
        if state is not None:
            why = "it answers no check"
            self.engine.post(ev.Condemned(name=PROBER, generation=state.generation, why=why))

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


def _words(operation: Operation) -> str:
    names = ", ".join(operation.targets[:5]) + (" …" if len(operation.targets) > 5 else "")
    return f"{operation.verb} {names}".strip()


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
