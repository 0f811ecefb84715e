"""Whose the log directory is, and who may read in it."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from amonsup.supervisor import entry


def described(path: Path) -> tuple[str, int]:
    status = path.stat()
    return f"{status.st_uid}:{status.st_gid}", stat.S_IMODE(status.st_mode)


def test_of_a_plain_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    entry.make_log_directory(str(tmp_path / "log"), "")
    assert described(tmp_path / "log")[1] == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_of_root_and_handed_over_to_the_loggers_user(tmp_path: Path) -> None:
    log = tmp_path / "log"
    adm = grp.getgrnam("adm").gr_gid
    entry.make_log_directory(str(log), "")
    assert described(log) == (f"0:{adm}", 0o2750)
    (log / ".index").mkdir()
    (log / ".index" / "s.log").write_text("")
    (log / "s.log").write_text("")
    (log / "planted").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("")
    nobody = pwd.getpwnam("nobody").pw_uid
    entry.make_log_directory(str(log), "nobody")
    for path in (log, log / "s.log", log / ".index", log / ".index" / "s.log"):
        assert described(path)[0] == f"{nobody}:{adm}"
    assert described(tmp_path / "elsewhere")[0] == "0:0"
    (log / "later").write_text("")
    entry.make_log_directory(str(log), "nobody")
    assert (log / "later").stat().st_uid == 0, "what its owner may have planted is not touched"
