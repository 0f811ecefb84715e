"""Rules for what a service says of itself: sd_notify(3), and the watchdog that waits for it.

What a service says is believed only of its own life (generation), and only where its type gives the words a meaning:
READY=1 of a simple service changes nothing.
"""

from __future__ import annotations

import signal as signals

from amonsup.config.specs import ServiceType
from amonsup.supervisor.core import coming_up, commands, descent, holds, reloading
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Goal, Phase
from amonsup.supervisor.model.records import ServiceState


def on_noticed(turn: Turn, state: ServiceState, event: ev.Noticed) -> None:
    if event.generation != state.generation:
        return
    spec = turn.spec(state)
    if event.status is not None and event.status != state.status_text:
        state.status_text = event.status
        turn.note(state, "status", event.status)
    if event.main_pid and event.main_pid != state.pid:
        state.pid, state.start_ticks = event.main_pid, event.main_start_ticks
        turn.note(state, "main-pid", str(event.main_pid))
    if spec.type is not ServiceType.NOTIFY:
        return
    if event.is_ready and state.phase is Phase.STARTING:
        coming_up.is_up(turn, state)
    elif event.is_alive and state.phase is Phase.RUNNING and spec.watchdog_s > 0:
        turn.set_timer(state, spec.watchdog_s)
    if event.extend_s > 0:
        _extend(turn, state, event.extend_s)
    if state.phase is Phase.RUNNING:
        reloading.heard(turn, state, is_reloading=event.is_reloading, is_ready=event.is_ready)
    if event.has_failed and state.phase is Phase.RUNNING:
        watchdog_bites(turn, state, "it reported its own failure (WATCHDOG=trigger)")
    elif event.is_stopping and state.phase in (Phase.STARTING, Phase.RUNNING):
        turn.note(state, "stopping", "the service says that it stops")


def on_condemned(turn: Turn, state: ServiceState, event: ev.Condemned) -> None:
    """Like a crash: back-off and start limit count it, so a rule that matches after each start does not spin.

    The rule says restart, so another life is wanted whatever the policy is. Said of a life that is over, or goes
    down anyway, it means nothing: the next one has not written that line.
    """
    if event.generation != state.generation or not state.pid:
        return
    if state.hold is not None:
        turn.note(state, "failed", f"{event.why}; left alone: {holds.words(state.hold)}")
        return
    commands.fail_starts(turn, state, event.why)
    descent.fail_life(turn, state, event.why)
    state.goal = Goal.RETRY


def _extend(turn: Turn, state: ServiceState, by_s: float) -> None:
    """EXTEND_TIMEOUT_USEC: what is being waited for may take that long from now. A deadline is never made shorter."""
    if state.phase not in (Phase.STARTING, Phase.RUNNING, Phase.STOPPING):
        return
    if state.timer_at and turn.now + by_s > state.timer_at:
        turn.set_timer(state, by_s)
    if reloading.is_awaited(state) and all(d.kind != "order" or turn.now + by_s > d.at for d in state.deadlines):
        turn.set_deadline(state, "order", by_s)


def watchdog_bites(turn: Turn, state: ServiceState, why: str) -> None:
    """SIGABRT, as systemd does, so that a core can tell where it hung; then the usual grace period."""
    if state.hold is not None:
        turn.note(state, "failed", f"watchdog: {why}; left alone: {holds.words(state.hold)}")
        return
    descent.fail_life(turn, state, f"watchdog: {why}", int(signals.SIGABRT))
