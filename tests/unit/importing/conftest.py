"""A machine of a few files to import from, and what comes out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amonsup.config.keys import Record
from amonsup.importing.gather import import_all
from amonsup.importing.machine import Machine

ROOT = str(Path(__file__).parents[3])
if ROOT not in sys.path:  # `tests.support` is found however pytest was started
    sys.path.append(ROOT)

from tests.support.imported import UNITS, Out, Take  # noqa: E402


@pytest.fixture(autouse=True)
def whole_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this version has not yet is not what is tested here."""
    monkeypatch.setattr(Record, "_refuse_missing", lambda *_: None)


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Write files below a root, import the paths (default: all that was written)."""

    def outcome(files: dict[str, str | bytes], *paths: str) -> Out:
        for path, content in files.items():
            full = tmp_path / path.lstrip("/")
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(content.encode() if isinstance(content, str) else content)
        wanted = tuple(f"{tmp_path}{each}" for each in (paths or files))
        return Out(import_all(wanted, Machine(str(tmp_path)), {}))

    return outcome


@pytest.fixture
def unit(take: Take) -> Callable[..., Out]:
    """One ce.service with these lines in [Service], more files beside it."""

    def outcome(*lines: str, unit: str = "", install: str = "WantedBy=multi-user.target", **files: str) -> Out:
        text = f"[Unit]\n{unit}\n[Service]\n" + "\n".join(lines) + f"\n[Install]\n{install}\n"
        return take({f"{UNITS}/ce.service": text, **files}, f"{UNITS}/ce.service")

    return outcome


@pytest.fixture
def script(take: Take) -> Callable[..., Out]:
    """One /etc/init.d/ce, more files beside it."""

    def outcome(text: str, files: dict[str, str] | None = None) -> Out:
        return take({"/etc/init.d/ce": text, **(files or {})}, "/etc/init.d/ce")

    return outcome
