"""Errands: processes besides the main one that the engine orders, carried out on the kernel.

Hooks, preflights, reloads by command and checks by command are children like the main process: same account,
environment and limits, in a scope of their own inside the service's (`ce/hook`, `ce/order`, `ce/check`), so that what
they leave behind can be swept without hurting the service, and so that the service's own sweep takes them along. A
reload by signal and a check over the network are errands without a process: the first is done at once, the second by
the prober.

Hooks and reloads write into the log of the life they belong to; what a preflight or a check says goes into a memory
file of fixed size, is looked at once it has ended, and costs no wake-up however much it says.

A successor adopts the hooks and reloads of its predecessor; checks, which it could not read any more, are swept and
made again, preflights too. One that only watches starts nothing, and makes up for it later.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal as signals
import time
from collections.abc import Callable

import msgspec

from amonsup.config.specs import Healthcheck, ServiceSpec
from amonsup.loop.kernel import start_ticks
from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import procfs, spawn
from amonsup.supervisor.adapters.accounts import Account
from amonsup.supervisor.adapters.outputs import STDERR, Outputs
from amonsup.supervisor.adapters.scopes import INNER, Scopes
from amonsup.supervisor.adapters.secrets import SecretError
from amonsup.supervisor.adapters.sweep import Sweep
from amonsup.supervisor.adapters.watch import Ended, Watch
from amonsup.supervisor.births import TRANSIENT, Births
from amonsup.supervisor.core.errands import PROBER_S, is_wanted
from amonsup.supervisor.ends import exit_report, signal_name
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import SLOTS, Errand, ServiceState

MOST_CHECKS = 8
"""Checks by command that run at the same time; the others wait, and their time has not begun."""

SPACE = 256 * 1024
"""What a preflight or a check can say; writing more fails for it with EPERM (memfd_create(2), F_SEAL_GROW)."""

LAST_BYTES = 4096
LAST_LINES = 5
LAST_CHARACTERS = 800

SPOKEN = frozenset({"preflight", "check"})
"""Kinds whose output is wanted by us."""

Probe = Callable[[str, int, Healthcheck], bool]


class Probed(msgspec.Struct, frozen=True):
    """A check that the prober was asked to make at `asked`, to be answered by `due` (monotonic).

    It answers to the ticket, which nothing else ever had: neither an earlier service of that name, nor what an earlier
    supervisor asked.
    """

    token: int
    ticket: int
    asked: float
    due: float


class Running:
    """One that has, or is about to have, a process."""

    __slots__ = ("generation", "is_after_life", "is_killed", "kind", "name", "output", "pid", "start_ticks", "token")

    def __init__(self, name: str, kind: str, token: int, generation: int) -> None:
        self.name, self.kind, self.token, self.generation = name, kind, token, generation
        self.pid = self.start_ticks = 0
        self.output = -1
        self.is_killed = self.is_after_life = False

    @property
    def scope(self) -> str:
        return f"{self.name}/{SLOTS[self.kind]}"


class Errands:
    """All errands of all services. `probe` is set by whoever has a prober; it answers through `probed`."""

    def __init__(
        self,
        loop: Loop,
        births: Births,
        scopes: Scopes,
        watch: Watch,
        outputs: Outputs,
        post: Callable[[ev.AnyEvent], None],
    ) -> None:
        self._loop = loop
        self._births = births
        self._scopes = scopes
        self._watch = watch
        self._outputs = outputs
        self._post = post
        self._running: dict[str, Running] = {}  # by scope
        self._waiting: list[tuple[ServiceSpec, ServiceState, Running]] = []
        self._probed: dict[str, Probed] = {}  # by service: the check that the prober makes
        self._tickets = time.monotonic_ns()  # no supervisor of this boot, before us or after, begins with the same
        self._let_go: set[tuple[str, int]] = set()  # lives whose output is held only for an errand
        self._postponed: list[tuple[ServiceSpec, ServiceState, Running]] | None = None
        self.probe: Probe | None = None
        self.overdue: Callable[[float], None] = lambda _asked: None

    # -- orders --

    def run(self, spec: ServiceSpec, state: ServiceState, kind: str, token: int) -> None:
        if self._postponed is not None:
            self._postponed.append((spec, state, Running(spec.name, kind, token, state.generation)))
            return
        check = spec.healthcheck
        if kind == "check" and check is not None and (check.http or check.tcp):
            self._ask_prober(spec.name, token, check)
        elif kind == "reload" and not spec.reload_command:
            self._signal(spec, state, token)
        else:
            self._start(spec, state, Running(spec.name, kind, token, state.generation))

    def postpone(self) -> None:
        """Nothing is started before `resume`, whatever is ordered."""
        self._postponed = self._postponed or []

    def resume(self) -> None:
        """Start what was postponed, as far as it is still wanted."""
        postponed, self._postponed = self._postponed, None
        for spec, state, running in postponed or ():
            self._start_again(spec, state, running)

    def kill(self, name: str, kind: str, token: int) -> None:
        """SIGKILL to it and all it forked; the engine is told of its end as always."""
        probed = self._probed.get(name)
        if probed is not None and probed.token == token:
            del self._probed[name]
            if self._loop.now() >= probed.due:
                self.overdue(probed.asked)
            self._end(name, token, "the prober did not answer", is_void=True)
            return
        for queue in (self._waiting, self._postponed or []):
            for entry in queue:
                if entry[2].name == name and entry[2].token == token:
                    queue.remove(entry)
                    self._end(name, token, "it did not get its turn", is_void=True)
                    return
        running = self._running.get(f"{name}/{SLOTS[kind]}")
        if running is not None and running.token == token:
            running.is_killed = True
            if not self._scopes.kill(running.scope):
                self._watch.signal(running.pid, running.start_ticks, signals.SIGKILL)

    # -- what lives want to know --

    def is_busy(self, name: str) -> bool:
        """Whether an errand of the service may have processes."""
        return bool(self._running) and any(f"{name}/{slot}" in self._running for slot in INNER)

    def owns(self, name: str, pid: int) -> bool:
        """Whether the process is one of an errand's."""
        return any(self._scopes.holds(f"{name}/{slot}", pid) for slot in INNER)

    def let_go(self, name: str, generation: int) -> None:
        """The life is swept; its output is let go of as soon as no errand writes there any more."""
        self._let_go.add((name, generation))
        self._let_go_now(name, generation)

    def forget(self, name: str) -> None:
        self._probed.pop(name, None)
        self._waiting = [entry for entry in self._waiting if entry[2].name != name]
        if self._postponed is not None:
            self._postponed = [entry for entry in self._postponed if entry[2].name != name]

    # -- a predecessor's errands --

    def take_over(self, spec: ServiceSpec, state: ServiceState) -> None:
        for errand in state.errands:
            running = Running(spec.name, errand.kind, errand.token, errand.generation)
            self._scopes.inherited(running.scope)
            if errand.kind == "check":
                self._clear(running, lambda r=running: self._end(r.name, r.token, "", is_void=True))  # type: ignore[misc]
            elif errand.kind == "preflight":
                self._clear(running, lambda r=running: self._start_again(spec, state, r))  # type: ignore[misc]
            elif errand.kind == "reload" and not spec.reload_command:
                self._start_again(spec, state, running)
            else:
                self._adopt(spec, state, running, errand)

    def _adopt(self, spec: ServiceSpec, state: ServiceState, running: Running, errand: Errand) -> None:
        pid, ticks = errand.pid, errand.start_ticks
        if not pid:
            # There was intent, and no word of what came of it. Whoever reached exec leads a session.
            members = self._scopes.members(running.scope, thorough=True)
            born = [found for found in members if procfs.is_session_leader(found) and not procfs.is_copy_of_us(found)]
            if not born:
                self._clear(running, lambda: self._start_again(spec, state, running))
                return
            pid = min(born, key=start_ticks)
            ticks = start_ticks(pid)
        running.pid, running.start_ticks = pid, ticks
        running.is_after_life = state.phase is Phase.CLEANING
        self._running[running.scope] = running
        ended = self._watch.adopt(pid, ticks, lambda end: self._ended(running, end))
        if not errand.pid:
            self._post(ev.ErrandBorn(name=running.name, token=running.token, pid=pid, start_ticks=ticks))
        if errand.is_killed:
            self.kill(running.name, running.kind, running.token)
        if ended is not None:
            self._ended(running, ended)

    def _start_again(self, spec: ServiceSpec, state: ServiceState, running: Running) -> None:
        """What a predecessor had ordered, unless what it was for has been given up."""
        errand = next((each for each in state.errands if each.token == running.token), None)
        if errand is not None and is_wanted(spec, state, errand):
            self.run(spec, state, running.kind, running.token)
        else:
            self._end(running.name, running.token, "given up", is_void=True)

    def _clear(self, running: Running, then: Callable[[], None]) -> None:
        """Nothing of it may be left before `then`."""
        self._running[running.scope] = running

        def clean(_strays: object) -> None:
            if self._running.get(running.scope) is running:
                del self._running[running.scope]
                then()

        Sweep(self._loop, self._scopes, running.scope, set(), clean).begin(0, thorough=True)

    # -- with a process --

    def _start(self, spec: ServiceSpec, state: ServiceState, running: Running) -> None:
        if running.kind == "check" and self._count_checks() >= MOST_CHECKS:
            self._waiting.append((spec, state, running))
            return
        # If there still is one, it was swept away with its life, and its end has just not been told yet.
        self._running[running.scope] = running
        running.is_after_life = state.phase is Phase.CLEANING
        failure, is_void = self._try_start(spec, state, running)
        if failure:
            self._drop(running)
            self._end(running.name, running.token, failure, is_void=is_void and running.kind == "check")

    def _try_start(self, spec: ServiceSpec, state: ServiceState, running: Running) -> tuple[str, bool]:
        """What went wrong, and whether for a lack of ours; an empty text if nothing did."""
        temporary: list[int] = []
        try:
            account = self._births.account(spec)
            if running.kind in SPOKEN:
                running.output = _memory_file()
                output = running.output, running.output
            else:
                output = self._log_of(spec, running.generation, account)
            holding = self._scopes.holding(running.scope)
            if holding.cgroup_fd >= 0:
                temporary.append(holding.cgroup_fd)
            birth = self._births.birth(spec, running.generation, account, output, "", (), holding, is_ours=False)
            told = _told(state, running.kind)
            birth = msgspec.structs.replace(
                birth, argv=_argv(spec, running.kind), environment=(*birth.environment, *told)
            )
            self._births.secrets.hand_over(spec, account, anew=False)
            born = spawn.spawn(birth)
        except (LookupError, SecretError) as error:
            return str(error.args[0]), False
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            return f"{error.strerror}{where}", error.errno in TRANSIENT
        finally:
            for fd in temporary:
                os.close(fd)
        if isinstance(born, spawn.SpawnFailure):
            return born.text, born.errno in TRANSIENT
        running.pid, running.start_ticks = born.pid, start_ticks(born.pid)
        self._watch.own(born.pid, born.pidfd, running.start_ticks, lambda end: self._ended(running, end))
        if running.kind not in SPOKEN:
            self._outputs.begun(spec.name, running.generation)
        self._post(ev.ErrandBorn(name=running.name, token=running.token, pid=born.pid, start_ticks=running.start_ticks))
        return "", False

    def _log_of(self, spec: ServiceSpec, generation: int, account: Account) -> tuple[int, int]:
        """Where stdout and stderr of the life go. Raises OSError."""
        if not spec.logging.capture:
            return self._births.null, self._births.null
        output = self._outputs.of(spec.name, generation, account)
        if spec.logging.stderr == "merge":
            return output, output
        return output, self._outputs.of(spec.name, generation, account, STDERR)

    def _ended(self, running: Running, end: Ended) -> None:
        """Its process is gone; now what it forked."""
        if self._running.get(running.scope) is not running:
            _close_output(running)
            self._let_go_now(running.name, running.generation)
            return
        # A hook may have left anything, and is rare; a check that ended in time gets the cheap look.
        is_thorough = running.is_killed or running.kind != "check"

        def clean(_strays: object) -> None:
            if self._running.get(running.scope) is running:
                self._report(running, end)

        Sweep(self._loop, self._scopes, running.scope, set(), clean).begin(0, thorough=is_thorough)

    def _report(self, running: Running, end: Ended) -> None:
        report = exit_report(running.generation, running.pid, 0.0, 0.0, end, end.max_rss_bytes, oom=False)
        output = _last_words(running.output) if running.output >= 0 else ""
        self._drop(running)
        self._post(
            ev.ErrandEnded(
                name=running.name,
                token=running.token,
                is_ok=report.code == 0,
                reason=report.reason,
                output=output,
                is_unknown=end.status is None,
            )
        )

    def _drop(self, running: Running) -> None:
        _close_output(running)
        if self._running.get(running.scope) is running:
            del self._running[running.scope]
            self._scopes.remove(running.scope)
        if running.is_after_life:
            self._births.secrets.drop(running.name)
        # What its end leads to may be another hook of the same life.
        self._loop.call_soon(lambda: self._let_go_now(running.name, running.generation))
        if self._waiting:
            self._loop.call_soon(self._next_check)

    def _let_go_now(self, name: str, generation: int) -> None:
        life = name, generation
        writes = any((r.name, r.generation) == life and r.kind not in SPOKEN for r in self._running.values())
        if life in self._let_go and not writes:
            self._let_go.discard(life)
            self._outputs.over(name, generation)

    def _next_check(self) -> None:
        while self._waiting and self._count_checks() < MOST_CHECKS:
            spec, state, running = self._waiting.pop(0)
            self._start(spec, state, running)

    def _count_checks(self) -> int:
        return sum(1 for running in self._running.values() if running.kind == "check")

    # -- without a process --

    def _signal(self, spec: ServiceSpec, state: ServiceState, token: int) -> None:
        is_sent = self._watch.signal(state.pid, state.start_ticks, spec.reload_signal)
        failure = "" if is_sent else f"{signal_name(spec.reload_signal)} could not be sent to process {state.pid}"
        self._end(spec.name, token, failure)

    def _ask_prober(self, name: str, token: int, check: Healthcheck) -> None:
        self._tickets += 1
        if self.probe is None or not self.probe(name, self._tickets, check):
            self._end(name, token, "the prober is not there", is_void=True)
            return
        now = self._loop.now()
        self._probed[name] = Probed(token, self._tickets, now, now + check.timeout_s + PROBER_S)
        self._post(ev.ErrandBorn(name=name, token=token, pid=0, start_ticks=0))

    def probed(self, name: str, ticket: int, failure: str, output: str) -> None:
        """The prober's verdict; one that nobody waits for any more says nothing of what is now."""
        probed = self._probed.get(name)
        if probed is not None and probed.ticket == ticket:
            del self._probed[name]
            token = probed.token
            self._post(ev.ErrandEnded(name=name, token=token, is_ok=not failure, reason=failure, output=output))

    def prober_gone(self) -> None:
        """It found out nothing about what it was at."""
        probed, self._probed = self._probed, {}
        for name, each in probed.items():
            self._end(name, each.token, "the prober has ended", is_void=True)

    def _end(self, name: str, token: int, failure: str, *, is_void: bool = False) -> None:
        self._post(ev.ErrandEnded(name=name, token=token, is_ok=not failure, reason=failure, is_void=is_void))


