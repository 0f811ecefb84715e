"""What people want of single services: kept in one small file, whatever the disk does."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from amonsup.supervisor.adapters import files
from amonsup.supervisor.adapters.wishes import NONE, Autostart, Mute, Wish, Wishes
from amonsup.supervisor.model.records import Hold

HOLD = Hold(until=2000.0, by="alice (uid 1)", why="disk swap", since=1000.0)
MUTE = Mute(until=2000.0, by="alice (uid 1)", why="new release")
ENABLED = Autostart(True, "bob (uid 2)", 5.0)


def reread(wishes: Wishes, tmp_path: Path) -> Wishes:
    wishes.save()
    return Wishes(str(tmp_path))


def test_every_wish_comes_back(tmp_path: Path) -> None:
    wishes = Wishes(str(tmp_path))
    wishes.stop("ce", is_stopped=True)
    wishes.enable("ce", ENABLED)
    wishes.hold("ce", HOLD)
    wishes.mute("ce", MUTE)
    wishes.deal("backup", "@daily UTC", 77.5)
    found = reread(wishes, tmp_path)
    assert found.of("ce") == Wish(is_stopped=True, autostart=ENABLED, hold=HOLD, mute=MUTE)
    assert found.of("backup") == Wish(calendar="@daily UTC", dealt=77.5)
    assert found.of("other") == NONE


def test_a_mute_without_a_reason_is_read(tmp_path: Path) -> None:
    raw = {"format": 1, "services": {"ce": {"mute": {"until": 2000.0, "by": "alice (uid 1)"}}}}
    (tmp_path / "wishes.json").write_bytes(msgspec.json.encode(raw))
    assert Wishes(str(tmp_path)).of("ce").mute == Mute(until=2000.0, by="alice (uid 1)")


def test_what_is_taken_back_is_gone(tmp_path: Path) -> None:
    wishes = Wishes(str(tmp_path))
    wishes.hold("ce", HOLD)
    wishes.stop("ce", is_stopped=True)
    wishes.save()
    wishes.hold("ce", None)
    wishes.stop("ce", is_stopped=False)
    wishes.save()
    assert msgspec.json.decode((tmp_path / "wishes.json").read_bytes())["services"] == {}
    assert reread(wishes, tmp_path).of("ce") == NONE


def test_what_is_not_configured_any_more_has_no_wishes(tmp_path: Path) -> None:
    wishes = Wishes(str(tmp_path))
    wishes.stop("ce", is_stopped=True)
    wishes.stop("db", is_stopped=True)
    wishes.keep_only(["db", "new"])
    found = reread(wishes, tmp_path)
    assert (found.of("ce"), found.of("db")) == (NONE, Wish(is_stopped=True))


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    wishes = Wishes(str(tmp_path))
    wishes.stop("db", is_stopped=False)
    wishes.hold("db", None)
    wishes.keep_only(["db"])
    wishes.save()
    assert os.listdir(tmp_path) == []


def test_what_could_not_be_remembered_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wishes = Wishes(str(tmp_path))
    wishes.hold("ce", HOLD)

    def full(*_args: object, **_fields: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_atomically", full)
        wishes.save()
    assert "No space left" in wishes.error
    assert reread(wishes, tmp_path).of("ce").hold == HOLD
    assert wishes.error == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"format":2,"services":{}}',
        b'{"format":1,"services":{"a":3}}',
        b"[" * 100_000,
        b'{"format":1,"services":{"a":{"hold":{"until":"soon","by":"x"}}}}',
    ],
)
def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "wishes.json").write_bytes(raw)
    assert Wishes(str(tmp_path)).of("a") == NONE
    assert [name.startswith("wishes.json.bad-") for name in os.listdir(tmp_path)] == [True]
