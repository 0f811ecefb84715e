"""The one table: which rule answers which event in which phase.

Every pair is named; a test proves the table complete, and the diagram in docs/design.md is generated from it and from
the histories of the tests. A pair that means nothing says `ignore`; it is never simply absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from amonsup.supervisor.core import (
    coming_up,
    commands,
    deadlines,
    errands,
    going_down,
    holds,
    notices,
    runs,
    surroundings,
)
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import ServiceState

Rule = Callable[[Turn, ServiceState, "ev.Event"], None]


def ignore(turn: Turn, state: ServiceState, event: ev.Event) -> None:
    """The pair is possible and means nothing: a late event, or one that another phase waits for."""


_ = ignore

_COLUMNS: tuple[type[ev.Event], ...] = (
    ev.Commanded,
    ev.Needed,
    ev.Reconsidered,
    ev.Spawned,
    ev.SpawnFailed,
    ev.Unborn,
    ev.Noticed,
    ev.Exited,
    ev.Swept,
    ev.TimerFired,
    ev.Respecified,
    ev.Held,
    ev.Released,
    ev.WasReset,
    ev.ClockRead,
    ev.Condemned,
    ev.MainFound,
    ev.MainMissing,
    ev.ErrandBorn,
    ev.ErrandEnded,
    ev.DeadlinePassed,
)

_c, _n, _t = commands.on_commanded, coming_up.on_needed, deadlines.on_timer
_b, _f, _u = coming_up.on_spawned, coming_up.on_spawn_failed, coming_up.on_unborn
_m, _j = notices.on_noticed, notices.on_condemned
_x, _s = going_down.on_exited, going_down.on_swept
_r, _p = surroundings.on_reconsidered, surroundings.on_respecified
_h, _l, _z, _k = holds.on_held, holds.on_released, commands.on_reset, runs.on_clock_read
_g, _i = coming_up.on_main_found, coming_up.on_main_missing
_o, _e, _d = errands.on_errand_born, errands.on_errand_ended, errands.on_deadline
_w = errands.on_errand_ended_in_quarantine
_q = going_down.on_exited_in_quarantine

# fmt: off
_ROWS: dict[Phase, tuple[Callable[..., None], ...]] = {
    #                   com nee rec bor fai unb not exi swe tim res hel rel zer clo con mai mis ebo een dea
    Phase.STOPPED:     (_c, _n, _r, _,  _,  _,  _,  _,  _,  _,  _p, _h, _l, _z, _k, _,  _,  _,  _,  _,  _),
    Phase.WAITING:     (_c, _n, _r, _,  _,  _,  _,  _,  _,  _,  _p, _h, _l, _z, _k, _,  _,  _,  _,  _,  _),
    Phase.BACKOFF:     (_c, _n, _r, _,  _,  _,  _,  _,  _,  _t, _p, _h, _l, _z, _k, _,  _,  _,  _,  _,  _),
    Phase.STARTING:    (_c, _n, _r, _b, _f, _u, _m, _x, _,  _t, _p, _h, _l, _z, _k, _j, _g, _i, _o, _e, _d),
    Phase.RUNNING:     (_c, _n, _r, _,  _,  _,  _m, _x, _,  _t, _p, _h, _l, _z, _k, _j, _,  _,  _o, _e, _d),
    Phase.DRAINING:    (_c, _n, _r, _b, _f, _u, _m, _x, _,  _,  _p, _h, _l, _z, _k, _,  _g, _,  _o, _e, _d),
    Phase.STOPPING:    (_c, _n, _r, _b, _f, _u, _m, _x, _,  _t, _p, _h, _l, _z, _k, _,  _,  _,  _o, _e, _d),
    Phase.CLEANING:    (_c, _n, _r, _,  _,  _u, _,  _,  _s, _t, _p, _h, _l, _z, _k, _,  _,  _,  _o, _e, _d),
    Phase.EXITED:      (_c, _n, _r, _,  _,  _,  _,  _,  _,  _,  _p, _h, _l, _z, _k, _,  _,  _,  _,  _,  _),
    Phase.FATAL:       (_c, _n, _r, _,  _,  _,  _,  _,  _,  _,  _p, _h, _l, _z, _k, _,  _,  _,  _,  _,  _),
    Phase.QUARANTINED: (_c, _,  _,  _,  _,  _,  _,  _q, _,  _,  _,  _h, _l, _z, _k, _,  _,  _,  _o, _w, _d),
}
# fmt: on

TABLE: Mapping[tuple[Phase, type[ev.Event]], Rule] = {
    (phase, kind): rule for phase, row in _ROWS.items() for kind, rule in zip(_COLUMNS, row, strict=True)
}
