"""What a service on its way up or down waits for; used by blocking and show."""

from __future__ import annotations

from amonsup.config.specs import ServiceSpec, ServiceType
from amonsup.supervisor.adapters import procfs
from amonsup.supervisor.core import ordering, reloading
from amonsup.supervisor.core.fleet import Fleet
from amonsup.supervisor.handlers.desk import Desk
from amonsup.supervisor.model.phases import Phase, public
from amonsup.supervisor.model.records import ServiceState, errand_in
from amonsup.verbs.page import duration
from amonsup.verbs.results import Blocker

_STUCK = "it sleeps in the kernel and cannot die (state D)"


def of(desk: Desk, fleet: Fleet, state: ServiceState) -> tuple[Blocker, ...]:
    """In the order in which they have to go; empty where nothing is waited for."""
    spec = fleet.specs[state.name]
    if state.phase is Phase.DRAINING:
        found = [_other(fleet, "dependant", name) for name in state.waiting_for] + _errand(desk, state, "hook")
    elif state.phase is Phase.WAITING:
        found = [
            _other(fleet, "dependency", d.name)
            for d in spec.depends_on
            if not ordering.is_met(d, fleet.specs[d.name], fleet.states[d.name])
        ] or [Blocker("dependency", state.why)]
    elif state.phase is Phase.BACKOFF:
        found = [Blocker("delay", f"{state.why}; next start in {duration(max(0.0, state.timer_at - desk.now()))}")]
    elif state.phase is Phase.STARTING:
        found = _errand(desk, state, "order") + (_errand(desk, state, "hook") or [_readiness(desk, spec, state)])
    elif state.phase is Phase.RUNNING:
        found = _errand(desk, state, "order") or _reload(desk, state)
    elif state.phase is Phase.STOPPING and not state.is_killed and errand_in(state, "hook") is not None:
        found = _errand(desk, state, "hook")  # pre_stop: nobody has been told to stop yet
    else:
        found = _errand(desk, state, "hook") + _processes(desk, state)
    return (*found, *_queued(state))


def _other(fleet: Fleet, kind: str, name: str) -> Blocker:
    other = fleet.states[name]
    why = f" ({other.why})" if other.why else ""
    return Blocker(kind, f"{public(other.phase, other.health).value}{why}", name=name)


def _errand(desk: Desk, state: ServiceState, slot: str) -> list[Blocker]:
    """A hook, a preflight or a reload by command that is under way, and how long it may take."""
    errand = errand_in(state, slot)
    if errand is None:
        return []
    text = f"{errand.kind} is not done" + _left(desk, state, slot, "; killed in")
    return [Blocker("errand", text, pid=errand.pid or None, command=procfs.command(errand.pid) if errand.pid else "")]


def _reload(desk: Desk, state: ServiceState) -> list[Blocker]:
    """The signal of a reload is sent; what is waited for is the service's word that it has reloaded."""
    if not reloading.is_awaited(state):
        return []
    text = "has not said READY=1 after its reload" if state.is_reloading else "was told to reload, and is looked at"
    return [Blocker("readiness", text + _left(desk, state, "order", "; given up in"), pid=state.pid or None)]


def _left(desk: Desk, state: ServiceState, slot: str, words: str) -> str:
    left = [max(0.0, deadline.at - desk.now()) for deadline in state.deadlines if deadline.kind == slot]
    return f"{words} {duration(left[0])}" if left else ""


def _readiness(desk: Desk, spec: ServiceSpec, state: ServiceState) -> Blocker:
    """What would make it count as up, and how long that is waited for."""
    texts = {
        ServiceType.SIMPLE: "up once it has lived for min_uptime",
        ServiceType.NOTIFY: "has not said READY=1 yet",
        ServiceType.ONESHOT: "has not ended yet",
        ServiceType.FORKING: "its command has not ended yet",
    }
    text = texts.get(spec.type, "not up yet") if state.pid else "its process is being made"
    if state.timer_at and spec.type is not ServiceType.SIMPLE:
        text += f"; given up in {duration(max(0.0, state.timer_at - desk.now()))} (start_timeout)"
    return Blocker("readiness", text, pid=state.pid or None, command=procfs.command(state.pid) if state.pid else "")


def _processes(desk: Desk, state: ServiceState) -> list[Blocker]:
    """Whoever of the service is alive although it is to be gone."""
    alive: list[tuple[int, str]] = []
    if state.phase is Phase.STOPPING and state.pid:
        alive.append((state.pid, procfs.command(state.pid)))
    alive += [(stray.pid, stray.command) for stray in desk.lives.left(state.name) if stray.pid != state.pid]
    now = desk.now()
    is_patient = bool(state.timer_at) and not state.is_killed
    kill_in_s = round(max(0.0, state.timer_at - now), 3) if is_patient else None
    since_s = round(max(0.0, now - state.since), 3)
    return [
        Blocker("process", _told(pid, is_patient=is_patient), "", pid, command, since_s, kill_in_s)
        for pid, command in alive
    ]


def _told(pid: int, *, is_patient: bool) -> str:
    if is_patient:
        return "told to stop"
    return f"{_STUCK}; killed" if procfs.state_and_parent(pid)[0] == "D" else "killed"


def _queued(state: ServiceState) -> list[Blocker]:
    """Commands that wait behind the one that is carried out."""
    return [Blocker("command", f"{task.verb} by {task.by} comes after it") for task in state.queue[1:]]
