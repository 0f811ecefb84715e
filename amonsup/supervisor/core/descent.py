"""The steps down: draining, the stop signal, the kill, the sweep.

A life goes down in the order DRAINING, STOPPING, CLEANING. It may enter anywhere (a crash goes straight to CLEANING)
but never leaves by another door than the sweep, because the next life may begin only once nothing of this one is
left. What a step is: see `ascent.py`.
"""

from __future__ import annotations

from amonsup.supervisor.core import restart
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import KillAll, SignalMain, Sweep
from amonsup.supervisor.model.phases import Goal, Phase
from amonsup.supervisor.model.records import ServiceState


def go_down(turn: Turn, state: ServiceState, goal: Goal, why: str, *, takes_dependants: bool) -> None:
    """Begin the way down; the phase moves on by itself once no live dependant is in the way."""
    turn.enter(state, Phase.DRAINING, why)
    state.goal = goal
    state.takes_dependants = takes_dependants
    turn.follow_ups.append(ev.Reconsidered(name=state.name))


def stop_main(turn: Turn, state: ServiceState) -> None:
    """What the service wants done before its stop signal, if it ever was up; then the signal."""
    turn.enter(state, Phase.STOPPING, state.why)
    if state.pid and state.was_up and turn.spec(state).pre_stop:
        turn.run_errand(state, "pre_stop")
    else:
        signal_stop(turn, state)


def signal_stop(turn: Turn, state: ServiceState) -> None:
    """The stop signal, and the deadline after which everything is killed."""
    spec = turn.spec(state)
    if not state.pid:  # intent of a predecessor: there is nobody to signal, only to sweep
        clean(turn, state)
        return
    if spec.stop_grace_period_s <= 0:
        kill(turn, state)
        return
    turn.effects.append(SignalMain(name=state.name, generation=state.generation, signal=spec.stop_signal))
    turn.set_timer(state, spec.stop_grace_period_s)


def kill(turn: Turn, state: ServiceState) -> None:
    """No more patience: SIGKILL to everything. Dependants are not waited for."""
    if state.phase is Phase.DRAINING:
        turn.enter(state, Phase.STOPPING, state.why)
    turn.clear_timer(state)
    state.is_killed = True
    if state.phase is Phase.CLEANING and state.is_swept:
        turn.kill_errand(state, "hook")  # this is what is waited for
    elif state.phase is Phase.CLEANING:
        sweep(turn, state, gentle=False)
    elif not state.pid:
        clean(turn, state)
    else:
        turn.effects.append(KillAll(name=state.name, generation=state.generation))


def clean(turn: Turn, state: ServiceState) -> None:
    """On the way down: what the main process left gets the stop signal too, and the rest of the grace period."""
    left = state.timer_at - turn.now if state.timer_at else 0.0
    gentle = left > 0 and not state.is_killed
    turn.enter(state, Phase.CLEANING, state.why)
    if gentle:
        turn.set_timer(state, left)
    sweep(turn, state, gentle=gentle)


def sweep(turn: Turn, state: ServiceState, *, gentle: bool) -> None:
    turn.effects.append(
        Sweep(
            name=state.name,
            generation=state.generation,
            signal=turn.spec(state).stop_signal if gentle else 0,
        )
    )


def fail_life(turn: Turn, state: ServiceState, why: str, signal: int = 0) -> None:
    """The life is no good: end it with `signal` (0: the stop signal), then let the policy decide.

    Dependants are neither waited for nor taken along: they see it go, as after a crash.
    """
    spec = turn.spec(state)
    turn.note(state, "failed", why)
    state.by = ""
    state.goal = Goal.RETRY if restart.wants_another(spec, succeeded=False) else Goal.STAY
    turn.enter(state, Phase.STOPPING, why)
    if not state.pid:
        clean(turn, state)
        return
    turn.effects.append(SignalMain(name=state.name, generation=state.generation, signal=signal or spec.stop_signal))
    turn.set_timer(state, spec.stop_grace_period_s)
