"""What an attendant opens: the files that are asked for, and copies by their number wherever they are called to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amonsup.logs import attendant, inotify


@pytest.fixture
def instance() -> Iterator[int]:
    made = inotify.make()
    yield made
    os.close(made)


def test_a_copy_that_is_renamed_while_it_is_looked_for_is_found(
    tmp_path: Path, instance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ce.log", "ce.log.1", "ce.log.2"):
        (tmp_path / name).write_text(name)
    wanted = [((status := (tmp_path / "ce.log.1").stat()).st_dev, status.st_ino)]
    real, renamed = os.lstat, []

    def lstat(path: str) -> os.stat_result:
        if path.endswith(".1") and not renamed:  # it was listed under this name a moment ago
            renamed.append(os.rename(tmp_path / "ce.log.2", tmp_path / "ce.log.3"))
            os.rename(tmp_path / "ce.log.1", tmp_path / "ce.log.2")
            os.rename(tmp_path / "ce.log", tmp_path / "ce.log.1")
            (tmp_path / "ce.log").write_text("new")
        return real(path)

    monkeypatch.setattr(attendant.os, "lstat", lstat)
    found = attendant.open_files([str(tmp_path / "ce.log")], wanted, instance)
    assert renamed
    assert wanted[0] in found.files
    close(found)


def test_a_copy_that_is_gone_is_looked_for_a_few_times(tmp_path: Path, instance: int) -> None:
    (tmp_path / "ce.log").write_text("line")
    found = attendant.open_files([str(tmp_path / "ce.log")], [(1, 1)], instance)
    assert [record["path"] for record, _ in found.files.values()] == [str(tmp_path / "ce.log")]
    close(found)


def close(found: Any) -> None:
    for _, fd in found.files.values():
        os.close(fd)
