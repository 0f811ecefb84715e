"""The journal of events: bounded, in order, and deaf to what is torn."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from amonsup.supervisor.adapters import chronicle
from amonsup.supervisor.adapters.chronicle import Chronicle
from amonsup.verbs.results import Happening


def happening(seq: int, text: str = "") -> Happening:
    return Happening(seq, "2026-01-02T03:04:05.678Z", "exited", "s", text)


def read(found: Chronicle) -> list[int]:
    return [msgspec.json.decode(line, type=Happening).seq for line in found.read()]


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    made = Chronicle(str(tmp_path))
    assert (made.sequence, read(made)) == (0, [])
    made.append([happening(1), happening(2)])
    made.append([happening(3, "Zeile\n zwei \u2028")])
    assert read(made) == [1, 2, 3]
    assert Chronicle(str(tmp_path)).sequence == 3


def test_it_is_bounded_and_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "HALF", 2000)
    made = Chronicle(str(tmp_path))
    entry = len(msgspec.json.encode(happening(1000))) + 1
    for seq in range(1000, 2000):
        made.append([happening(seq)])
        kept = sum(os.path.getsize(tmp_path / name) for name in os.listdir(tmp_path))
        assert kept <= 2 * (2000 + entry)
    found = read(made)
    assert found == list(range(found[0], 2000))
    assert len(found) * entry >= 2000 - entry
    assert sorted(os.listdir(tmp_path)) in (["events.jsonl", "events.jsonl.1"], ["events.jsonl.1"])
    assert Chronicle(str(tmp_path)).sequence == 1999


def test_right_after_the_turn_the_sequence_is_still_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "HALF", 10)
    made = Chronicle(str(tmp_path))
    made.append([happening(41)])
    assert os.listdir(tmp_path) == ["events.jsonl.1"]
    assert Chronicle(str(tmp_path)).sequence == 41


def test_a_torn_tail_and_junk_are_left_out(tmp_path: Path) -> None:
    made = Chronicle(str(tmp_path))
    made.append([happening(1), happening(2)])
    with open(made.path, "ab") as file:
        file.write(b'rubbish\n\x00\x00\n{"seq":3,"at":"2026')
    assert read(Chronicle(str(tmp_path))) == [1, 2]
    assert Chronicle(str(tmp_path)).sequence == 2


def test_a_full_disk_loses_whole_entries_and_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Chronicle(str(tmp_path))
    made.append([happening(1)])
    whole = os.write
    monkeypatch.setattr(chronicle.os, "write", lambda fd, raw: whole(fd, raw[:5]))
    made.append([happening(2), happening(3)])
    assert made.error.endswith("No space left on device")
    assert made.lost == 2

    def refuse(_fd: int, _raw: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(chronicle.os, "write", refuse)
    made.append([happening(4)])
    assert made.lost == 3
    monkeypatch.undo()
    made.append([happening(5)])
    assert made.error == ""
    assert read(made) == [1, 4, 5]  # in the place of the last lost one stands that some were lost


def test_how_many_were_lost_is_written_as_soon_as_writing_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Chronicle(str(tmp_path))
    with monkeypatch.context() as full:
        full.setattr(chronicle.os, "write", lambda _fd, _raw: 0)
        made.append([happening(1), happening(2)])
    made.append([happening(3)])
    assert "2" in "".join(msgspec.json.decode(line, type=Happening).text for line in made.read())


def test_a_file_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    made = Chronicle(str(tmp_path))
    made.append([happening(1)])
    os.unlink(made.path)
    made.append([happening(2)])
    assert read(made) == [2]
