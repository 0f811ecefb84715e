"""The rule for a deadline that has passed.

Each phase has at most one deadline (`timer_at`), entering a phase drops the one before, and its token makes a late
one harmless.
"""

from __future__ import annotations

from amonsup.config.specs import ServiceType
from amonsup.supervisor.core import ascent, coming_up, commands, descent, holds, notices
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import ServiceState


def on_timer(turn: Turn, state: ServiceState, event: ev.TimerFired) -> None:
    """The phase's deadline has passed; what that means depends on the phase alone."""
    if event.token != state.timer_token or not state.timer_at:
        return
    state.timer_at = 0.0
    spec = turn.spec(state)
    if state.phase is Phase.BACKOFF:
        ascent.try_start(turn, state)
        commands.advance(turn, state)
    elif state.phase is Phase.STARTING and spec.type is ServiceType.SIMPLE:
        coming_up.is_up(turn, state)
    elif state.phase is Phase.STARTING:
        why = f"not up within {spec.start_timeout_s:g} s (start_timeout)"
        commands.fail_starts(turn, state, why)
        if state.hold is None:
            descent.fail_life(turn, state, why)
        else:
            turn.note(state, "failed", f"{why}; left alone: {holds.words(state.hold)}")
            holds.tell_dependants(turn, state)
    elif state.phase is Phase.RUNNING and spec.watchdog_s > 0:
        notices.watchdog_bites(turn, state, f"no WATCHDOG=1 for {spec.watchdog_s:g} s")
    elif state.phase is Phase.STOPPING:
        turn.note(state, "killed", f"still there after {spec.stop_grace_period_s:g} s (stop_grace_period)")
        descent.kill(turn, state)
    elif state.phase is Phase.CLEANING:
        state.is_killed = True
        descent.sweep(turn, state, gentle=False)
