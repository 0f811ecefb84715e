"""The records that the engine keeps for a service, and that its successor reads back.

Times are CLOCK_MONOTONIC seconds of the current boot; the wall clock is added only where something is shown. The
exceptions are the calendar and holds, which people give by the wall clock: those fields say so.
The state of a service is one flat record, so that 'what does a successor need?' has one answer: this, whole.
"""

from __future__ import annotations

import msgspec

from amonsup.supervisor.model.phases import Desired, Goal, Phase


class Stray(msgspec.Struct, frozen=True):
    """A process that had outlived its service's main process and was killed."""

    pid: int
    command: str


class ExitReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a life ended. Exactly one of code and signal is set, or none: then the status is unknown.

    `reason` is for people and never empty; `at` is monotonic seconds.
    """

    generation: int
    reason: str
    at: float
    code: int | None = None
    signal: int | None = None
    core: bool = False
    pid: int = 0
    uptime_s: float = 0.0
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    oom: bool = False
    by: str = ""
    strays: tuple[Stray, ...] = ()


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service's share of an operation, queued at the service. verb: start, stop, restart or reload.

    `kill`: skip the stop signal. `forget`: an apply removed the service. `force`: although somebody holds it, and
    without its preflight. `begun` is set by the engine.
    """

    operation: str
    verb: str
    by: str
    kill: bool = False
    forget: bool = False
    force: bool = False
    begun: bool = False


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a task ended: ok, or why not."""

    is_ok: bool
    text: str = ""


class Hold(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody works on the service: hands off until `until`. Both times are wall clock, Unix seconds."""

    until: float
    by: str
    why: str = ""
    since: float = 0.0


class Errand(msgspec.Struct, frozen=True, omit_defaults=True):
    """A process besides the main one, started on behalf of the service. kind: one of SLOTS; `token` names it for ever.

    pid 0: it is to be started, or nobody has noted yet that it was. `is_killed`: its time was over.
    """

    kind: str
    token: int
    generation: int
    pid: int = 0
    start_ticks: int = 0
    is_killed: bool = False


SLOTS = {
    "pre_start": "hook",
    "post_start": "hook",
    "pre_stop": "hook",
    "post_stop": "hook",
    "preflight": "order",
    "reload": "order",
    "check": "check",
}
"""Kinds of errands. Each is made in a slot, and there is at most one in a slot at a time; it is a scope of its own."""


class Deadline(msgspec.Struct, frozen=True):
    """A deadline besides the phase's own. kind: a slot (an errand or what follows one), or `health`, the next check."""

    kind: str
    token: int
    at: float


class ServiceState(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Everything the engine knows of one service besides its spec."""

    name: str
    phase: Phase = Phase.STOPPED
    desired: Desired = Desired.DOWN
    generation: int = 0
    pid: int = 0  # main process; 0: not born, or dead
    start_ticks: int = 0  # field 22 of /proc/PID/stat: with boot id and pid it names the process for ever
    since: float = 0.0  # when the phase was entered
    born: float = 0.0  # when the current or last life was spawned
    digest: str = ""  # of the part of the spec the current life was born with
    is_captured: bool = False  # this life writes into a FIFO of ours
    goal: Goal = Goal.STAY
    takes_dependants: bool = False  # going down takes every dependant along, not only those with restart: true
    is_killed: bool = False  # SIGKILL was sent to all of it
    seen: tuple[tuple[str, int], ...] = ()  # (dependency with restart: true, its generation when this life began)
    attempt: int = 0  # consecutive restarts, for the back-off
    restarts: int = 0  # made by the supervisor since the service was added
    starts: tuple[float, ...] = ()  # recent starts, for the start limit
    timer_at: float = 0.0  # the one deadline of the phase; 0: none
    timer_token: int = 0
    status_text: str = ""  # STATUS= of sd_notify
    why: str = ""  # why it is in this phase, for people
    by: str = ""  # who commanded what it is doing
    waiting_for: tuple[str, ...] = ()
    is_transient: bool = False  # in BACKOFF because *we* lacked a resource, not for a fault of the service
    exits: tuple[ExitReport, ...] = ()  # newest last, at most KEPT_EXITS
    queue: tuple[Task, ...] = ()
    quarantine: str = ""  # where the transcript is
    hold: Hold | None = None
    calendar: str = ""  # what `due` was worked out from: schedule and time zone
    due: float = 0.0  # wall clock: the next scheduled run; 0: none
    dealt: float = 0.0  # wall clock: up to here the calendar has been dealt with
    is_paused: bool = False  # stopped by a person, or not to start by itself: the calendar starts nothing
    skipped: int = 0  # scheduled runs left out, because the one before was not over, or of a hold
    missed: int = 0  # scheduled runs whose time passed while nobody was there
    is_ready: bool = False  # this life has said, or shown, that it is up; what may be missing is its post_start
    was_up: bool = False  # this life has been RUNNING
    is_swept: bool = False  # nothing is left of it; what may follow in CLEANING are hooks
    has_forked: bool = False  # type forking: the process that was started has ended, as it should
    is_reloading: bool = False  # it said RELOADING=1, and not yet READY=1
    errands: tuple[Errand, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    serial: int = 0  # the last token of an errand or a deadline
    health: str = ""  # starting, healthy or unhealthy; empty: not checked
    failures: int = 0  # of its check, in a row, as far as they count
    checked: float = 0.0  # when it was checked last
    verdict: str = ""  # what the last check said


def errand_in(state: ServiceState, slot: str) -> Errand | None:
    """What is under way in a slot."""
    for errand in state.errands:
        if SLOTS[errand.kind] == slot:
            return errand
    return None


KEPT_EXITS = 5

KEPT_RUNS = 20
"""The same for what runs by the calendar: there they are the history."""


class Operation(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A command that was accepted. Finished when every target has an outcome; kept a while for late askers."""

    id: str
    verb: str
    by: str
    accepted: float
    targets: tuple[str, ...]
    tasks: dict[str, Task] = {}
    outcomes: dict[str, Outcome] = {}
    finished: float = 0.0
    note: str = ""
    is_failed: bool = False
    refused: tuple[str, ...] = ()  # services that the caller may not do it to

    @property
    def is_finished(self) -> bool:
        return self.finished > 0.0
