"""Taking over: a successor goes on where its predecessor was cut off.

The record says what was ordered, the kernel what came of it. Every service of a live phase is adopted before anything
is decided, then timers are armed, open operations resumed, and everybody looks around.
"""

from __future__ import annotations

from amonsup import __version__
from amonsup.supervisor import household
from amonsup.supervisor.adapters import journal
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.household import PROBER
from amonsup.supervisor.leaving import IN_ORDER
from amonsup.supervisor.model import effects as fx
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import AT_REST, LIVE, Phase
from amonsup.supervisor.model.records import Operation, Outcome, ServiceState, errand_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amonsup.supervisor.daemon import Supervisor

WATCH_ONLY_S = 30.0


def take_over(daemon: Supervisor, found: journal.Recovered) -> None:
    """Go on where a predecessor was cut off."""
    fleet, own = daemon.fleet, daemon.household
    _restore(daemon, found)
    # The record goes with the last step of a shutdown: if one stands in it, over or not, it was not finished.
    fleet.is_shutting_down = any(o.verb == "shutdown" for o in fleet.operations.known.values())
    # A shutdown starts nothing anyway, and nobody could command it again.
    _set_watch_only(daemon, daemon.store.is_watch_only and not fleet.is_shutting_down)
    daemon.record.begin(is_applied=False)
    daemon.logger.resume()
    daemon.control.resume()
    daemon.prober.resume()
    daemon.attendants.thaw_what_was_left()
    with daemon.engine.paused():  # nothing is decided before everybody is adopted
        for each in (own, fleet):
            for state in list(each.states.values()):
                _take_over_service(daemon, each, state)
    daemon.watch.acknowledge_told()
    daemon.engine.pump()
    daemon.configuration.renew_prober()
    missing = [name for name, state in own.states.items() if state.phase not in LIVE]
    if missing and not own.is_shutting_down:
        daemon.start_household("household", missing)
    _resume_operations(daemon)
    daemon.engine.run(fleet, fleet.reconsider_all(daemon.now()))
    daemon.engine.pump()
    if fleet.is_shutting_down and all(s.phase in AT_REST for s in fleet.states.values()):
        daemon.leaving.fleet_down(fleet)


def is_current(found: journal.Recovered, name: str, generation: int) -> bool:
    """Whether a life is the one that the record shows as living."""
    state = found.states.get(name)
    return state is not None and state.generation == generation and state.phase in LIVE


def is_to_come(found: journal.Recovered, name: str, generation: int) -> bool:
    """Whether something was made ready for a life that has not begun."""
    state = found.states.get(name)
    return state is not None and generation > state.generation


def _restore(daemon: Supervisor, found: journal.Recovered) -> None:
    states = found.states.values()
    operations = dict(found.operations)
    applied = daemon.configuration.applied
    last_apply = applied.operation
    is_unknown = applied.instance == daemon.instance and found.applied < applied.serial
    if last_apply is not None and is_unknown:
        operations.setdefault(last_apply.id, last_apply)
    daemon.fleet.specs.update({s.name: s for s in applied.leaving if s.name in found.states})
    own = daemon.household
    if PROBER in found.states:  # needed or not any more: it is there, or was
        own.specs.setdefault(PROBER, household.prober_spec(daemon.site))
    own.restore([s for s in states if s.name in own.specs], ())
    daemon.fleet.restore([s for s in states if s.name not in own.specs], operations.values())
    text = f"amonsup {__version__}, {len(states)} states, {daemon.store.deaths} deaths so far"
    daemon.tidings.say("took-over", text)


def _take_over_service(daemon: Supervisor, fleet: Fleet, state: ServiceState) -> None:
    spec, orders, lives = fleet.specs[state.name], daemon.orders, daemon.lives
    if state.phase is Phase.RUNNING and spec.watchdog_s > 0:
        state.timer_at = daemon.now() + spec.watchdog_s  # while nobody listened, nobody could be heard
    if fleet is daemon.fleet:
        daemon.read_clock_for(state)
    for deadline in state.deadlines:
        orders.set_deadline(state.name, deadline)
    if state.timer_at:
        orders.set_timer(fx.SetTimer(name=state.name, token=state.timer_token, at=state.timer_at))
    if state.phase in LIVE or state.phase is Phase.QUARANTINED:
        lives.take_over(spec, state)
    # What was ordered may or may not have been done before the predecessor died; one that made room has done it, and
    # a second stop signal means 'at once' to many.
    was_killed = all(o.note != IN_ORDER for o in daemon.fleet.operations.open())
    if state.phase is Phase.STOPPING and state.pid and was_killed:
        hook = errand_in(state, "hook")
        if state.is_killed:
            lives.kill(state)
        elif hook is None or hook.kind != "pre_stop":
            lives.signal(state, spec.stop_signal)


def _resume_operations(daemon: Supervisor) -> None:
    """Give every open operation the tasks that had not reached their service yet."""
    fleet = daemon.fleet
    for operation in fleet.operations.open():
        if operation.verb == "upgrade":
            note = f"this is amonsup {__version__}"
            daemon.finish(fleet.operations.finish(operation.id, daemon.now(), note))
            continue
        if fleet.is_watching_only:
            note = "given up: the supervisor died repeatedly"
            daemon.engine.run(fleet, fleet.give_up(operation.id, note, daemon.now()))
            continue
        events = [
            ev.Commanded(name=name, task=task)
            for name, task in operation.tasks.items()
            if name not in operation.outcomes
            and name in fleet.states
            and all(t.operation != operation.id for t in fleet.states[name].queue)
        ]
        daemon.engine.run(fleet, fleet.handle(events, daemon.now()))
        _drop_vanished(daemon, operation)
    daemon.engine.pump()


def _drop_vanished(daemon: Supervisor, operation: Operation) -> None:
    """Targets that were forgotten before the outcome was on record: their removal is what was wanted."""
    fleet = daemon.fleet
    for name, task in operation.tasks.items():
        is_vanished = task.forget and name not in fleet.states and name not in operation.outcomes
        if is_vanished and fleet.operations.settle(operation.id, name, Outcome(is_ok=True), daemon.now()):
            daemon.finish(operation)


def _set_watch_only(daemon: Supervisor, is_so: bool) -> None:
    daemon.fleet.is_watching_only = is_so
    if not is_so:
        return
    daemon.lives.errands.postpone()
    text = f"the supervisor died repeatedly; nothing is started for {WATCH_ONLY_S:g} s"
    daemon.tidings.say("watching-only", text)
    daemon.loop.call_at(daemon.now() + WATCH_ONLY_S, lambda: watched_long_enough(daemon))


def watched_long_enough(daemon: Supervisor) -> None:
    """The time is over."""
    end_watch_only(daemon)


def end_watch_only(daemon: Supervisor) -> None:
    """Services are looked after again."""
    if not daemon.fleet.is_watching_only:
        return
    daemon.fleet.is_watching_only = False
    daemon.tidings.say("watching-ended", "services are looked after again")
    daemon.lives.errands.resume()
    daemon.engine.run(daemon.fleet, daemon.fleet.reconsider_all(daemon.now()))
    daemon.engine.pump()
