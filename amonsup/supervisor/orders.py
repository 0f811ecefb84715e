"""Orders: each kind of effect, and which part of the daemon carries it out; the engine's timers among them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

from amonsup.loop.loop import Timer
from amonsup.supervisor.adapters import files
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.engine import Order
from amonsup.supervisor.model import effects as fx
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.records import Deadline
from amonsup.supervisor.tidings import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amonsup.supervisor.daemon import Supervisor


class Orders:
    """`by_kind` is what the engine looks up."""

    def __init__(self, daemon: Supervisor, fleet_down: Callable[[Fleet], None]) -> None:
        self._daemon = daemon
        self._lives = daemon.lives
        self._loop = daemon.loop
        self._timers: dict[str, Timer] = {}
        errands, wishes, almanac = daemon.lives.errands, daemon.wishes, daemon.almanac
        self.by_kind: dict[type, Order] = {
            fx.Spawn: self._spawn,
            fx.SignalMain: self._signal_main,
            fx.KillAll: self._kill_all,
            fx.Sweep: self._sweep,
            fx.LetGo: lambda _fleet, effect: self._lives.let_go(effect.name, effect.generation),
            fx.SetTimer: lambda _fleet, effect: self.set_timer(effect),
            fx.ClearTimer: lambda _fleet, effect: self._clear_timer(effect.name),
            fx.SetDeadline: lambda _fleet, effect: self.set_deadline(effect.name, effect),
            fx.ClearDeadline: lambda _fleet, effect: self._clear_timer(f"{effect.name}/{effect.kind}"),
            fx.RunErrand: self._run_errand,
            fx.KillErrand: lambda _fleet, effect: errands.kill(effect.name, effect.kind, effect.token),
            fx.SeekMain: lambda fleet, effect: self._lives.seek(fleet.specs[effect.name], effect.generation),
            fx.Note: lambda _fleet, effect: daemon.tidings.note(effect),
            fx.Remember: self._remember,
            fx.RememberHold: lambda _fleet, effect: wishes.hold(effect.name, effect.hold),
            fx.RememberCalendar: lambda _fleet, effect: wishes.deal(effect.name, effect.calendar, effect.dealt),
            fx.SetAlarm: lambda _fleet, effect: almanac.set(effect.name, effect.at),
            fx.Forget: self._forget,
            fx.Finished: lambda _fleet, effect: daemon.finish(effect.operation),
            fx.Quarantine: self._quarantine,
            fx.FleetDown: lambda fleet, _effect: fleet_down(fleet),
        }

    # -- lives --

    def _spawn(self, fleet: Fleet, effect: fx.Spawn) -> None:
        self._lives.spawn(fleet.specs[effect.name], effect.generation)

    def _signal_main(self, fleet: Fleet, effect: fx.SignalMain) -> None:
        self._lives.signal(fleet.states[effect.name], effect.signal)

    def _kill_all(self, fleet: Fleet, effect: fx.KillAll) -> None:
        self._lives.kill(fleet.states[effect.name])

    def _sweep(self, fleet: Fleet, effect: fx.Sweep) -> None:
        self._lives.sweep(fleet.specs[effect.name], effect.generation, effect.signal)

    def _run_errand(self, fleet: Fleet, effect: fx.RunErrand) -> None:
        self._lives.errands.run(fleet.specs[effect.name], fleet.states[effect.name], effect.kind, effect.token)

    # -- timers --

    def set_timer(self, effect: fx.SetTimer) -> None:
        self._clear_timer(effect.name)
        name, token = effect.name, effect.token
        self._timers[name] = self._loop.call_at(effect.at, partial(self._timer_fired, name, token))

    def _timer_fired(self, name: str, token: int) -> None:
        self._timers.pop(name, None)
        self._daemon.engine.post(ev.TimerFired(name=name, token=token))

    def set_deadline(self, name: str, deadline: fx.SetDeadline | Deadline) -> None:
        key = f"{name}/{deadline.kind}"
        self._clear_timer(key)
        event = ev.DeadlinePassed(name=name, kind=deadline.kind, token=deadline.token)
        self._timers[key] = self._loop.call_at(deadline.at, lambda: self._daemon.engine.post(event))

    def _clear_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    # -- words and ends --

    def _remember(self, fleet: Fleet, effect: fx.Remember) -> None:
        if fleet is self._daemon.fleet:
            self._daemon.wishes.stop(effect.name, is_stopped=effect.is_stopped)

    def _forget(self, _fleet: Fleet, effect: fx.Forget) -> None:
        daemon, name = self._daemon, effect.name
        self._clear_timer(name)
        daemon.almanac.set(name, 0.0)
        self._lives.forget(name)
        daemon.matches.forget(name)
        daemon.attendants.forget(name)
        daemon.record.forget(name)

    def _quarantine(self, fleet: Fleet, effect: fx.Quarantine) -> None:
        name, error = effect.name, effect.error
        file_name = f"transcript-{name}-{time.strftime('%Y%m%dT%H%M%S')}.json"
        path = os.path.join(self._daemon.site.state_dir, file_name)
        try:
            files.write_atomically(path, effect.transcript, is_durable=False)
        except OSError as failure:
            path = f"not written: {failure.strerror}"
        fleet.states[name].quarantine = path
        complain(f"internal error: {name}: {error}; it is in quarantine, transcript: {path}")
