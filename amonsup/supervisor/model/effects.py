"""What the engine orders. The daemon carries effects out, in order, once all propagation has settled."""

from __future__ import annotations

import msgspec

from amonsup.supervisor.model.records import Hold, Operation


class Effect(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """An order concerning the service `name`."""

    name: str


class Spawn(Effect, frozen=True, tag=True):
    """Make the life `generation`; its intent is on record before. Answered by Spawned or SpawnFailed."""

    generation: int


class SignalMain(Effect, frozen=True, tag=True):
    """Send `signal` to the main process of the life, if it still is that process."""

    generation: int
    signal: int


class KillAll(Effect, frozen=True, tag=True):
    """SIGKILL to everything the life ever forked."""

    generation: int


class Sweep(Effect, frozen=True, tag=True):
    """See that nothing of the life is left, and answer Swept. `signal` 0: SIGKILL at once; else that one first."""

    generation: int
    signal: int = 0


class LetGo(Effect, frozen=True, tag=True):
    """Nothing of the life is left: what was kept for it can go. (Sweep does it by itself.)"""

    generation: int


class SetTimer(Effect, frozen=True, tag=True):
    """Answer TimerFired(token) at monotonic `at`; replaces the service's earlier timer."""

    token: int
    at: float


class ClearTimer(Effect, frozen=True, tag=True):
    """The service has no deadline any more."""


class SetDeadline(Effect, frozen=True, tag=True):
    """Answer DeadlinePassed(kind, token) at monotonic `at`; replaces the service's earlier deadline of that kind."""

    kind: str
    token: int
    at: float


class ClearDeadline(Effect, frozen=True, tag=True):
    """The service has no deadline of that kind any more."""

    kind: str


class RunErrand(Effect, frozen=True, tag=True):
    """Start what the spec says under `kind` (records.SLOTS). Answered by ErrandBorn, then always by ErrandEnded."""

    generation: int
    kind: str
    token: int


class KillErrand(Effect, frozen=True, tag=True):
    """SIGKILL to the errand and everything it forked; its end is answered as always."""

    kind: str
    token: int


class SeekMain(Effect, frozen=True, tag=True):
    """Find the daemon that the starter left behind; answered by MainFound or MainMissing."""

    generation: int


class Note(Effect, frozen=True, tag=True):
    """An entry for the journal of events and whoever listens. `kind` is one word; `ok`: an exit that was a success."""

    kind: str
    text: str = ""
    by: str = ""
    generation: int = 0
    ok: bool = False


class Remember(Effect, frozen=True, tag=True):
    """A person stopped (or started) the service: kept over a boot for restart: unless-stopped."""

    is_stopped: bool


class RememberHold(Effect, frozen=True, tag=True):
    """Kept over a boot: who holds the service; None: nobody does any more."""

    hold: Hold | None


class RememberCalendar(Effect, frozen=True, tag=True):
    """Kept over a boot: up to which wall time the calendar was dealt with. `calendar` empty: there is none."""

    calendar: str
    dealt: float


class SetAlarm(Effect, frozen=True, tag=True):
    """Answer ClockRead when the wall clock reaches `at` (Unix seconds), and whenever it is set; 0: no more."""

    at: float


class Forget(Effect, frozen=True, tag=True):
    """The service is no longer configured and nothing of it is left."""


class Finished(Effect, frozen=True, tag=True):
    """The operation is over; whoever waits gets its outcome. `name` is empty."""

    operation: Operation


class Quarantine(Effect, frozen=True, tag=True):
    """A rule threw. `transcript` replays it (core/transcript.py)."""

    transcript: bytes
    error: str


class FleetDown(Effect, frozen=True, tag=True):
    """Everything was stopped, as a shutdown asked. `name` is empty."""


AnyEffect = (
    Spawn
    | SignalMain
    | KillAll
    | Sweep
    | LetGo
    | SetTimer
    | ClearTimer
    | SetDeadline
    | ClearDeadline
    | RunErrand
    | KillErrand
    | SeekMain
    | Note
    | Remember
    | RememberHold
    | RememberCalendar
    | SetAlarm
    | Forget
    | Finished
    | Quarantine
    | FleetDown
)
