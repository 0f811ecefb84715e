"""Lives: what the engine orders about processes, carried out on the kernel.

A life is spawned into its scope with an output of its own, watched until its main process ends, and swept. The facts
that come of it are posted as events with the life's generation. Nothing is decided here; what can go wrong comes back
as an event as well.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal as signals
from collections.abc import Callable, Iterable, Mapping

from amonsup.config.specs import ServiceSpec, ServiceType
from amonsup.loop.kernel import start_ticks
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import pid_file, procfs, readiness, spawn
from amonsup.supervisor.adapters.limits import Limits, limits_of
from amonsup.supervisor.adapters.outputs import Outputs
from amonsup.supervisor.adapters.scopes import Scopes
from amonsup.supervisor.adapters.store import Store
from amonsup.supervisor.adapters.sweep import Sweep
from amonsup.supervisor.adapters.usage import Usage
from amonsup.supervisor.adapters.watch import Ended, Watch
from amonsup.supervisor.births import TRANSIENT, Births, Surroundings
from amonsup.supervisor.core.coming_up import is_undone
from amonsup.supervisor.core.plan import digest
from amonsup.supervisor.ends import exit_report
from amonsup.supervisor.errands import Errands
from amonsup.supervisor.forked import Seeker
from amonsup.supervisor.getting_ready import GettingReady
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import LIVE, Phase
from amonsup.supervisor.model.records import ServiceState, Stray, errand_in


class Main:
    """Who is told when a main process ends. There is one for each running service, so it is no closure."""

    __slots__ = ("born", "generation", "name", "pid", "report_end")

    def __init__(
        self,
        report_end: Callable[[str, int, int, float, Ended], None],
        name: str,
        generation: int,
        pid: int,
        born: float,
    ) -> None:
        self.report_end = report_end
        self.name, self.generation, self.pid, self.born = name, generation, pid, born

    def __call__(self, ended: Ended) -> None:
        self.report_end(self.name, self.generation, self.pid, self.born, ended)


class Lives:
    """All lives of all services. `post` takes the events that come of them."""

    def __init__(
        self,
        loop: Loop,
        surroundings: Surroundings,
        scopes: Scopes,
        limits: Limits,
        watch: Watch,
        outputs: Outputs,
        store: Store,
        post: Callable[[ev.AnyEvent], None],
        note: Callable[[str, str, str], None],
    ) -> None:
        self.scopes = scopes
        self.limits = limits
        self.usage = Usage(scopes, limits)
        self._loop = loop
        self._births = Births(surroundings, limits)
        self.errands = Errands(loop, self._births, scopes, watch, outputs, post)
        self._seeker = Seeker(loop, scopes, self._found_main, post)
        self._watch = watch
        self._outputs = outputs
        self._store = store
        self._post = post
        self._note = note
        self._sweeps: dict[str, Sweep] = {}
        self._clean: set[str] = set()
        self._mains: dict[str, int] = {}
        self._born: list[tuple[ServiceSpec, int]] = []  # in this turn of the loop
        self._generations: dict[str, int] = {}
        self._on_end = self._report_end  # bound once, not once a life
        self._oom_kills: dict[str, int] = {}
        self._peak_rss_bytes = _peak_rss_bytes()  # ours, when the last life was born
        ready = self._ready = GettingReady(
            loop, self._births, scopes, outputs, store, surroundings, self._generations, self._noticed
        )
        self.extras = ready.extras

    @property
    def births(self) -> Births:
        """What children of services are born with."""
        return self._births

    # -- orders --

    def spawn(self, spec: ServiceSpec, generation: int) -> None:
        """Make a life, as soon as nothing of an earlier one is left: usually at once."""
        name = spec.name
        if name in self._clean or self._is_empty(name):
            self._spawn_clean(spec, generation, ())
            return
        self._sweep(name, 0, thorough=True, on_clean=lambda strays: self._spawn_clean(spec, generation, strays))

    def _is_empty(self, name: str) -> bool:
        try:
            return self.scopes.is_deserted(name) or not self.scopes.members(name, thorough=False)
        except OSError:
            return True  # no scope can be made here: the birth will say so

    def signal(self, state: ServiceState, signum: int) -> bool:
        return self._watch.signal(state.pid, state.start_ticks, signum)

    def kill(self, state: ServiceState) -> None:
        """SIGKILL to everything of the service; the main process's end and the sweep follow by themselves."""
        if self.scopes.kill(state.name):
            return
        self._watch.signal(state.pid, state.start_ticks, signals.SIGKILL)
        for pid in self.scopes.members(state.name, thorough=True):
            if pid != state.pid:
                _kill_if(pid, lambda found: self.scopes.holds(state.name, found))

    def sweep(self, spec: ServiceSpec, generation: int, signum: int) -> None:
        """After the main process: nothing may be left. Posts Swept."""

        def clean(strays: tuple[Stray, ...]) -> None:
            self._sweeps.pop(spec.name, None)
            self.let_go(spec.name, generation)
            self._post(ev.Swept(name=spec.name, generation=generation, strays=strays))

        is_busy = self.errands.is_busy(spec.name)
        if not signum and self._is_left(spec.name):
            clean(())
            return
        running = self._sweeps.get(spec.name)
        if running is not None:
            running.on_clean = clean
            running.begin(signum, thorough=True)
        else:
            # After a crash the cheap look, for speed; on the way down nobody is in a hurry.
            self._sweep(spec.name, signum, thorough=signum != 0 or is_busy, on_clean=clean)

    def _is_left(self, name: str) -> bool:
        """Whether nobody of the life is there any more, by the cheap look."""
        return not self.errands.is_busy(name) and name not in self._sweeps and self.scopes.is_deserted(name)

    def let_go(self, name: str, generation: int) -> None:
        """Nothing of the life is left: of what was kept for it nothing is needed any more."""

        def later() -> None:
            self._clean.discard(name)
            self.errands.let_go(name, generation)

        # A start that follows at once need not look again; by the next turn anything may have happened.
        self._clean.add(name)
        self._loop.call_soon(later)
        self._births.secrets.drop(name)

    def forget(self, name: str) -> None:
        """The service is no longer configured."""
        self.errands.forget(name)
        self._ready.forget(name)
        self._store.drop(f"notify:{name}")
        self.scopes.remove(name)
        self.limits.remove(name)
        self._births.secrets.drop(name)
        self.usage.forget(name)
        self._generations.pop(name, None)
        self._mains.pop(name, None)
        self._oom_kills.pop(name, None)

    def close(self) -> None:
        """A full stop: what was made ready for lives that will not be goes."""
        self._ready.close()
        self._births.secrets.keep_only(())
        self.limits.close()
        self.scopes.close()

    def keep_only(self, names: Iterable[str], live: Iterable[str]) -> None:
        """After a start of ours: what an earlier daemon left of other services goes; secrets stay with who lives."""
        self.limits.keep_only(names)
        self._births.secrets.keep_only(live)

    def respecified(self, before: Mapping[str, ServiceSpec], now: Mapping[str, ServiceSpec]) -> None:
        """Limits that a running service can be given get in force at once; of the rest its next life will hear."""
        self.limits.review(now.values())
        for name, spec in now.items():
            if name in before and limits_of(before[name]) != limits_of(spec):
                self._relimit(spec)

    def _relimit(self, spec: ServiceSpec) -> None:
        self.limits.change(spec, lambda: self.scopes.members(spec.name, thorough=True))

    def seek(self, spec: ServiceSpec, generation: int) -> None:
        """The starter of a forking service has ended well: find what it left. Posts MainFound or MainMissing."""
        try:
            uid = self._births.account(spec).uid
        except LookupError as error:
            self._post(ev.MainMissing(name=spec.name, generation=generation, reason=str(error.args[0])))
            return
        self._seeker.seek(spec, generation, uid)

    def _found_main(self, name: str, generation: int, pid: int, ticks: int) -> None:
        """The engine hears of it first, then of its end."""
        if self._generations.get(name) != generation:
            return
        self._mains[name] = pid
        self._post(ev.MainFound(name=name, generation=generation, pid=pid, start_ticks=ticks))
        self._adopt(name, generation, pid, ticks, self._loop.now())

    def left(self, name: str) -> list[Stray]:
        """Who keeps the service from being clean."""
        sweep = self._sweeps.get(name)
        return sweep.left if sweep is not None else []

    def undrained(self) -> list[str]:
        """Services whose last words the logger has not written down yet."""
        return self._outputs.undrained()

    # -- a predecessor's lives --

    def take_over(self, spec: ServiceSpec, state: ServiceState) -> None:
        """Go on with a life (or the end of one) that a predecessor's record shows."""
        name, generation = spec.name, state.generation
        self._generations[name] = generation
        self.scopes.inherited(name)
        self._relimit(spec)
        if spec.type is ServiceType.NOTIFY and state.phase in LIVE:
            # Both predecessors dead: nobody holds the socket any more, but the service knows its path.
            with contextlib.suppress(OSError, LookupError):
                self._ready.notify_path(spec, self._births.account(spec))
        if state.phase is Phase.CLEANING:
            self.errands.take_over(spec, state)  # known first: a sweep takes them along
            if not state.is_swept or errand_in(state, "hook") is None:
                self.sweep(spec, generation, spec.stop_signal if state.timer_at else 0)
            return
        hook = errand_in(state, "hook")
        if state.pid:
            self._mains[name] = state.pid
            self._adopt(name, generation, state.pid, state.start_ticks, state.born)
        elif hook is not None and hook.kind != "post_start":
            pass  # no life yet, or none any more: the hook is what goes on
        elif state.phase in (Phase.STARTING, Phase.DRAINING) and state.has_forked:
            self.seek(spec, generation)
        elif state.phase in (Phase.STARTING, Phase.DRAINING, Phase.STOPPING):
            self._find_newborn(spec, state)
        self.errands.take_over(spec, state)

    def _find_newborn(self, spec: ServiceSpec, state: ServiceState) -> None:
        """There was intent, and no word of what came of it: who reached exec is adopted, who did not never was."""
        generation = state.generation
        members = self.scopes.members(spec.name, thorough=True)
        born = [
            pid
            for pid in members
            if procfs.is_session_leader(pid) and not procfs.is_copy_of_us(pid) and not self.errands.owns(spec.name, pid)
        ]
        known = {report.pid for report in state.exits}
        told = self._watch.take_told_of(lambda pid, trace: pid not in known and self.scopes.was_in(spec.name, trace))
        if told is not None and (not born or spec.type is ServiceType.FORKING):
            # It was born, and has ended, before its pid was on record; only the guardian saw it.
            pid, ticks, ended = told
            self._post(self._spawned(spec, generation, pid, ticks))
            self._report_end(spec.name, generation, pid, state.born, ended)
            return
        if not born:
            self._sweep(spec.name, 0, thorough=True, on_clean=lambda _: self._post_unborn(spec, generation))
            return
        pid = min(born, key=start_ticks)
        ticks = start_ticks(pid)
        self._post(self._spawned(spec, generation, pid, ticks))
        self._adopt(spec.name, generation, pid, ticks, self._loop.now())

    def _post_unborn(self, spec: ServiceSpec, generation: int) -> None:
        self._unborn(spec, generation)
        self._post(ev.Unborn(name=spec.name, generation=generation))

    def _adopt(self, name: str, generation: int, pid: int, ticks: int, born: float) -> None:
        report = Main(self._on_end, name, generation, pid, born)
        ended = self._watch.adopt(pid, ticks, report)
        if ended is not None:
            report(ended)

    # -- being born --

    def _spawn_clean(self, spec: ServiceSpec, generation: int, strays: tuple[Stray, ...]) -> None:
        name = spec.name
        if strays:
            names = ", ".join(f"{stray.pid} {stray.command}" for stray in strays)
            self._note(name, "swept", f"before the start, {len(strays)} left behind: {names}")
        self._generations[name] = generation
        try:
            failure = self._try_spawn(spec, generation)
        except LookupError as error:
            failure = ev.SpawnFailed(name=name, generation=generation, reason=str(error.args[0]))
        except OSError as error:
            reason = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
            failure = ev.SpawnFailed(
                name=name, generation=generation, reason=reason, is_transient=error.errno in TRANSIENT
            )
        if failure is not None:
            self._unborn(spec, generation)
            self._post(failure)

    def _unborn(self, spec: ServiceSpec, generation: int) -> None:
        """Nothing was born. If a post_stop follows, that still writes into the life's log; the sweep lets go of it."""
        self._births.secrets.drop(spec.name)
        if not is_undone(spec):
            self._outputs.over(spec.name, generation)

    def _try_spawn(self, spec: ServiceSpec, generation: int) -> ev.SpawnFailed | None:
        coming = self._ready.take(spec, generation)
        if spec.type is ServiceType.NOTIFY:
            self._ready.notify[spec.name].drain()
        elif spec.type is ServiceType.FORKING and spec.pid_file:
            pid_file.remove(spec.pid_file, self._births.account(spec).uid)
        try:
            if spec.secrets:
                self._births.secrets.hand_over(spec, self._births.account(spec))
            born = spawn.spawn_readied(coming.readied, is_thawed=spec.name in self._clean)
            # Its exec has just woken us, perhaps on its own processor: it goes first, our book-keeping can wait.
            os.sched_yield()
        finally:
            coming.close()
        if isinstance(born, spawn.SpawnFailure):
            return ev.SpawnFailed(
                name=spec.name,
                generation=generation,
                reason=born.text,
                is_transient=born.errno in TRANSIENT,
            )
        ticks = start_ticks(born.pid)
        self._mains[spec.name] = born.pid
        now = self._loop.now()
        self._watch.own(born.pid, born.pidfd, ticks, Main(self._on_end, spec.name, generation, born.pid, now))
        self._post(self._spawned(spec, generation, born.pid, ticks))
        if not self._born:
            self._loop.call_soon(self._after_births)
        self._born.append((spec, generation))
        return None

    def _after_births(self) -> None:
        born, self._born = self._born, []
        self._peak_rss_bytes = _peak_rss_bytes()
        for spec, generation in born:
            self._after_birth(spec, generation)

    def _after_birth(self, spec: ServiceSpec, generation: int) -> None:
        """What can wait until the child runs: tell the logger, and get ready for the life after this one."""
        self._outputs.begun(spec.name, generation)
        if spec.name in self.extras or spec.pre_start:
            return  # its output is made for its hook, and then nobody waits for milliseconds
        self._ready.soon(spec, generation + 1)

    def _spawned(self, spec: ServiceSpec, generation: int, pid: int, ticks: int) -> ev.Spawned:
        kills = self.limits.oom_kills(spec.name)
        if kills or spec.name in self._oom_kills:
            self._oom_kills[spec.name] = kills
        return ev.Spawned(
            name=spec.name,
            generation=generation,
            pid=pid,
            start_ticks=ticks,
            digest=digest(spec),
            is_captured=spec.logging.capture,
        )

    # -- facts --

    def _noticed(self, name: str, notice: readiness.Notice) -> None:
        if notice.says_nothing:
            return
        pid = notice.main_pid if notice.main_pid and self.scopes.holds(name, notice.main_pid) else 0
        ticks = start_ticks(pid) if pid else 0
        if ticks and self._mains.get(name, pid) != pid:
            self._watch.former.add(self._mains[name])  # it may live on, and is then a stray like any other
        if ticks:
            self._mains[name] = pid
        generation = self._generations.get(name, 0)
        if pid and ticks and pid not in self._watch.processes:
            self._adopt(name, generation, pid, ticks, self._loop.now())
        self._post(
            ev.Noticed(
                name=name,
                generation=generation,
                is_ready=notice.is_ready,
                is_stopping=notice.is_stopping,
                is_alive=notice.is_alive,
                has_failed=notice.has_failed,
                is_reloading=notice.is_reloading,
                extend_s=notice.extend_s,
                status=notice.status,
                main_pid=pid if ticks else 0,
                main_start_ticks=ticks,
            )
        )

    def _report_end(self, name: str, generation: int, pid: int, born: float, ended: Ended) -> None:
        """What it said last counts before its end does."""
        sock = self._ready.notify.get(name)
        if sock is not None:
            sock.read(100)
        oom = self.limits.oom_kills(name) > self._oom_kills.get(name, 0)
        # A child starts with our own peak as its (getrusage(2), ru_maxrss, over vfork and exec): less says nothing.
        max_rss = ended.max_rss_bytes if ended.max_rss_bytes > self._peak_rss_bytes else 0
        report = exit_report(generation, pid, self._loop.now(), born, ended, max_rss, oom)
        is_alone = self._is_left(name)
        self._post(ev.Exited(name=name, generation=generation, pid=pid, report=report, is_alone=is_alone))

    def _is_errand(self, name: str) -> Callable[[int], bool] | None:
        """What tells the processes of errands from those that were left behind; None: there are no errands."""
        return (lambda pid: self.errands.owns(name, pid)) if self.errands.is_busy(name) else None

    def _sweep(self, name: str, signum: int, *, thorough: bool, on_clean: Callable[[tuple[Stray, ...]], None]) -> None:
        def clean(strays: tuple[Stray, ...]) -> None:
            self._sweeps.pop(name, None)
            on_clean(strays)

        sweep = self._sweeps[name] = Sweep(self._loop, self.scopes, name, set(), clean, self._is_errand(name))
        sweep.begin(signum, thorough=thorough)


def _peak_rss_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _kill_if(pid: int, is_meant: Callable[[int], bool]) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if is_meant(pid):
            signals.pidfd_send_signal(pidfd, signals.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(pidfd)
