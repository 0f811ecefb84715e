"""Small state files: the old one or the new one, never a part; what cannot be believed is set aside."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from amonsup.config.specs import Fleet, Loaded, SiteSpec
from amonsup.supervisor.adapters import applied, files
from amonsup.supervisor.adapters.applied import Applied
from tests.support.playbook import service


def some_applied(serial: int = 1) -> Applied:
    site = SiteSpec(
        site="here", config_file="/c", conf_d="/d", run_dir="/r", state_dir="/s", log_dir="/l", socket="/r/s"
    )
    fleet = Fleet(services=(service("db"), service("web", "db")))
    loaded = Loaded(site=site, fleet=fleet, fingerprint="f")
    return Applied(applied.FORMAT, serial, 1.5, loaded, leaving=(service("gone"),))


def test_writing_replaces_whole_and_private(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    for content in (b"old", b"new and longer"):
        files.write_atomically(path, content)
        assert files.read(path) == content
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state"]


def test_a_full_disk_leaves_the_old_one_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "state")
    files.write_atomically(path, b"old")

    def full(_fd: int, _raw: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(path, b"new")
    assert files.read(path) == b"old"
    assert os.listdir(tmp_path) == ["state"]


def test_a_write_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(files.os, "write", lambda fd, raw: whole(fd, bytes(raw[:3])))
    path = str(tmp_path / "state")
    files.write_atomically(path, b"ten letters")
    assert files.read(path) == b"ten letters"


def test_a_symlink_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "state.new").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        files.write_atomically(str(tmp_path / "state"), b"theirs")
    assert (tmp_path / "victim").read_text() == "mine"


def test_reading_nothing_is_none_and_reading_is_bounded(tmp_path: Path) -> None:
    assert files.read(str(tmp_path / "none")) is None
    (tmp_path / "large").write_bytes(b"x" * 100)
    assert files.read(str(tmp_path / "large"), limit=10) == b"x" * 10
    with pytest.raises(OSError, match="directory"):
        files.read(str(tmp_path))


def test_a_directory_gets_exactly_its_mode(tmp_path: Path) -> None:
    path = str(tmp_path / "a" / "b")
    files.ensure_directory(path, 0o711)
    assert os.stat(path).st_mode & 0o7777 == 0o711
    os.chmod(path, 0o777)
    files.ensure_directory(path, 0o700)
    assert os.stat(path).st_mode & 0o7777 == 0o700


def test_the_applied_configuration_comes_back_as_it_was(tmp_path: Path) -> None:
    assert applied.read(str(tmp_path), str(tmp_path / "run")) == (None, "")
    applied.write(str(tmp_path), str(tmp_path / "run"), some_applied())
    assert applied.read(str(tmp_path), str(tmp_path / "run")) == (some_applied(), "")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"format":1}', b"\xff\xff", b"null"])
def test_an_applied_configuration_that_cannot_be_read_is_set_aside(tmp_path: Path, raw: bytes) -> None:
    Path(applied.path_of(str(tmp_path))).write_bytes(raw)
    found, aside = applied.read(str(tmp_path), str(tmp_path / "run"))
    assert found is None
    assert Path(aside).read_bytes() == raw


def test_a_copy_of_this_boot_takes_the_place_of_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    applied.write(str(tmp_path), str(tmp_path / "run"), some_applied())
    Path(applied.path_of(str(tmp_path))).write_bytes(b"{")
    found, aside = applied.read(str(tmp_path), str(tmp_path / "run"))
    assert found == some_applied()
    assert Path(aside).read_bytes() == b"{"


def test_a_missing_one_is_a_first_start_whatever_the_copy_says(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    applied.write(str(tmp_path), str(tmp_path / "run"), some_applied())
    Path(applied.path_of(str(tmp_path))).unlink()
    assert applied.read(str(tmp_path), str(tmp_path / "run")) == (None, "")


def test_one_of_another_format_is_set_aside(tmp_path: Path) -> None:
    record = some_applied()
    applied.write(str(tmp_path), str(tmp_path / "run"), Applied(99, 1, record.at, record.loaded))
    found, aside = applied.read(str(tmp_path), str(tmp_path / "run"))
    assert found is None
    assert aside
