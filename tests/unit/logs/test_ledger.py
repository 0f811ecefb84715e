"""Records that somebody with a service's rights may have written into: believed only if nothing follows from them."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from amonsup.logs import ledger

GOOD: dict[str, Any] = {
    "dev": (1 << 64) - 1,
    "ino": 7,
    "base": 5,
    "head": "3:00c0ffee",
    "earlier": [[8, 0, 5]],
    "cut": {"bytes": 4096, "size": 5000, "empties": False, "ino": 9},
}


def loaded(path: Path, raw: bytes) -> Any:
    path.write_bytes(b"%08x %s\n" % (zlib.crc32(raw), raw))
    fd = os.open(path, os.O_RDONLY)
    try:
        return ledger.load(fd)
    finally:
        os.close(fd)


def test_what_we_write_is_read(tmp_path: Path) -> None:
    for record in (GOOD, {**GOOD, "cut": None, "earlier": []}, ledger.entry(os.stat(tmp_path), "")):
        assert loaded(tmp_path / "x", json.dumps(record).encode()) == record


@pytest.mark.parametrize(
    "change",
    [
        {"base": -1},
        {"base": 1 << 63},
        {"base": "1"},
        {"base": True},
        {"head": "999999999:00000000"},
        {"head": "x:00000000"},
        {"head": None},
        {"earlier": [[1, 2]]},
        {"earlier": [[1, 2, None]]},
        {"earlier": [[1, 2, 3]] * 100},
        {"earlier": 1},
        {"cut": {}},
        {"cut": {**GOOD["cut"], "bytes": -1}},
        {"cut": 1},
        {"more": 1},
    ],
)
def test_what_we_would_not_write_is_not(tmp_path: Path, change: dict[str, Any]) -> None:
    assert loaded(tmp_path / "x", json.dumps({**GOOD, **change}).encode()) is None


@pytest.mark.parametrize("raw", [b"[" * 60_000, b"7", b"[]", b"{}", b"\xff"])
def test_junk_with_a_checksum_is_junk(tmp_path: Path, raw: bytes) -> None:
    assert loaded(tmp_path / "x", raw) is None


def test_a_file_begins_with_nothing(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    assert ledger.begins_with(fd, "")
    os.close(fd)


def test_a_copy_whose_number_is_used_again_is_forgotten(tmp_path: Path) -> None:
    """A compressed copy is deleted; the next copy may be the same inode, and must not be taken for the old one."""
    path = tmp_path / "x.log"
    path.write_bytes(b"behind the cut\n")
    record = {**GOOD, "base": 200, "earlier": [[7, 0, 100], [8, 100, 200]]}
    record["cut"] = {"bytes": 50, "size": 65, "empties": False, "ino": 7}
    with path.open("rb") as file:
        ledger.carried_out(record, file.fileno())
    assert record["earlier"] == [[8, 100, 200], [7, 200, 250]]
