"""Who may import whom: the floors, the purity of the engine, and what the small processes never load.

The floors are import-linter's (.ci/importlinter.ini, run here as `make check` runs it). What they express: wire and
loop know nobody; config is below verbs because a verb's role is a `config.specs.Role`; the supervisor's chronicle
writes what the verb `events` answers, so verbs are below it; cli sees everything but the supervisor's inside.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter import cli as import_linter

TOP = Path(__file__).resolve().parents[2]
PACKAGE = TOP / "amonsup"

PURE = {
    "__future__",
    "collections",
    "enum",
    "signal",  # names of signals
    "typing",
    "zlib",  # checksums
    "msgspec",
    "amonsup",
    "amonsup.config.specs",
    "amonsup.config.roles",
    "amonsup.config.xmpp_specs",
    "amonsup.config.remote_access",
    "amonsup.wire.messages",
}
"""All that core and model may import besides each other. No clock, no kernel, no network, no file."""

SIBLINGS = {
    "config",
    "control",
    "logbook",
    "wire",
    "verbs",
    "loop",
    "logs",
    "prober",
    "cli",
    "supervisor",
    "importing",
}


def imports_of(path: Path, *, at_run_time: bool = False) -> Iterator[tuple[str, str]]:
    """(module, name or "") for every import in the file; `at_run_time`: only those executed when it is loaded."""
    tree = ast.parse(path.read_text())
    for node in tree.body if at_run_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def modules_below(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "amonsup" else ""


def test_import_linter_keeps_the_floors(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(TOP)
    status = import_linter.lint_imports(config_filename=".ci/importlinter.ini", no_cache=True)
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", [*modules_below("supervisor/core"), *modules_below("supervisor/model")], ids=str)
def test_the_engine_asks_neither_clock_nor_kernel(path: Path) -> None:
    for module, _ in imports_of(path):
        is_own = module.startswith(("amonsup.supervisor.core", "amonsup.supervisor.model"))
        assert is_own or module in PURE or module == "collections.abc", f"{path.name} imports {module}"


@pytest.mark.parametrize("path", modules_below("supervisor/model"), ids=str)
def test_records_do_not_know_the_rules(path: Path) -> None:
    assert not [module for module, _ in imports_of(path) if ".core" in module]


def test_the_engine_only_names_signals_and_never_sends_any() -> None:
    for path in modules_below("supervisor/core"):
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("signal", "signals")
        }
        assert all(name.startswith("SIG") for name in used), (path.name, used)


@pytest.mark.parametrize("room", ["wire", "loop"])
def test_the_ground_floor_knows_nobody(room: str) -> None:
    found = {room_of(module) for path in modules_below(room) for module, _ in imports_of(path)}
    assert found <= {"", room}


def test_wire_and_verbs_do_no_input_or_output() -> None:
    doing = {"os", "socket", "select", "selectors", "subprocess", "time", "asyncio", "threading", "pathlib"}
    for room in ("wire", "verbs"):
        for path in modules_below(room):
            assert not doing & {module.split(".")[0] for module, _ in imports_of(path)}, path


def test_verbs_know_of_the_configuration_only_its_records() -> None:
    """Role and Loaded, and the mistakes that `check` answers."""
    found = {module for path in modules_below("verbs") for module, _ in imports_of(path)}
    records = {"amonsup.config.specs", "amonsup.config.errors"}
    assert {module for module in found if room_of(module) == "config"} <= records


def test_the_supervisor_and_the_logger_parse_no_yaml_while_they_live() -> None:
    """Of config they load records and rules; parsing is a process of its own (boot.py, config)."""
    names = {"specs", "fingerprints", "watch_rules", "secret_files", "roles", "xmpp_specs", "remote_access", "files"}
    allowed = {
        *(f"amonsup.config.{name}" for name in names),
    }
    lazily = {"amonsup.config.helper", "amonsup.config.load", "amonsup.config.capabilities"}
    allowed |= {"amonsup.config.instances", "amonsup.config.own_processes"}
    lazily |= {"amonsup.config.calendar", "amonsup.config.units"}
    for path in [*modules_below("supervisor"), *modules_below("logs")]:
        if path.name == "entry.py":  # amonsupd's command line: gone once the guardian runs
            continue
        loaded = {m for m, _ in imports_of(path, at_run_time=True) if room_of(m) == "config"}
        assert loaded <= allowed, path
        anywhere = {m for m, _ in imports_of(path) if room_of(m) == "config"}
        assert anywhere <= allowed | lazily, path


def test_the_client_knows_nothing_of_the_supervisors_inside() -> None:
    found = {module for path in modules_below("cli") for module, _ in imports_of(path)}
    assert not [module for module in found if room_of(module) in ("supervisor", "logs", "prober", "loop")]


def test_no_room_is_a_bag_of_tools() -> None:
    names = {path.stem for path in PACKAGE.rglob("*.py")} | {name for _, names, _ in os.walk(PACKAGE) for name in names}
    assert not names & {"utils", "util", "helpers", "common", "misc", "manager", "managers"}


def test_every_room_is_on_a_floor() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    layers = (TOP / ".ci" / "importlinter.ini").read_text()
    assert rooms == {room for room in rooms if f"amonsup.{room}" in layers}
    assert rooms <= SIBLINGS, "a new room: put it on a floor, in the ini and here"
