"""The almanac: what waits for a moment of the wall clock, and the one timer for all of it.

Delays run on the monotonic clock, which does not count a suspension and does not follow when somebody sets the clock.
So the timer is for the nearest moment as the clock stands now, and all of it is looked at again when the clock has
jumped; where the kernel cannot tell us that, once an hour. Without a schedule or a hold nothing here ever wakes up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amonsup.config.specs import ServiceSpec
from amonsup.loop.loop import Loop, Timer
from amonsup.supervisor.adapters import clock
from amonsup.supervisor.core.runs import MOST_COUNTED, calendar_of
from amonsup.supervisor.model.events import ClockRead
from amonsup.supervisor.model.records import ServiceState

LOOK_AGAIN_S = 3600.0
"""How long a jump of the clock may go unnoticed where nobody tells: a run is missed by this much at most."""


PUNCTUAL_S = 60.0
"""A run that begins this late is still the run of its moment: a supervisor that died is back long before."""

OFTEN_S = 3600.0


def read(spec: ServiceSpec, state: ServiceState, wall: float) -> ClockRead:
    """What clock and calendar say about a service; the calendar's library is loaded by the first that has one."""
    calendar = calendar_of(spec)
    if not calendar:
        return ClockRead(name=spec.name, wall=wall)
    from amonsup.config.calendar import count_until, next_after

    def after(moment: float) -> float:
        return next_after(spec.schedule, spec.time_zone, moment)

    coming = after(wall)
    is_known = state.calendar == calendar and 0 < state.dealt < wall
    passed = count_until(spec.schedule, spec.time_zone, state.dealt, wall, MOST_COUNTED) if is_known else 0
    return ClockRead(
        name=spec.name,
        wall=wall,
        calendar=calendar,
        next=coming,
        passed=passed,
        first=after(state.dealt) if passed else 0.0,
        is_now=passed > 0 and 0 < after(wall - PUNCTUAL_S) <= wall,
        is_often=0 < after(coming) - coming <= OFTEN_S if coming else False,
    )


class Almanac:
    """`wall` reads the clock, Unix seconds; `look` says how things stand then; `post` takes what is due."""

    def __init__(
        self,
        loop: Loop,
        wall: Callable[[], float],
        look: Callable[[str, float], ClockRead],
        post: Callable[[Sequence[ClockRead]], None],
    ) -> None:
        self._loop = loop
        self._wall = wall
        self._look = look
        self._post = post
        self._alarms: dict[str, float] = {}
        self._timer: Timer | None = None
        self._is_told = False  # whether we hear of jumps
        self._is_open = False
        self._is_arming = False

    def set(self, name: str, at: float) -> None:
        """ClockRead for `name` when the clock reaches `at`, once, or when it jumps; 0: no more."""
        if at:
            self._alarms[name] = at
        else:
            self._alarms.pop(name, None)
        self._arm_soon()

    def jumped(self) -> None:
        """The clock was set, or the machine slept: everybody looks at it."""
        self._read(list(self._alarms))

    def _arm_soon(self) -> None:
        """Once for all that changes in a turn."""
        if not self._is_arming:
            self._is_arming = True
            self._loop.call_soon(self._arm)

    def _arm(self) -> None:
        self._is_arming = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._alarms:
            return
        if not self._is_open:
            self._is_open = True
            self._is_told = clock.on_set(self._loop, self.jumped)
        delay = max(0.0, min(self._alarms.values()) - self._wall())
        if not self._is_told:
            delay = min(delay, LOOK_AGAIN_S)
        self._timer = self._loop.call_at(self._loop.now() + delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        wall = self._wall()
        self._read([name for name, at in self._alarms.items() if at <= wall])

    def _read(self, names: list[str]) -> None:
        wall = self._wall()
        for name in names:
            self._alarms.pop(name, None)  # whoever still waits says so again
        self._arm_soon()
        self._post([self._look(name, wall) for name in names])
