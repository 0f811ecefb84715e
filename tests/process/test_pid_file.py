"""Pid files on a real file system: what is believed, what is removed, and which links are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amonsup.supervisor.adapters import pid_file

OWN = os.geteuid()
STRANGER = 65533


def written(path: Path, text: str = "4711\n") -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        ("4711", 4711),
        (" 4711 \n", 4711),
        *((text, 0) for text in ("", "x", "-1", "1", "0", "4711 4712", "9" * 20, "4" * 5000, "٤٧", "47\x0011")),
    ],
)
def test_what_stands_in_it(tmp_path: Path, text: str, pid: int) -> None:
    assert pid_file.read(str(written(tmp_path / "p", text)), -1) == pid


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path / "p", tmp_path / "no" / "p", Path("/")):
        assert pid_file.read(str(path), -1) == 0
        pid_file.remove(str(path), -1)


def test_only_regular_files(tmp_path: Path) -> None:
    target = written(tmp_path / "target")
    os.symlink(target, tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    for name in ("link", "fifo", "directory"):
        assert pid_file.read(str(tmp_path / name), -1) == 0
        pid_file.remove(str(tmp_path / name), -1)
        assert os.path.lexists(tmp_path / name)
    assert target.exists()


def test_a_stale_one_is_removed(tmp_path: Path) -> None:
    path = written(tmp_path / "p")
    pid_file.remove(str(path), -1)
    assert not path.exists()


def test_links_on_the_way_that_only_we_can_have_put_there(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    written(tmp_path / "real" / "p")
    os.symlink("real", tmp_path / "link")
    assert pid_file.read(str(tmp_path / "link" / "p"), -1) == 4711
    os.symlink("loop", tmp_path / "loop")
    assert pid_file.read(str(tmp_path / "loop" / "p"), -1) == 0
    # In a directory that others write to, a link may be theirs.
    os.chmod(tmp_path, 0o777)
    assert pid_file.read(str(tmp_path / "link" / "p"), -1) == 0
    pid_file.remove(str(tmp_path / "link" / "p"), -1)
    assert (tmp_path / "real" / "p").exists()


@pytest.mark.skipif(OWN != 0, reason="needs root")
def test_whose_it_is(tmp_path: Path) -> None:
    path = written(tmp_path / "p")
    os.chown(path, STRANGER, STRANGER)
    assert pid_file.read(str(path), -1) == 0
    assert pid_file.read(str(path), STRANGER + 1) == 0
    pid_file.remove(str(path), -1)
    assert path.exists()
    assert pid_file.read(str(path), STRANGER) == 4711
    pid_file.remove(str(path), STRANGER)
    assert not path.exists()


@pytest.mark.skipif(OWN != 0, reason="needs root")
def test_a_link_of_the_services_user_leads_nowhere(tmp_path: Path) -> None:
    """Its directory is its own; root must not be led out of it."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    os.chown(theirs, STRANGER, STRANGER)
    written(ours / "p")
    os.symlink(ours, theirs / "sub")
    os.lchown(theirs / "sub", STRANGER, STRANGER)
    assert pid_file.read(str(theirs / "sub" / "p"), STRANGER) == 0
    pid_file.remove(str(theirs / "sub" / "p"), STRANGER)
    assert (ours / "p").exists()
