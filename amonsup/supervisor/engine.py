"""The engine's turns: events in, rules run, the record written, and only then orders carried out.

There is one queue. While events of one turn are handled nothing else happens; what they cause (a spawn that failed, a
sweep that found nothing) goes to the front of the queue.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.model import effects as fx
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.record import Record

Order = Callable[[Fleet, Any], None]

ACTING = frozenset({fx.Spawn, fx.SignalMain, fx.KillAll, fx.Forget, fx.Finished, fx.FleetDown, fx.RunErrand})
"""What must not be done before it is on record."""

REMEMBERED = frozenset({fx.Remember, fx.RememberHold, fx.RememberCalendar})
"""What must outlive a boot, and so stand in state_dir before anything is done on the strength of it."""


class Engine:
    """Both fleets' rules. `orders` says how an effect is carried out; `save` writes down what was remembered, as far as
    the disk lets it; `told` is called after a turn.
    """

    def __init__(
        self,
        now: Callable[[], float],
        fleet: Fleet,
        household: Fleet,
        record: Record,
        save: Callable[[], None],
        told: Callable[[], None],
    ) -> None:
        self.orders: Mapping[type, Order] = {}
        self._now = now
        self._fleet = fleet
        self._household = household
        self._record = record
        self._save = save
        self._told = told
        self._queue: deque[ev.AnyEvent] = deque()
        self._is_pumping = False

    def post(self, event: ev.AnyEvent) -> None:
        """Something happened. Handled at once, or after the event that is being handled."""
        self._queue.append(event)
        if not self._is_pumping:
            self.pump()

    def post_all(self, events: Iterable[ev.AnyEvent]) -> None:
        """The same for several, settled together."""
        self._queue.extend(events)
        self.pump()

    def post_later(self, events: Iterable[ev.AnyEvent]) -> None:
        """The same, in whatever turn comes next."""
        self._queue.extend(events)

    def pump(self) -> None:
        """Handle what has been posted."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._queue:
                event = self._queue.popleft()
                fleet = self.fleet_of(event.name)
                self.run(fleet, fleet.handle((event,), self._now()))
        finally:
            self._is_pumping = False
        self._record.write()
        self._told()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What is posted meanwhile is handled by the next `pump`."""
        self._is_pumping = True
        try:
            yield
        finally:
            self._is_pumping = False

    def fleet_of(self, name: str) -> Fleet:
        return self._household if name in self._household.specs else self._fleet

    def remember(self, fleet: Fleet, effects: list[fx.AnyEffect]) -> None:
        """Those of the effects that are words to be kept, carried out and written down ahead of all others."""
        words = [effect for effect in effects if type(effect) in REMEMBERED]
        for effect in words:
            self.orders[type(effect)](fleet, effect)
        if words:
            self._save()

    def run(self, fleet: Fleet, effects: list[fx.AnyEffect]) -> None:
        """Record, then act. Events that acting causes are handled before whatever else is queued.

        What may be done twice without harm (a sweep, a timer) need not be on record first; that is written at the
        latest when the queue is empty.
        """
        kinds = set(map(type, effects))
        if not REMEMBERED.isdisjoint(kinds):
            self.remember(fleet, effects)
        if not ACTING.isdisjoint(kinds):
            self._record.write()
        waiting, self._queue = self._queue, deque()
        was_pumping, self._is_pumping = self._is_pumping, True
        orders = self.orders
        for effect in effects:
            orders[type(effect)](fleet, effect)
        self._is_pumping = was_pumping
        self._queue.extend(waiting)
