"""All services of one configuration, and the one door through which events reach them.

`handle` takes events and the time and returns effects. Propagation is in two steps: an event runs one rule on one
service; whatever that changes is then offered to the services around it (dependants, dependencies, those waiting on
them) as further events of the same turn, until nothing changes any more. Only then are effects handed out, so nobody
outside ever acts on a half-updated graph.

A rule that throws is a bug in one place and must stay there: the service's state is put back as it was, the service
is quarantined, a transcript that replays the failure is ordered, and the turn goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from amonsup import __version__
from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.core import ordering, transcript
from amonsup.supervisor.core.operations import Operations
from amonsup.supervisor.core.table import TABLE
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import AnyEffect, Finished, FleetDown, Forget, Quarantine
from amonsup.supervisor.model.phases import AT_REST, Goal, Phase
from amonsup.supervisor.model.records import Operation, ServiceState, Task

TRAIL = 256
"""How many recent events are remembered for transcripts, over all services."""

MAX_STEPS = 10_000
"""More steps a service than this in one turn are a bug (rules that answer each other for ever), not a large fleet."""


class Fleet:
    """Specs, states and operations. All methods that take `now` take CLOCK_MONOTONIC seconds."""

    def __init__(self, specs: Iterable[ServiceSpec] = ()) -> None:
        self.specs: dict[str, ServiceSpec] = {spec.name: spec for spec in specs}
        self.states: dict[str, ServiceState] = {name: ServiceState(name=name) for name in self.specs}
        self.dependants: Mapping[str, tuple[str, ...]] = ordering.dependants_of(self.specs.values())
        self.operations = Operations()
        self.is_shutting_down = False
        self.is_watching_only = False
        self.dirty: set[str] = set()  # services whose state changed since the owner last cleared this
        self._trail: deque[tuple[float, ev.AnyEvent]] = deque(maxlen=TRAIL)

    # -- events in, effects out --

    def handle(self, events: Iterable[ev.AnyEvent], now: float) -> list[AnyEffect]:
        """Run every event and all it causes; return the orders, in the order they were given."""
        turn = Turn(self, now)
        queue: deque[ev.AnyEvent] = deque(events)
        asked: set[str] = set()  # who is to be reconsidered already: once is enough, however many neighbours moved
        steps = 0
        while queue or turn.unanswered:
            if not queue:
                queue.extend(ev.Reconsidered(name=name, is_settled=True) for name in turn.unanswered)
                turn.unanswered.clear()
            event = queue.popleft()
            if isinstance(event, ev.Reconsidered):
                asked.discard(event.name)
            steps += 1
            if steps > MAX_STEPS * max(1, len(self.states)):
                raise RuntimeError(f"the engine does not settle: {event!r}")
            state = self.states.get(event.name)
            if state is None:
                continue
            before = state.phase, state.generation, state.pid, state.takes_dependants, state.health
            self._run_rule(turn, state, event)
            state = self.states[event.name]
            queue.extend(turn.follow_ups)
            turn.follow_ups.clear()
            if (state.phase, state.generation, state.pid, state.takes_dependants, state.health) != before:
                for name in self._neighbours(event.name):
                    if name not in asked:
                        asked.add(name)
                        queue.append(ev.Reconsidered(name=name))
        self._close(turn)
        return turn.effects

    def command(self, operation: Operation, now: float) -> list[AnyEffect]:
        """Take an accepted operation: every target with a task gets it. One without targets is finished at once."""
        self.operations.add(operation)
        if not operation.tasks:
            return [Finished(name="", operation=self.operations.finish(operation.id, now))]
        return self.handle([ev.Commanded(name=name, task=task) for name, task in operation.tasks.items()], now)

    def shut_down(self, operation: Operation, now: float) -> list[AnyEffect]:
        """Stop everything in order; no life begins any more. FleetDown comes once nothing is left."""
        self.is_shutting_down = True
        for state in self.states.values():
            if state.hold is not None:  # kept in state_dir: a boot finds it again
                state.hold = None
                self.dirty.add(state.name)
        effects = self.command(operation, now)
        if operation.tasks:
            return effects
        return [*effects, FleetDown(name="")]

    def give_up(self, operation_id: str, note: str, now: float) -> list[AnyEffect]:
        """An operation is over, whatever is missing: its tasks leave their queues, a preflight or reload of it ends.

        What a task has begun with a life goes on: a service on its way down arrives there.
        """
        turn = Turn(self, now)
        for state in self.states.values():
            left = tuple(task for task in state.queue if task.operation != operation_id)
            if len(left) < len(state.queue):
                if state.queue[0] not in left:
                    turn.kill_errand(state, "order")
                state.queue = left
                self.dirty.add(state.name)
        operation = self.operations.finish(operation_id, now, note, is_failed=True)
        return [*turn.effects, Finished(name="", operation=operation)]

    def reconsider_all(self, now: float) -> list[AnyEffect]:
        """Something that concerns everybody changed (the mode of the fleet, the specs)."""
        return self.handle([ev.Reconsidered(name=name) for name in self.states], now)

    # -- the configuration --

    def respecify(self, specs: Iterable[ServiceSpec]) -> None:
        """Adopt new specs. States of services that are gone stay until their stop has forgotten them.

        A removed service keeps its old spec, without dependencies that nobody knows, so that it can be stopped.
        """
        wanted = {spec.name: spec for spec in specs}
        for name, state in self.states.items():
            if name not in wanted:
                wanted[name] = msgspec.structs.replace(self.specs[name], depends_on=self._kept(name, wanted))
            else:
                self._keep(state)
                if self.specs.get(name) != wanted[name]:
                    self.dirty.add(name)
        for name in wanted:
            if name not in self.states:
                self.states[name] = ServiceState(name=name)
                self.dirty.add(name)
        self.specs = wanted
        self.dependants = ordering.dependants_of(wanted.values())

    def _keep(self, state: ServiceState) -> None:
        """A service that was being removed is configured again: its stop goes on, and does not forget it."""
        if any(task.forget for task in state.queue):
            state.queue = tuple(msgspec.structs.replace(task, forget=False) for task in state.queue)
            state.goal = Goal.STAY if state.goal is Goal.REMOVE else state.goal
            self.dirty.add(state.name)

    def _kept(self, name: str, wanted: Mapping[str, ServiceSpec]) -> tuple:  # type: ignore[type-arg]
        known = {*wanted, *self.states}
        return tuple(d for d in self.specs[name].depends_on if d.name in known)

    def restore(self, states: Iterable[ServiceState], operations: Iterable[Operation]) -> None:
        """Take over a predecessor's states; those of services without a spec are left out."""
        for state in states:
            if state.name in self.specs:
                self.states[state.name] = state
        for operation in operations:
            self.operations.add(operation)

    # -- inside --

    def _run_rule(self, turn: Turn, state: ServiceState, event: ev.AnyEvent) -> None:
        before = msgspec.structs.replace(state)
        marks = len(turn.effects), len(turn.settled)
        self._trail.append((turn.now, event))
        try:
            TABLE[state.phase, type(event)](turn, state, event)
        except Exception as error:  # noqa: BLE001 - boundary 1 of 3: the quarantine of a rule
            del turn.effects[marks[0] :], turn.settled[marks[1] :]
            turn.follow_ups.clear()
            self._quarantine(turn, before, event, error)
        if self.states[event.name] != before:
            self.dirty.add(event.name)

    def _quarantine(self, turn: Turn, before: ServiceState, event: ev.AnyEvent, error: Exception) -> None:
        name = before.name
        text = f"{type(error).__name__}: {error}"
        record = transcript.Transcript(
            version=__version__,
            error=text,
            specs=tuple(self.specs.values()),
            states=tuple(before if s.name == name else s for s in self.states.values()),
            trail=tuple((at, e) for at, e in self._trail if e.name == name),
            is_shutting_down=self.is_shutting_down,
        )
        turn.effects.append(Quarantine(name=name, transcript=transcript.encode(record), error=text))
        state = self.states[name] = msgspec.structs.replace(before)
        turn.enter(state, Phase.QUARANTINED, f"internal error: {text}")
        if isinstance(event, ev.Commanded):
            state.queue = (*state.queue, event.task)
        while state.queue:
            turn.settle(state, False, "internal error, the service is quarantined")
        turn.note(state, "quarantined", text)

    def _neighbours(self, name: str) -> Sequence[str]:
        """Who is concerned by a change of `name`: what it depends on, its dependants, and through those that wait."""
        spec = self.specs[name]
        if not spec.depends_on and name not in self.dependants:
            return ()
        found = [d.name for d in spec.depends_on]
        pending, seen = [name], {name}
        while pending:
            for dependant in self.dependants.get(pending.pop(), ()):
                if dependant in seen:
                    continue
                seen.add(dependant)
                found.append(dependant)
                if dependant in self.states and self.states[dependant].phase is Phase.WAITING:
                    pending.append(dependant)
        return found

    def _close(self, turn: Turn) -> None:
        """Write settled tasks into their operations, drop forgotten services, notice the end of a shutdown."""
        for name, operation_id, outcome in turn.settled:
            if self.operations.settle(operation_id, name, outcome, turn.now):
                turn.effects.append(Finished(name="", operation=self.operations.known[operation_id]))
        for effect in list(turn.effects):
            if isinstance(effect, Forget):
                self._forget(effect.name)
        if self.is_shutting_down and turn.settled and all(s.phase in AT_REST for s in self.states.values()):
            turn.effects.append(FleetDown(name=""))

    def _forget(self, name: str) -> None:
        del self.states[name], self.specs[name]
        for dependant in self.dependants.get(name, ()):  # removed as well, and still on their way down
            if dependant in self.specs:
                spec = self.specs[dependant]
                left = tuple(d for d in spec.depends_on if d.name != name)
                self.specs[dependant] = msgspec.structs.replace(spec, depends_on=left)
        self.dirty.discard(name)
        self.dependants = ordering.dependants_of(self.specs.values())


def start_task(operation: str, by: str) -> Task:
    return Task(operation=operation, verb="start", by=by)


def replay(record: transcript.Transcript) -> list[AnyEffect]:
    """Run the last event of a transcript again, outside quarantine: raises what the rule raised."""
    fleet = Fleet(record.specs)
    fleet.restore(record.states, ())
    fleet.is_shutting_down = record.is_shutting_down
    now, event = record.trail[-1]
    turn = Turn(fleet, now)
    state = fleet.states[event.name]
    TABLE[state.phase, type(event)](turn, state, event)
    return turn.effects
