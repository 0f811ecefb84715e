"""What happens to a service, as frozen records. A list of them, with times, replays any history.

Every fact about a process carries the generation of the life it belongs to: a late one cannot hurt the successor.
"""

from __future__ import annotations

import msgspec

from amonsup.supervisor.model.records import ExitReport, Hold, Stray, Task


class Event(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Something that happened to the service `name`."""

    name: str


class Commanded(Event, frozen=True, tag=True):
    """An accepted operation has a task for this service."""

    task: Task


class Needed(Event, frozen=True, tag=True):
    """A dependant that is to start needs this service up."""

    by: str


class Reconsidered(Event, frozen=True, tag=True):
    """Something around the service changed (a dependency, a dependant, the fleet's mode): look again.

    `is_settled`: everybody around has been told and has moved; what is still missing now will not come by itself.
    """

    is_settled: bool = False


class Spawned(Event, frozen=True, tag=True):
    """The life `generation` was born as `pid`. `at`: when its process was made, if that is known better than 'now'."""

    generation: int
    pid: int
    start_ticks: int
    digest: str = ""
    is_captured: bool = False


class SpawnFailed(Event, frozen=True, tag=True):
    """No life came of it. `is_transient`: a resource of ours was short (EAGAIN, ENOMEM, EMFILE)."""

    generation: int
    reason: str
    is_transient: bool = False


class Unborn(Event, frozen=True, tag=True):
    """A predecessor meant to spawn `generation`, died, and no process of it ever reached exec: costs nothing."""

    generation: int


class Noticed(Event, frozen=True, tag=True):
    """One sd_notify datagram, parsed (sd_notify(3)). main_pid was verified to belong to the service."""

    generation: int
    is_ready: bool = False
    is_stopping: bool = False
    is_alive: bool = False  # WATCHDOG=1
    has_failed: bool = False  # WATCHDOG=trigger
    is_reloading: bool = False
    extend_s: float = 0.0  # EXTEND_TIMEOUT_USEC
    status: str | None = None
    main_pid: int = 0
    main_start_ticks: int = 0


class Exited(Event, frozen=True, tag=True):
    """The process `pid` of the life ended. Only the main process's end ends the life.

    `is_alone`: nothing else of the life was left when it was noticed, so there is nothing to sweep.
    """

    generation: int
    pid: int
    report: ExitReport
    is_alone: bool = False


class Swept(Event, frozen=True, tag=True):
    """Nothing of the life is left; `strays` had to be killed for it."""

    generation: int
    strays: tuple[Stray, ...] = ()


class TimerFired(Event, frozen=True, tag=True):
    """The deadline that carried `token` has passed."""

    token: int


class Respecified(Event, frozen=True, tag=True):
    """An apply changed the spec in place; the engine already holds the new one."""


class Held(Event, frozen=True, tag=True):
    """Somebody holds the service."""

    hold: Hold


class Released(Event, frozen=True, tag=True):
    """Somebody ends the hold before its time."""

    by: str


class WasReset(Event, frozen=True, tag=True):
    """Somebody wants past failures forgotten."""

    by: str


class ClockRead(Event, frozen=True, tag=True):
    """The wall clock says `wall` (Unix seconds): something is due, or the clock was set.

    The rest is what the `calendar` says about it, if the service has one: the `next` moment, and of those between
    where the calendar was dealt with last and now how many have `passed`, the `first` of them, and whether the last
    of them was just now. `is_often`: they come at least once an hour.
    """

    wall: float
    calendar: str = ""
    next: float = 0.0
    passed: int = 0
    first: float = 0.0
    is_now: bool = False
    is_often: bool = False


class Condemned(Event, frozen=True, tag=True):
    """A watch rule with `then: restart` has matched what this life wrote: it is to end as if it had crashed."""

    generation: int
    why: str


class MainFound(Event, frozen=True, tag=True):
    """The daemon that a forking service's starter left behind."""

    generation: int
    pid: int
    start_ticks: int


class MainMissing(Event, frozen=True, tag=True):
    """The starter ended well, and no daemon of it can be found."""

    generation: int
    reason: str


class ErrandBorn(Event, frozen=True, tag=True):
    """The errand's process was made; pid 0: somebody else's process does it."""

    token: int
    pid: int
    start_ticks: int


class ErrandEnded(Event, frozen=True, tag=True):
    """The errand is over and nothing of it is left. `reason` says how it ended, `output` what it said last.

    `is_void`: that says nothing of the service, because *we* lacked something. `is_unknown`: nobody could find out.
    """

    token: int
    is_ok: bool
    reason: str = ""
    output: str = ""
    is_void: bool = False
    is_unknown: bool = False


class DeadlinePassed(Event, frozen=True, tag=True):
    """The deadline `kind` that carried `token` has passed (ServiceState.deadlines)."""

    kind: str
    token: int


AnyEvent = (
    Commanded
    | Needed
    | Reconsidered
    | Spawned
    | SpawnFailed
    | Unborn
    | Noticed
    | Exited
    | Swept
    | TimerFired
    | Respecified
    | Held
    | Released
    | WasReset
    | ClockRead
    | Condemned
    | MainFound
    | MainMissing
    | ErrandBorn
    | ErrandEnded
    | DeadlinePassed
)

KINDS: tuple[type[Event], ...] = (
    Commanded,
    Needed,
    Reconsidered,
    Spawned,
    SpawnFailed,
    Unborn,
    Noticed,
    Exited,
    Swept,
    TimerFired,
    Respecified,
    Held,
    Released,
    WasReset,
    ClockRead,
    Condemned,
    MainFound,
    MainMissing,
    ErrandBorn,
    ErrandEnded,
    DeadlinePassed,
)
