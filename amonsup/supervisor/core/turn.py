"""One turn of the engine: what a rule may see, and what it may order.

A rule reads specs and states, changes *its own* service's state and asks for effects through the methods here. It
never touches another service: whoever might be concerned is looked at again (`Reconsidered`, `Needed`) after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.model.effects import (
    AnyEffect,
    ClearDeadline,
    ClearTimer,
    KillErrand,
    Note,
    Remember,
    RunErrand,
    SetAlarm,
    SetDeadline,
    SetTimer,
)
from amonsup.supervisor.model.events import AnyEvent, Needed
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import SLOTS, Deadline, Errand, Outcome, ServiceState, Task, errand_in

LONG_AGO = 1.0
"""A moment of the wall clock that is over whatever it says."""


class World(Protocol):
    """What the fleet shows to rules."""

    specs: dict[str, ServiceSpec]
    states: dict[str, ServiceState]
    dependants: Mapping[str, tuple[str, ...]]
    is_shutting_down: bool
    is_watching_only: bool


class Turn:
    """The surroundings of the events handled at one `now` (monotonic seconds)."""

    def __init__(self, world: World, now: float) -> None:
        self.world = world
        self.now = now
        self.effects: list[AnyEffect] = []
        self.follow_ups: list[AnyEvent] = []
        self.settled: list[tuple[str, str, Outcome]] = []  # (service, operation, outcome)
        self.unanswered: dict[str, None] = {}  # who has a command that waits for others; judged when all have moved

    def spec(self, state: ServiceState) -> ServiceSpec:
        return self.world.specs[state.name]

    def enter(self, state: ServiceState, phase: Phase, why: str = "") -> None:
        """The one place where a phase changes. The old phase's deadline goes with it."""
        state.phase = phase
        state.since = self.now
        state.why = why
        if phase is not Phase.WAITING:
            state.waiting_for = ()
        self.clear_timer(state)
        if state.health and phase is not Phase.RUNNING:
            self.end_health(state)

    def set_timer(self, state: ServiceState, after_s: float) -> None:
        """Arm the phase's one deadline, `after_s` seconds from now; it replaces an earlier one."""
        state.timer_token += 1
        state.timer_at = self.now + after_s
        self.effects.append(SetTimer(name=state.name, token=state.timer_token, at=state.timer_at))

    def clear_timer(self, state: ServiceState) -> None:
        if state.timer_at:
            state.timer_at = 0.0
            state.timer_token += 1
            self.effects.append(ClearTimer(name=state.name))

    # -- deadlines besides the phase's --

    def set_deadline(self, state: ServiceState, kind: str, after_s: float) -> None:
        """Arm the deadline `kind`, `after_s` seconds from now; it replaces an earlier one."""
        state.serial += 1
        deadline = Deadline(kind, state.serial, self.now + after_s)
        state.deadlines = (*(d for d in state.deadlines if d.kind != kind), deadline)
        self.effects.append(SetDeadline(name=state.name, kind=kind, token=deadline.token, at=deadline.at))

    def clear_deadline(self, state: ServiceState, kind: str) -> None:
        left = tuple(d for d in state.deadlines if d.kind != kind)
        if len(left) < len(state.deadlines):
            state.deadlines = left
            self.effects.append(ClearDeadline(name=state.name, kind=kind))

    # -- errands --

    def run_errand(self, state: ServiceState, kind: str) -> None:
        """Start what the spec says under `kind`; its slot must be free."""
        assert errand_in(state, SLOTS[kind]) is None, f"{kind} beside {state.errands}"
        state.serial += 1
        errand = Errand(kind, state.serial, state.generation)
        state.errands = (*state.errands, errand)
        self.effects.append(
            RunErrand(name=state.name, generation=state.generation, kind=kind, token=errand.token),
        )

    def kill_errand(self, state: ServiceState, slot: str) -> None:
        """Its end comes as an event all the same."""
        errand = errand_in(state, slot)
        if errand is not None and not errand.is_killed:
            self.replace_errand(state, msgspec.structs.replace(errand, is_killed=True))
            self.effects.append(KillErrand(name=state.name, kind=errand.kind, token=errand.token))

    def replace_errand(self, state: ServiceState, errand: Errand) -> None:
        state.errands = tuple(errand if e.token == errand.token else e for e in state.errands)

    def drop_errands(self, state: ServiceState) -> None:
        """Nothing of them is left: what is still said of them is about nobody."""
        state.errands = ()
        if not state.deadlines:
            return
        for slot in ("hook", "order", "check"):
            self.clear_deadline(state, slot)

    def end_health(self, state: ServiceState) -> None:
        """It does not run any more: what was found of its health means nothing."""
        state.health = ""
        state.failures = 0
        self.clear_deadline(state, "health")
        self.kill_errand(state, "check")

    def note(self, state: ServiceState, kind: str, text: str = "", by: str = "", *, ok: bool = False) -> None:
        self.effects.append(Note(name=state.name, kind=kind, text=text, by=by, generation=state.generation, ok=ok))

    def remember(self, state: ServiceState, is_stopped: bool) -> None:
        self.effects.append(Remember(name=state.name, is_stopped=is_stopped))

    def set_alarm(self, state: ServiceState) -> None:
        """Have the wall clock read when the next run is due, or the hold ends: whichever comes first."""
        times = [state.due] if state.due else []
        if state.hold is not None:
            times.append(state.hold.until)
        self.effects.append(SetAlarm(name=state.name, at=min(times, default=0.0)))

    def read_clock(self, state: ServiceState) -> None:
        """Have the wall clock read soon: a rule that needs it has no other way to know."""
        self.effects.append(SetAlarm(name=state.name, at=LONG_AGO))

    def need(self, name: str, by: str) -> None:
        """Have the service `name` started, because `by` depends on it."""
        self.follow_ups.append(Needed(name=name, by=by))

    def refuse(self, state: ServiceState, task: Task, text: str) -> None:
        """The task is not even queued."""
        self.settled.append((state.name, task.operation, Outcome(is_ok=False, text=text)))

    def settle(self, state: ServiceState, is_ok: bool, text: str = "", *, at: int = 0) -> None:
        """The head of the queue (or the task `at`) is over; its operation learns the outcome."""
        task, state.queue = state.queue[at], (*state.queue[:at], *state.queue[at + 1 :])
        self.settled.append((state.name, task.operation, Outcome(is_ok=is_ok, text=text)))
