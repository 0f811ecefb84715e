"""What the processes that stay have loaded: looked at in a child, started as boot.py starts them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from amonsup import boot

HEAVY = {
    "yaml",
    "asyncio",
    "structlog",
    "click",
    "rich",
    "logging",
    "typing_extensions",
    "inspect",
    "subprocess",
    "concurrent",
    "ssl",
    "urllib",
    "email",
    "amonsup.cli",
    "amonsup.config.load",
    "amonsup.config.strict_yaml",
}
"""Never, while they live."""

STAYING = ["amonsup.supervisor.daemon", "amonsup.supervisor.guardian", "amonsup.logs.logger", "amonsup.prober.prober"]

LOOK = """
import json, sys
sys.path[0:0] = json.loads(sys.argv[1])
from amonsup.boot import travel_light
travel_light()
before = set(sys.modules)
__import__(sys.argv[2])
print(json.dumps([name for name, module in sys.modules.items() if module is not None]))
"""


def loaded_by(module: str) -> set[str]:
    paths = json.dumps(boot._paths())
    child = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOOK, paths, module], capture_output=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr.decode()
    return set(json.loads(child.stdout))


@pytest.mark.parametrize("module", STAYING)
def test_processes_that_stay_are_light(module: str) -> None:
    loaded = loaded_by(module)
    assert module in loaded
    assert HEAVY & {part for name in loaded for part in (name, name.split(".")[0])} == set()


@pytest.mark.parametrize("module", [m for m in STAYING if "daemon" not in m])
def test_the_others_do_not_even_have_msgspec(module: str) -> None:
    assert "msgspec" not in loaded_by(module)


def test_a_quick_command_is_light() -> None:
    """`amonsup status` in a pipe: no help, no YAML, no terminal libraries."""
    slow = {"yaml", "asyncio", "textual", "rich", "inspect", "subprocess", "logging", "threading", "amonsup.cli.live"}
    loaded = loaded_by("amonsup.cli.ask") | loaded_by("amonsup.cli.command")
    assert slow & {part for name in loaded for part in (name, name.split(".")[0])} == set()
