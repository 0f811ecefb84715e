"""tree: who needs whom."""

from __future__ import annotations

from amonsup.supervisor.core import ordering
from amonsup.supervisor.handlers.desk import Call, Desk
from amonsup.supervisor.model.phases import public
from amonsup.verbs.results import TreeResult, TreeRow


def handle(desk: Desk, _call: Call) -> TreeResult:
    specs, states = desk.fleet.specs, desk.fleet.states
    rows = [
        TreeRow(
            name=name,
            state=public(states[name].phase, states[name].health).value,
            depends_on=tuple(f"{d.name} ({d.condition.value})" for d in specs[name].depends_on),
            tags=specs[name].tags,
            instance_of=specs[name].instance_of,
        )
        for layer in ordering.layers(specs)
        for name in layer
    ]
    return TreeResult(tuple(rows))
