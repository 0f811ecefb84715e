"""Rules of the way down: the main process ended, and then nothing of the life was left.

What follows a life was decided when its end began and stands in `goal`: a stop that was commanded stays a stop
whatever the exit status is, and only an end that nobody ordered asks the restart policy.
"""

from __future__ import annotations

import msgspec

from amonsup.config.specs import ServiceSpec, ServiceType
from amonsup.supervisor.core import ascent, commands, descent, reloading, restart
from amonsup.supervisor.core.turn import Turn
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.effects import LetGo, SeekMain
from amonsup.supervisor.model.phases import GOING_DOWN, Desired, Goal, Phase
from amonsup.supervisor.model.records import KEPT_EXITS, KEPT_RUNS, ExitReport, ServiceState, errand_in


def on_exited(turn: Turn, state: ServiceState, event: ev.Exited) -> None:
    """The main process is gone. Whatever the reason, the rest of the life is swept before anything else."""
    if event.generation != state.generation or event.pid != state.pid:
        return
    report, spec = event.report, turn.spec(state)
    phase = state.phase
    state.pid, state.start_ticks = 0, 0
    if phase is Phase.STARTING and _is_starter(spec, state, report):
        state.has_forked = True
        turn.effects.append(SeekMain(name=state.name, generation=state.generation))
        return
    if phase in GOING_DOWN:
        report = msgspec.structs.replace(report, reason=f"{report.reason} ({state.why})", by=state.by)
        keep_exit(state, report)
        turn.note(state, "exited", report.reason, state.by)
        hook = errand_in(state, "hook")
        if hook is not None and hook.kind == "pre_stop" and not state.is_killed:
            return  # it may be what ended the service, and is to come to its own end
        descent.clean(turn, state)
        return
    succeeded = restart.is_success(spec, report)
    keep_exit(state, report)
    turn.note(state, "exited", report.reason, ok=succeeded)
    again = restart.wants_another(spec, succeeded)
    state.goal = Goal.RETRY if again else Goal.DONE if succeeded else Goal.STAY
    reloading.ended(turn, state, report.reason)
    if commands.is_at_preflight_of_restart(state):
        state.goal = Goal.AGAIN  # there is nothing left that a preflight could protect
    elif phase is Phase.STARTING and (again or not succeeded):
        commands.fail_starts(turn, state, f"{report.reason} after {round(report.uptime_s, 3):.3g} s")
    turn.enter(state, Phase.CLEANING, report.reason)
    if event.is_alone and not spec.depends_on and state.name not in turn.world.dependants:
        # Nobody has to see it down before it comes up again: the way from a crash to the next life in one turn.
        turn.effects.append(LetGo(name=state.name, generation=state.generation))
        _swept(turn, state, spec)
    else:
        descent.sweep(turn, state, gentle=False)


def _is_starter(spec: ServiceSpec, state: ServiceState, report: ExitReport) -> bool:
    """Whether this is the end of what a forking service starts with, and as it should be."""
    return spec.type is ServiceType.FORKING and not state.has_forked and report.code in spec.success_codes


def fail_unborn(turn: Turn, state: ServiceState, why: str) -> None:
    """The start has come to nothing although nothing of it has crashed: what is left of it goes, the policy decides."""
    if state.phase is not Phase.STARTING:
        return
    keep_exit(state, ExitReport(generation=state.generation, reason=why, at=turn.now))
    turn.note(state, "failed", why)
    commands.fail_starts(turn, state, why)
    state.goal = Goal.RETRY if restart.wants_another(turn.spec(state), succeeded=False) else Goal.STAY
    turn.enter(state, Phase.CLEANING, why)
    descent.sweep(turn, state, gentle=False)


def on_exited_in_quarantine(turn: Turn, state: ServiceState, event: ev.Exited) -> None:
    """Hands off, but do not believe that a dead process lives."""
    if event.generation == state.generation and event.pid == state.pid:
        state.pid, state.start_ticks = 0, 0


def on_swept(turn: Turn, state: ServiceState, event: ev.Swept) -> None:
    if event.generation != state.generation:
        return
    if event.strays:
        names = ", ".join(f"{s.pid} {s.command}" for s in event.strays[:5])
        more = f" and {len(event.strays) - 5} more" if len(event.strays) > 5 else ""
        turn.note(state, "swept", f"{len(event.strays)} left behind: {names}{more}")
        if state.exits and state.exits[-1].generation == event.generation:
            state.exits = (
                *state.exits[:-1],
                msgspec.structs.replace(state.exits[-1], strays=event.strays[:20]),
            )
    _swept(turn, state, turn.spec(state))


def _swept(turn: Turn, state: ServiceState, spec: ServiceSpec) -> None:
    state.is_swept = True
    turn.drop_errands(state)
    if spec.post_start and spec.type is ServiceType.ONESHOT and state.goal is Goal.DONE:
        turn.clear_timer(state)
        turn.run_errand(state, "post_start")  # a oneshot is up once it has succeeded
    else:
        _post_stop(turn, state)


def after_oneshot_post_start(turn: Turn, state: ServiceState, why: str) -> None:
    """`why`: of its failure, which is the oneshot's."""
    if why:
        why = f"post_start: {why}"
        turn.note(state, "failed", why)
        commands.fail_starts(turn, state, why)
        if state.goal is Goal.DONE:
            state.goal = Goal.RETRY if restart.wants_another(turn.spec(state), succeeded=False) else Goal.STAY
            state.why = why
    _post_stop(turn, state)


def _post_stop(turn: Turn, state: ServiceState) -> None:
    if turn.spec(state).post_stop:
        turn.clear_timer(state)
        turn.run_errand(state, "post_stop")
    else:
        end_life(turn, state)


def end_life(turn: Turn, state: ServiceState) -> None:
    _after_life(turn, state)
    commands.advance(turn, state)


def _after_life(turn: Turn, state: ServiceState) -> None:
    """Nothing is left of the life: do what was decided on the way down."""
    goal, why = state.goal, state.why
    state.by = "" if goal is Goal.RETRY and not state.is_transient else state.by
    if goal in (Goal.AGAIN, Goal.WAIT):
        ascent.try_start(turn, state)
    elif goal is Goal.RETRY and state.is_transient:
        ascent.retry_soon(turn, state, why)
    elif goal is Goal.RETRY:
        ascent.retry(turn, state, why)
    elif goal is Goal.GIVE_UP:
        ascent.give_up(turn, state, why)
    elif goal is Goal.DONE or (goal is Goal.STAY and state.desired is Desired.UP):
        state.desired = Desired.DOWN
        turn.enter(state, Phase.EXITED, why)
    else:
        turn.enter(state, Phase.STOPPED, why)
        turn.note(state, "stopped", why, state.by)


def keep_exit(state: ServiceState, report: ExitReport) -> None:
    state.exits = (*state.exits, report)[-(KEPT_RUNS if state.calendar else KEPT_EXITS) :]
