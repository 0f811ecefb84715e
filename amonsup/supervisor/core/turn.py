"""One turn of the engine: what a rule may see, and what it may order.

A rule reads specs and states, changes *its own* service's state and asks for effects through the methods here. It
never touches another service: whoever might be concerned is looked at again (`Reconsidered`, `Needed`) after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.model.effects import (
    AnyEffect,
    ClearTimer,
    Note,
    Remember,
    SetAlarm,
    SetTimer,
)
from amonsup.supervisor.model.events import AnyEvent, Needed
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import Outcome, ServiceState, Task

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

    def note(self, state: ServiceState, kind: str, text: str = "", by: str = "") -> None:
        self.effects.append(Note(name=state.name, kind=kind, text=text, by=by, generation=state.generation))

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
