"""Habits of the house that no linter knows: where errors stop, where time passes, what explains itself."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import msgspec
import pytest

from amonsup import verbs
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model import records
from amonsup.verbs.verb import Kind

TOP = Path(__file__).resolve().parents[2]
PACKAGE = TOP / "amonsup"
SOURCES = sorted(PACKAGE.rglob("*.py"))

BOUNDARIES = {
    "supervisor/core/fleet.py": "1: a rule that throws quarantines one service",
    "supervisor/requests.py": "2: a handler that throws is one refusal",
    "cli/command.py": "3: a person gets a line, not a traceback",
    "boot.py": "4: whatever an installed version fails of refuses the upgrade to it",
}


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def handlers_of(path: Path) -> list[ast.ExceptHandler]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]


def caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {"everything"}
    return {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}


def test_everything_is_caught_at_the_boundaries_only() -> None:
    found = [named(path) for path in SOURCES for each in handlers_of(path) if "Exception" in caught(each)]
    assert sorted(found) == sorted(BOUNDARIES)


def test_what_catches_more_than_exceptions_cleans_up_and_throws_on() -> None:
    for path in SOURCES:
        for handler in handlers_of(path):
            if caught(handler) & {"BaseException", "everything"}:
                last = handler.body[-1]
                assert isinstance(last, ast.Raise), f"{named(path)}:{handler.lineno}"
                assert last.exc is None, f"{named(path)}:{handler.lineno}"


def test_nothing_sleeps() -> None:
    """A client pauses between two tries to reach a daemon (its clock and pause are parameters); a session's task in
    control waits on the event loop, which goes on serving."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "sleep":
                found.append(named(path))
            if isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names):
                found.append(named(path))
    assert set(found) <= {"cli/conversation.py", "control/xmpp/session.py"}


def test_every_module_says_what_it_is_for() -> None:
    for path in SOURCES:
        text = path.read_text().strip()
        assert not text or ast.get_docstring(ast.parse(text)), named(path)


@pytest.mark.parametrize("path", sorted((PACKAGE / "supervisor" / "core").glob("*.py")), ids=lambda p: p.stem)
def test_every_module_of_the_engine_opens_with_its_theory(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    if path.name != "__init__.py":
        assert len(text.splitlines()) > 3


# ---- verbs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", verbs.NAMES)
def test_a_verb_is_declared_whole(name: str) -> None:
    verb = verbs.load(name)
    assert verb is not None
    assert verb.name == name
    assert verb.summary.strip() == verb.summary
    assert 5 < len(verb.summary) <= 110
    assert "\n" not in verb.summary
    assert issubclass(verb.arguments, msgspec.Struct)
    assert all(
        msgspec.json.schema(verb.arguments)["$defs"]["Arguments"]["properties"].get(field, {}).get("description")
        for field in verb.arguments.__struct_fields__
    ), "every argument has its help"


@pytest.mark.parametrize("name", verbs.NAMES)
def test_a_verb_is_carried_out_somewhere(name: str) -> None:
    verb = verbs.load(name)
    assert verb is not None
    handler = f"amonsup.supervisor.handlers.{name}"
    if verb.kind is Kind.LOCAL:
        assert importlib.util.find_spec(handler) is None
    else:
        assert callable(importlib.import_module(handler).handle)


def test_no_handler_is_without_its_verb() -> None:
    files = {path.stem for path in (PACKAGE / "supervisor" / "handlers").glob("*.py")}
    assert files - {"__init__", "blockers", "desk", "plans", "rows"} <= set(verbs.NAMES)
    declared = {path.stem for path in (PACKAGE / "verbs").glob("*.py")}
    assert declared - {"__init__", "verb", "page", "results", "outcome"} == set(verbs.NAMES)


@pytest.mark.parametrize("name", ["nosuch", "", "verb", "results", "../x", "status.page"])
def test_what_is_not_listed_is_not_loaded(name: str) -> None:
    assert verbs.load(name) is None


# ---- facts carry their generation ----------------------------------------------------------------------------------


def test_every_fact_about_a_process_carries_its_generation() -> None:
    without = {kind.__name__ for kind in ev.KINDS if "generation" not in kind.__struct_fields__}
    tokens = {kind.__name__ for kind in ev.KINDS if "token" in kind.__struct_fields__}
    people = {"Commanded", "Held", "Released", "WasReset"}  # they mean the service, not a process of it
    assert without - tokens == {*people, "Needed", "Reconsidered", "Respecified", "ClockRead"}
    assert tokens == {"TimerFired", "DeadlinePassed", "ErrandBorn", "ErrandEnded"}


def test_times_end_in_their_unit_or_are_moments() -> None:
    moments = {"at", "since", "born", "accepted", "finished", "timer_at", "due", "dealt", "checked"}
    for kind in (records.ExitReport, records.ServiceState, records.Operation):
        for field in msgspec.structs.fields(kind):
            if field.type is float:
                assert field.name in moments or field.name.endswith("_s"), (kind.__name__, field.name)


def test_every_file_of_tests_has_a_name_of_its_own() -> None:
    """pytest imports them by name: of two of one name the second is not collected."""
    names = [path.name for path in (TOP / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
