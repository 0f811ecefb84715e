"""The table answers every event in every phase, and the public words cover every phase."""

from __future__ import annotations

import inspect
import itertools

import msgspec
import pytest

from amonsup.supervisor.core import (
    coming_up,
    commands,
    deadlines,
    errands,
    going_down,
    holds,
    notices,
    runs,
    surroundings,
    table,
)
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model import phases
from amonsup.supervisor.model.phases import Phase


def test_every_pair_has_a_rule() -> None:
    assert set(table.TABLE) == set(itertools.product(Phase, ev.KINDS))


def test_the_columns_are_the_kinds_of_events_in_their_order() -> None:
    assert table._COLUMNS == ev.KINDS


def test_kinds_are_all_the_events_there_are() -> None:
    declared = {
        kind
        for _, kind in inspect.getmembers(ev, inspect.isclass)
        if issubclass(kind, ev.Event) and kind is not ev.Event
    }
    assert declared == set(ev.KINDS)
    assert set(ev.AnyEvent.__args__) == set(ev.KINDS)


def test_every_rule_is_used_and_documented_rules_are_the_engines_own() -> None:
    used = set(table.TABLE.values())
    handlers = {
        rule
        for room in (coming_up, commands, deadlines, errands, going_down, holds, notices, runs, surroundings)
        for name, rule in inspect.getmembers(room, inspect.isfunction)
        if name.startswith("on_")
    }
    assert handlers <= used
    assert used - handlers == {table.ignore}


def test_a_command_is_never_ignored() -> None:
    assert all(table.TABLE[phase, ev.Commanded] is commands.on_commanded for phase in Phase)


@pytest.mark.parametrize("phase", sorted(phases.LIVE, key=lambda p: p.value))
def test_the_end_of_a_process_is_heard_wherever_one_may_live(phase: Phase) -> None:
    if phase is Phase.CLEANING:  # entered by that very end
        assert table.TABLE[phase, ev.Exited] is table.ignore
    else:
        assert table.TABLE[phase, ev.Exited] is going_down.on_exited


def test_every_phase_has_a_public_word_and_a_side() -> None:
    assert set(phases.PUBLIC) == set(Phase)
    assert phases.GOING_DOWN < phases.LIVE
    assert not phases.LIVE & phases.AT_REST
    assert set(Phase) - phases.LIVE - phases.AT_REST == {Phase.WAITING, Phase.BACKOFF}


@pytest.mark.parametrize("kind", ev.KINDS, ids=lambda kind: kind.__name__)
def test_events_are_frozen_and_can_be_written_down(kind: type[ev.Event]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.tag == kind.__name__
    assert msgspec.json.schema(kind)
