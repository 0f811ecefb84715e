"""Rules for errands: hooks, preflights, reloads and checks, and the deadlines besides the phase's own.

An errand is put on record (its token in `errands`) before it is started, so a successor of ours finds it, or starts it
again. It has a deadline from its birth on; at the deadline it is killed with everything it forked, and its end comes
as an event like any other. What its end means depends on its kind, and on the phase still being the one that ordered
it: a life that goes down sweeps its errands away with it, and an end that is told afterwards finds no errand with its
token and means nothing.
"""

from __future__ import annotations

import msgspec

from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.core import coming_up, commands, descent, going_down, health, reloading
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import RunErrand
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import SLOTS, Errand, ServiceState, errand_in

PROBER_S = 1.0
"""How much later than due the prober's word may come."""


def limit_s(spec: ServiceSpec, kind: str) -> float:
    """How long an errand may take; 0: as long as it likes."""
    if kind == "check" and spec.healthcheck is not None:
        is_remote = spec.healthcheck.http or spec.healthcheck.tcp
        return spec.healthcheck.timeout_s + (PROBER_S if is_remote else 0.0)  # the prober itself keeps to timeout
    return spec.start_timeout_s


def is_wanted(spec: ServiceSpec, state: ServiceState, errand: Errand) -> bool:
    """Whether what it does is still to be done: it is not given up, and neither is what it was ordered for."""
    if errand.is_killed:
        return False
    match errand.kind:
        case "pre_start":
            return state.phase is Phase.STARTING
        case "post_start":
            return state.phase is Phase.STARTING or (state.phase is Phase.CLEANING and state.is_swept)
        case "pre_stop":
            return state.phase is Phase.STOPPING and not state.is_killed
        case "post_stop":
            return state.phase is Phase.CLEANING
        case "preflight":
            return state.phase in (Phase.STARTING, Phase.RUNNING)
        case _:
            return state.phase is Phase.RUNNING


def on_errand_born(turn: Turn, state: ServiceState, event: ev.ErrandBorn) -> None:
    errand = _known(state, event.token)
    if errand is None or errand.pid:
        return
    turn.replace_errand(state, msgspec.structs.replace(errand, pid=event.pid, start_ticks=event.start_ticks))
    limit = limit_s(turn.spec(state), errand.kind)
    if limit > 0:
        turn.set_deadline(state, SLOTS[errand.kind], limit)


def on_errand_ended(turn: Turn, state: ServiceState, event: ev.ErrandEnded) -> None:
    errand = _known(state, event.token)
    if errand is None:
        return
    if event.is_unknown and is_wanted(turn.spec(state), state, errand) and errand.kind != "check":
        # At least once: who cannot know whether it was done has it done again.
        again = msgspec.structs.replace(errand, pid=0, start_ticks=0)
        turn.replace_errand(state, again)
        turn.clear_deadline(state, SLOTS[errand.kind])
        turn.effects.append(
            RunErrand(name=state.name, generation=errand.generation, kind=errand.kind, token=errand.token)
        )
        return
    state.errands = tuple(e for e in state.errands if e.token != errand.token)
    turn.clear_deadline(state, SLOTS[errand.kind])
    why = "" if event.is_ok else event.reason
    if errand.is_killed:
        why = f"not done within {limit_s(turn.spec(state), errand.kind):g} s, killed"
    _act(turn, state, errand, event, why)
    commands.advance(turn, state)


def _act(turn: Turn, state: ServiceState, errand: Errand, event: ev.ErrandEnded, why: str) -> None:
    match errand.kind:
        case "check":
            health.checked(turn, state, errand, event, why)
        case "preflight":
            commands.after_preflight(turn, state, event, why)
        case "reload":
            reloading.sent(turn, state, why, event.output)
        case "pre_start":
            coming_up.after_pre_start(turn, state, why)
        case "post_start" if state.is_swept:
            going_down.after_oneshot_post_start(turn, state, why)
        case "post_start":
            coming_up.after_post_start(turn, state, why)
        case "pre_stop":
            _complain(turn, state, "pre_stop", why)
            if state.phase is Phase.STOPPING and not state.is_killed:
                descent.signal_stop(turn, state)
        case "post_stop":
            _complain(turn, state, "post_stop", why)
            if state.phase is Phase.CLEANING:
                going_down.end_life(turn, state)


def _complain(turn: Turn, state: ServiceState, kind: str, why: str) -> None:
    if why:
        turn.note(state, "hook-failed", f"{kind}: {why}")


def on_deadline(turn: Turn, state: ServiceState, event: ev.DeadlinePassed) -> None:
    """The time of an errand is over, or a check is due, or what a reload waited for did not come."""
    if all((d.kind, d.token) != (event.kind, event.token) for d in state.deadlines):
        return
    state.deadlines = tuple(d for d in state.deadlines if d.kind != event.kind)
    if event.kind == "health":
        health.due(turn, state)
    elif errand_in(state, event.kind) is not None:
        turn.kill_errand(state, event.kind)
    elif event.kind == "order":
        reloading.overdue(turn, state)
        commands.advance(turn, state)


def on_errand_ended_in_quarantine(turn: Turn, state: ServiceState, event: ev.ErrandEnded) -> None:
    """Nothing follows from it; but there must not seem to be one."""
    errand = _known(state, event.token)
    if errand is not None:
        state.errands = tuple(e for e in state.errands if e.token != event.token)
        turn.clear_deadline(state, SLOTS[errand.kind])


def _known(state: ServiceState, token: int) -> Errand | None:
    for errand in state.errands:
        if errand.token == token:
            return errand
    return None
