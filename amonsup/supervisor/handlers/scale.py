"""scale: an apply of the same configuration with other numbers of instances."""

from __future__ import annotations

from amonsup.config.instances import MOST, Scaled, counts, expand, problem
from amonsup.config.specs import ServiceSpec
from amonsup.supervisor.core.plan import Change, plan
from amonsup.supervisor.handlers import plans
from amonsup.supervisor.handlers.desk import LATER, Call, Desk, Later, Refusal, mutating, select, templates
from amonsup.verbs.scale import Arguments


def handle(desk: Desk, call: Call) -> Later | Refusal:
    args: Arguments = call.args
    loaded = desk.applied()
    wanted = _wanted(desk, args.scales)
    if isinstance(wanted, Refusal):
        return wanted
    refusal = mutating(desk)
    if refusal is not None:
        return refusal
    services = loaded.fleet.services
    written = {spec.name: spec.scale for spec in services}
    scaled = dict(desk.scaled())
    for name, count in wanted.items():
        over = written[name]
        assert over is not None
        scaled.pop(name, None)
        if count != over:
            scaled[name] = Scaled(count, over)
    wrong = problem(services, scaled)
    if wrong:
        return Refusal("bad-request", f"scale: {wrong}")
    new = {spec.name: spec for spec in expand(services, scaled)}
    refusal = plans.held(desk, new)
    if refusal is not None:
        return refusal
    changes = _changes(desk, new, counts(services, scaled))
    before = templates(desk)
    note = ", ".join(f"{name}: {before[name]} -> {count}" for name, count in wanted.items())
    desk.commit(call, loaded, scaled, plans.operation(desk, call, changes, note), plans.renewed(changes))
    return LATER


def _wanted(desk: Desk, words: tuple[str, ...]) -> dict[str, int] | Refusal:
    """NAME=N, each checked."""
    known = templates(desk)
    wanted: dict[str, int] = {}
    for word in words:
        name, is_there, number = word.partition("=")
        if not name or not is_there or not (number.isascii() and number.isdecimal() and len(number) <= 6):
            return Refusal("bad-request", f"scale: {word[:80]!r} is not SERVICE=N")
        if name not in known:
            found = select(desk, (name,))
            if isinstance(found, Refusal):
                return found
            of = desk.fleet.specs[found[0]].instance_of if found else ""
            hint = f"it is an instance of {of}: scale that" if of else "it has no 'scale' in conf.d: give it `scale: 1`"
            return Refusal("bad-request", f"scale: {name} cannot be scaled: {hint}")
        if int(number) > MOST:
            return Refusal("bad-request", f"scale: {word}: at most {MOST} instances are allowed")
        if wanted.get(name, int(number)) != int(number):
            return Refusal("bad-request", f"scale: {name} stands there twice")
        wanted[name] = int(number)
    if not wanted:
        return Refusal("bad-request", "scale: SERVICE=N is missing")
    return wanted


def _changes(desk: Desk, new: dict[str, ServiceSpec], templates: dict[str, int]) -> list[Change]:
    """Who wants more instances wants them up; of what is too much the highest numbers go first."""
    changes = plan(desk.fleet.specs, new, desk.fleet.states, templates)
    found = [_started(change, new) for change in changes if change.action != "stop"]
    return [*found, *(change for change in reversed(changes) if change.action == "stop")]


def _started(change: Change, new: dict[str, ServiceSpec]) -> Change:
    if change.action == "add" and not new[change.name].schedule:
        return Change(change.name, "start", change.why)
    return change