def _argv(spec: ServiceSpec, kind: str) -> tuple[str, ...]:
    check = spec.healthcheck
    if kind == "check" and check is not None:
        return check.test or ("/bin/sh", "-c", check.shell)
    found: tuple[str, ...] = spec.reload_command if kind == "reload" else getattr(spec, kind)
    return found


def _told(state: ServiceState, kind: str) -> tuple[tuple[str, str], ...]:
    """What an errand is told besides the service's environment."""
    found = [("AMONSUP_ERRAND", kind)]
    if state.pid:
        found.append(("MAINPID", str(state.pid)))
    if kind == "post_stop" and state.exits and state.exits[-1].generation == state.generation:
        last = state.exits[-1]
        if last.signal is not None:
            found.append(("AMONSUP_EXIT", signal_name(last.signal)))
        else:
            found.append(("AMONSUP_EXIT", "unknown" if last.code is None else str(last.code)))
    return tuple(found)


def _memory_file() -> int:
    """A file of SPACE bytes that cannot grow. Raises OSError."""
    fd = os.memfd_create("amonsup-errand", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, SPACE)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    except OSError:
        os.close(fd)
        raise
    return fd


def _last_words(fd: int) -> str:
    """The last lines that were written, on one line, made printable. The child shares our position in the file."""
    end = min(os.lseek(fd, 0, os.SEEK_CUR), SPACE)
    raw = os.pread(fd, LAST_BYTES, max(0, end - LAST_BYTES))[: min(end, LAST_BYTES)]
    lines = [line.strip() for line in raw.decode("utf-8", "replace").splitlines()]
    text = " | ".join([line for line in lines if line][-LAST_LINES:])
    return "".join(c if c.isprintable() else "?" for c in text)[-LAST_CHARACTERS:]


def _close_output(running: Running) -> None:
    if running.output >= 0:
        with contextlib.suppress(OSError):
            os.close(running.output)
        running.output = -1
