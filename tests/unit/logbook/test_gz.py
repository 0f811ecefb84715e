"""Packed files: anybody can read them, and their size is known however large they are."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from amonsup.logbook import index
from amonsup.logbook.gz import ISIZE, packed, unpack, unpacked_size
from amonsup.logbook.layout import layout

BLOCKS = [b"one\n" * 1000, b"two\n", os.urandom(100_000)]
SIZES = [ISIZE - 1, ISIZE, ISIZE + 5, 7 * ISIZE + 3]


def written(path: Path, raw: bytes) -> int:
    path.write_bytes(raw)
    return os.open(path, os.O_RDONLY)


@pytest.fixture
def told(tmp_path: Path):
    """The size that is told of a file with this content."""

    def ask(raw: bytes) -> int:
        fd = written(tmp_path / "x.gz", raw)
        try:
            return unpacked_size(fd)
        finally:
            os.close(fd)

    return ask


def end(raw: bytes, size: int) -> bytes:
    """With the end that content of this size would have."""
    return raw[:-4] + (size % ISIZE).to_bytes(4, "little")


@pytest.mark.parametrize("size", [4104, ISIZE + 4104])
def test_anybody_can_read_it(tmp_path, size):
    """Also with the size in the header."""
    raw = b"".join(packed(BLOCKS, size, 1_000_000))
    assert gzip.decompress(raw) == b"".join(BLOCKS)
    fd = written(tmp_path / "x.gz", raw)
    assert b"".join(unpack(fd)) == b"".join(BLOCKS)
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.system(f"gzip -t {tmp_path}/x.gz")) == 0
    assert int.from_bytes(raw[4:8], "little") == 1_000_000


@pytest.mark.parametrize("size", SIZES)
def test_sizes_beyond_what_the_end_tells(told, size):
    assert told(end(b"".join(packed([b"x"], size)), size)) == size


def test_a_header_that_the_end_does_not_bear_out_is_not_believed(told):
    assert told(end(b"".join(packed([b"x"], ISIZE + 5)), 1)) == 1


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(1_000_000), b"x" * 1_000_000])
def test_ordinary_sizes(told, content):
    assert told(b"".join(packed([content], len(content)))) == len(content)
    assert told(gzip.compress(content)) == len(content)


def test_what_somebody_else_packed_is_at_least_as_large_as_it_can_be(tmp_path):
    """5 GB that do not compress, as a hole with an end."""
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"")[:10])
    size = 5_000_000_000
    os.truncate(path, size + 14)
    with path.open("ab") as file:
        file.write((size % ISIZE).to_bytes(4, "little"))
    fd = os.open(path, os.O_RDONLY)
    assert unpacked_size(fd) == size
    os.close(fd)


def test_a_large_file_has_its_place_in_the_log(tmp_path):
    """Without an index too: nothing that follows it is taken for a part of it."""
    (tmp_path / "ce.log").write_bytes(b"new\n")
    (tmp_path / "ce.log.2.gz").write_bytes(end(b"".join(packed([b"x"], ISIZE + 5)), 5))
    (tmp_path / "ce.log.1").write_bytes(b"newer\n")
    found = [(each.start, each.end) for each in layout(str(tmp_path), "ce.log").segments]
    assert found == [(0, ISIZE + 5), (ISIZE + 5, ISIZE + 11), (ISIZE + 11, ISIZE + 15)]
    (tmp_path / ".index").mkdir()
    begins = (100, 100 + ISIZE + 5, 106 + ISIZE + 5)
    inodes = (7, (tmp_path / "ce.log.1").stat().st_ino, (tmp_path / "ce.log").stat().st_ino)
    raw = b"".join(index.encode(index.SEGMENT, at, 1.0, mark=inode) for at, inode in zip(begins, inodes, strict=True))
    (tmp_path / ".index" / "ce.log").write_bytes(raw)
    book = layout(str(tmp_path), "ce.log")
    assert not book.is_rebuilt
    assert [(each.start, each.is_certain) for each in book.segments] == [(at, True) for at in begins]
