"""What a successor reads back is what its predecessor knew, to the last bit."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from amonsup.supervisor.model import effects as fx
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.records import ExitReport, Operation, Outcome, ServiceState, Stray, Task

settings.register_profile("ci", max_examples=100, deadline=None, database=None)
settings.load_profile("ci")

numbers = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**53), 2**53)

for kind, strategy in ((float, numbers), (int, whole)):
    st.register_type_strategy(kind, strategy)

operations = st.builds(
    Operation,
    outcomes=st.dictionaries(st.text(), st.from_type(Outcome), max_size=3),
    tasks=st.dictionaries(st.text(), st.from_type(Task), max_size=3),
)
st.register_type_strategy(Operation, operations)


@given(st.from_type(ServiceState))
def test_a_state_survives_being_written_down(state: ServiceState) -> None:
    assert msgspec.json.decode(msgspec.json.encode(state), type=ServiceState) == state


@given(operations)
def test_an_operation_survives_being_written_down(operation: Operation) -> None:
    assert msgspec.json.decode(msgspec.json.encode(operation), type=Operation) == operation


@given(st.from_type(ev.AnyEvent))
def test_an_event_survives_being_written_down(event: ev.AnyEvent) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=ev.AnyEvent) == event


@given(st.from_type(fx.SetTimer | fx.Spawn | fx.Note | fx.Sweep | fx.Remember | fx.Finished))
def test_an_effect_survives_being_written_down(effect: fx.AnyEffect) -> None:
    assert msgspec.json.decode(msgspec.json.encode(effect), type=fx.AnyEffect) == effect


def test_a_state_of_nothing_is_small() -> None:
    assert msgspec.json.encode(ServiceState(name="s")) == b'{"name":"s"}'


def test_a_state_that_a_newer_version_wrote_is_understood() -> None:
    raw = b'{"name":"s","phase":"running","colour":"green"}'
    assert msgspec.json.decode(raw, type=ServiceState).phase.value == "running"


def test_states_are_copied_by_the_engine_field_by_field() -> None:
    """`before.__copy__()` must not share what a rule changes: every field is a scalar or a tuple."""
    state = ServiceState(
        name="s",
        exits=(ExitReport(generation=1, reason="x", at=1.0, strays=(Stray(1, "x"),)),),
        queue=(Task("op", "start", "a"),),
    )
    copied = state.__copy__()
    state.queue = ()
    state.exits = (*state.exits, state.exits[0])
    assert (len(copied.queue), len(copied.exits)) == (1, 1)
    mutable = (list, dict, set)
    assert not [f for f in ServiceState.__struct_fields__ if isinstance(getattr(copied, f), mutable)]


def test_records_are_frozen_where_they_are_shared() -> None:
    for kind in (ExitReport, Task, Outcome, Stray):
        assert kind.__struct_config__.frozen, kind
