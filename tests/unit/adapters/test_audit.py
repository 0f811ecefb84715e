"""The audit log: a chain that shows where it was broken, bounded, and whole over rotation and full disks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from amonsup.supervisor.adapters import audit
from amonsup.supervisor.adapters.audit import Audit

AT = "2026-11-23T12:00:00.000Z"


def filled(directory: Path, count: int) -> Audit:
    log = Audit(str(directory))
    for number in range(count):
        log.append("command", "alice", AT, verb="restart", targets=(f"s{number}",), request=f"r{number}")
    return log


def test_what_was_written_is_read_and_whole(tmp_path: Path) -> None:
    filled(tmp_path, 10)
    assert audit.verify(str(tmp_path)) == (10, "")
    entries = list(audit.read(str(tmp_path)))
    assert [entry.seq for entry in entries] == list(range(1, 11))
    assert entries[3].targets == ("s3",)
    assert os.stat(tmp_path / audit.NAME).st_mode & 0o777 == 0o600


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    again = filled(tmp_path, 2)
    assert again.sequence == 5
    assert audit.verify(str(tmp_path)) == (5, "")


@pytest.mark.parametrize(
    ("spoil", "whole", "says"),
    [
        (lambda lines: [*lines[:4], lines[4].replace("s4", "s5"), *lines[5:]], 4, "entry 5 was changed"),
        (lambda lines: [*lines[:4], *lines[5:]], 4, "entry 6 does not follow entry 4"),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], 4, "entry 4 does not follow entry 4"),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], 4, "does not follow"),
        (lambda lines: [*lines[:4], "{}", *lines[4:]], 4, "not an entry"),
    ],
)
def test_a_break_is_found_where_it_is(tmp_path: Path, spoil: object, whole: int, says: str) -> None:
    filled(tmp_path, 10)
    path = tmp_path / audit.NAME
    lines = path.read_text().splitlines()
    path.write_text("".join(line + "\n" for line in spoil(lines)))  # type: ignore[operator]
    count, broken = audit.verify(str(tmp_path))
    assert count == whole
    assert says in broken


def test_an_entry_that_was_changed_with_its_hash_breaks_the_next(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    path = tmp_path / audit.NAME
    lines = path.read_text().splitlines()
    import msgspec

    entry = msgspec.json.decode(lines[2], type=audit.Entry)
    forged = msgspec.structs.replace(entry, by="bob", hash="")
    forged = msgspec.structs.replace(forged, hash=audit.hash_of(forged))
    lines[2] = msgspec.json.encode(forged).decode()
    path.write_text("".join(line + "\n" for line in lines))
    assert audit.verify(str(tmp_path)) == (3, "audit.jsonl:4: entry 4 does not follow entry 3")


def test_rotation_keeps_the_chain_and_bounds_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "FULL", 2000)
    filled(tmp_path, 200)
    assert len(audit.files(str(tmp_path))) <= audit.KEPT + 1
    assert sum(os.stat(path).st_size for path in audit.files(str(tmp_path))) < 2000 * (audit.KEPT + 2)
    count, broken = audit.verify(str(tmp_path))
    assert broken == ""
    assert count == len(list(audit.read(str(tmp_path)))) > 10
    assert Audit(str(tmp_path)).sequence == 200


def test_a_torn_tail_is_cut_off(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with (tmp_path / audit.NAME).open("a") as file:
        file.write('{"seq":4,"at":"2026')
    log = filled(tmp_path, 1)
    assert log.sequence == 4
    assert audit.verify(str(tmp_path)) == (4, "")


def test_what_could_not_be_written_is_counted_and_told(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    log = Audit(str(directory))
    log.append("command", "alice", AT)
    log.append("command", "alice", AT)
    assert "No such file" in log.error
    directory.mkdir()
    log.append("command", "alice", AT)
    assert log.error == ""
    assert [(entry.kind, entry.count) for entry in audit.read(str(directory))] == [("unwritten", 2), ("command", 1)]
    assert audit.verify(str(directory)) == (2, "")


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    log = Audit(str(tmp_path))
    log.append("refused", "eve", AT, text="x" * 10_000)
    assert len(json.loads((tmp_path / audit.NAME).read_text())["text"]) == audit.LONGEST_TEXT
