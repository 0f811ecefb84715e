"""What an apply would do: the difference between two configurations, service by service, with the reason.

Only what a process is born with makes a restart necessary (`BORN_WITH`); everything else is read by the engine when
it is needed, so a changed policy, dependency or check takes effect in place. The digest of what a life was born with
stands in its record, for whoever wants to know which spec a running process really has.
"""

from __future__ import annotations

import zlib
from collections.abc import Container, Mapping

import msgspec

from amonsup.config.specs import Condition, ServiceSpec
from amonsup.supervisor.core import ordering, restart
from amonsup.supervisor.model.phases import LIVE, Desired, Phase
from amonsup.supervisor.model.records import ServiceState

BORN_WITH = (
    "command",
    "user",
    "group",
    "supplementary_groups",
    "working_dir",
    "environment",
    "umask",
    "type",
    "watchdog_s",
    "no_new_privileges",
    "ulimits",
    "nice",
    "ionice",
    "oom_score_adj",
    "cap_drop",
    "cap_add",
    "secrets",
)
"""Fields whose change needs a new life. `logging.capture` and `logging.stderr` count too."""


SPELLED = {
    "success_codes": "success_exit",
    "success_signals": "success_exit",
    "reload_signal": "reload",
    "reload_command": "reload",
    "is_reload_given": "reload",
}
"""Fields that are not named as conf.d names them."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a plan. action: start, stop, restart, change (in place) or add (known, but not started)."""

    name: str
    action: str
    why: str


def digest(spec: ServiceSpec) -> str:
    """A short digest of what a life of this spec is born with."""
    born_with = [getattr(spec, key) for key in BORN_WITH]
    output: object = spec.logging.capture
    if spec.logging.capture and spec.logging.stderr != "merge":
        output = spec.logging.stderr
    return f"{zlib.crc32(msgspec.json.encode([born_with, output])):08x}"


def differing(old: ServiceSpec, new: ServiceSpec) -> tuple[str, ...]:
    """The keys, in interface.md's spelling, in which two specs differ."""
    found = (
        SPELLED.get(key, key.removesuffix("_s").removesuffix("_bytes"))
        for key in ServiceSpec.__struct_fields__
        if getattr(old, key) != getattr(new, key)
    )
    return tuple(dict.fromkeys(found))


def plan(
    old: Mapping[str, ServiceSpec],
    new: Mapping[str, ServiceSpec],
    states: Mapping[str, ServiceState],
    templates: Container[str] = (),
) -> list[Change]:
    """What going from `old` to `new` does, in the order of `new`, removals last. Unchanged services are not named.

    `templates`: what there are instances of in `new`, even if none; one that goes while these stay is scaled down.
    """
    changes = []
    for name, spec in new.items():
        change = _added(spec) if name not in old else _changed(old[name], spec, states.get(name))
        if change is not None:
            changes.append(change)
    for name, spec in old.items():
        if name not in new:
            state = states.get(name)
            is_live = state is not None and state.phase in LIVE
            why = f"{spec.instance_of} is scaled down" if spec.instance_of in templates else "removed from conf.d"
            changes.append(Change(name, "stop", why + ("" if is_live else ", was not running")))
    return changes


def with_followers(
    changes: list[Change], new: Mapping[str, ServiceSpec], states: Mapping[str, ServiceState]
) -> list[Change]:
    """The plan as people should read it: with whom the engine restarts because of it, in the order of `new`.

    Only to be shown. The engine makes followers follow by itself; a command to each would restart them twice.
    """
    planned = {change.name: change for change in changes}
    followed = _followed(changes, new, states)
    lines = [_following(planned.get(name), name, followed.get(name, "")) for name in new]
    return [line for line in lines if line is not None] + [change for change in changes if change.name not in new]


def _followed(
    changes: list[Change], new: Mapping[str, ServiceSpec], states: Mapping[str, ServiceState]
) -> dict[str, str]:
    """Of each service that goes down and comes back with another one: that other one (`ordering.must_follow`)."""
    dependants = ordering.dependants_of(new.values())
    restarted = [change.name for change in changes if change.action == "restart"]
    left = [name for name in restarted if _is_up_and_free(states[name])]
    followed: dict[str, str] = {}
    while left:
        name = left.pop(0)
        for follower in dependants.get(name, ()):
            is_decided = follower in restarted or follower in followed
            if is_decided or follower not in states or not _is_up_and_free(states[follower]):
                continue
            edges = (d for d in new[follower].depends_on if d.name == name)
            if any(d.restart and d.condition is not Condition.COMPLETED for d in edges):
                followed[follower] = name
                left.append(follower)
    return followed


def _is_up_and_free(state: ServiceState) -> bool:
    """Whether it can be made to go down now: it is up, and nobody holds it."""
    return state.phase in (Phase.STARTING, Phase.RUNNING) and state.hold is None


def _following(change: Change | None, name: str, followed: str) -> Change | None:
    if not followed:
        return change
    why = f"its dependency {followed} is restarted"
    return Change(name, "restart", f"{change.why}; {why}" if change is not None else why)


def _added(spec: ServiceSpec) -> Change:
    if spec.schedule:
        return Change(spec.name, "add", f"new in conf.d, runs by its schedule: {spec.schedule}")
    if spec.autostart:
        return Change(spec.name, "start", "new in conf.d")
    return Change(spec.name, "add", "new in conf.d, autostart: false")


def _changed(old: ServiceSpec, new: ServiceSpec, state: ServiceState | None) -> Change | None:
    if state is not None and any(task.forget for task in state.queue):
        # It was removed, is still on its way out, and now it is back.
        return _added(new)
    keys = differing(old, new)
    if not keys:
        return None
    what = "changed: " + ", ".join(keys)
    if state is None or digest(old) == digest(new):
        return Change(new.name, "change", what)
    if new.schedule and (old.schedule or state.phase not in LIVE):
        return Change(new.name, "change", f"{what}; from its next run on")
    if state.phase in LIVE and state.desired is Desired.UP:
        return Change(new.name, "restart", what)
    if state.phase in (Phase.BACKOFF, Phase.FATAL, Phase.QUARANTINED):
        # A new command may be just the cure: do not let it sit out the old one's penalty.
        return Change(new.name, "restart", f"{what}; was {state.phase.value}")
    if state.phase is Phase.EXITED and state.exits and not restart.is_success(old, state.exits[-1]):
        # So too for what is not tried again by itself; who waits for it would wait for ever.
        return Change(new.name, "restart", f"{what}; had failed")
    return Change(new.name, "change", f"{what}; was {state.phase.value}")
