"""`logging.files`: what can be known beforehand of files that a service writes by itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

Site = Callable[..., object]


def warnings(site: Site, path: object, euid: int | None = None) -> list[str]:
    text = f"services:\n  s:\n    command: /bin/true\n    logging:\n      files: [{path}]\n"
    outcome = site(text, euid=os.geteuid() if euid is None else euid)
    assert not isinstance(outcome, list), [each.render() for each in outcome]
    return list(outcome.warnings)  # type: ignore[attr-defined]


def test_a_file_of_its_own_or_one_that_is_not_there(site: Site, tmp_path: Path) -> None:
    (tmp_path / "x.log").touch()
    for name in ("x.log", "y.log", "*.log", "no/such/z.log"):
        assert warnings(site, tmp_path / name) == []


@pytest.mark.parametrize("kind", ["directory", "symbolic link", "FIFO", "names (hard links)"])
def test_what_it_cannot_have_written(site: Site, tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "x.log", tmp_path / "other"
    other.touch()
    make = {
        "directory": path.mkdir,
        "symbolic link": lambda: path.symlink_to(other),
        "FIFO": lambda: os.mkfifo(path),
        "names (hard links)": lambda: os.link(other, path),
    }
    make[kind]()
    (found,) = warnings(site, path)
    assert kind in found
    assert ":5:15: services.s.logging.files:" in found


def test_a_strangers_file(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.touch()
    (found,) = warnings(site, path, euid=path.stat().st_uid + 1)
    assert f"belongs to uid {path.stat().st_uid}" in found


def test_what_its_user_cannot_read(site: Site) -> None:
    """Said to whoever checks, root as a rule, although he can."""
    owner = os.geteuid() or 12345
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # whom pytest's directories are closed to, nobody can say
        closed = Path(name) / "closed"
        path = closed / "x.log"
        closed.mkdir()
        path.touch()
        for each in (name, closed, path):
            os.chown(each, owner, -1)
        assert warnings(site, path, euid=owner) == []
        path.chmod(0o200)
        assert f"is not readable for uid {owner}" in warnings(site, path, euid=owner)[0]
        path.chmod(0o600)
        closed.chmod(0o600)
        for each in (path, closed / "not there"):
            assert "cannot be " in warnings(site, each, euid=owner)[0]
        closed.chmod(0o700)


def test_there_are_bounds(errors: Callable[..., list[str]]) -> None:
    many = ", ".join(f"/x{number}" for number in range(21))
    assert "at most 20" in errors(f"services: {{s: {{command: ls, logging: {{files: [{many}]}}}}}}")[0]
    long = "/" + "x" * 1000
    assert "too long" in errors(f"services: {{s: {{command: ls, logging: {{files: [{long}]}}}}}}")[0]
