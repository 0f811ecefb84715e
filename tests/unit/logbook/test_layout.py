"""Files matched to the index: recognised by inode or length, and laid out anew when nothing fits."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from amonsup.logbook import index, names
from amonsup.logbook.files import File, look
from amonsup.logbook.layout import layout, place

SIZES = st.lists(st.integers(1, 5000), min_size=1, max_size=8)


def history(sizes: list[int]) -> tuple[list[File], list[tuple[int, int]], int]:
    """A log of these segments, oldest first: files newest first, begins, and its end."""
    begins, files, position = [], [], 0
    for number, size in enumerate(sizes):
        begins.append((position, 100 + number))
        rank = len(sizes) - 1 - number
        files.insert(0, File(names.rotated_name("s.log", rank, is_packed=False), rank, False, 100 + number, size, 0.0))
        position += size
    return files, begins, position


def packed(file: File) -> File:
    return File(f"{file.name}.gz", file.number, True, file.inode + 1000, file.size, 0.0)


def spans(segments: object) -> list[tuple[int, int]]:
    assert isinstance(segments, list)
    return [(segment.start, segment.end) for segment in segments]


@given(SIZES, st.data())
def test_renamed_packed_and_removed_files_keep_their_positions(sizes: list[int], data: st.DataObject) -> None:
    files, begins, end = history(sizes)
    wanted = {file.inode: (begin[0], begin[0] + file.size) for file, begin in zip(reversed(files), begins, strict=True)}
    some_packed = [packed(f) if f.number >= 2 and data.draw(st.booleans()) else f for f in files]
    # What is gone must be told from what was packed by its length alone: only where lengths differ.
    can_go = len(set(sizes)) == len(sizes)
    left = [f for f in some_packed if f.number == 0 or not can_go or data.draw(st.booleans())]
    segments = place(left, begins, end)
    assert segments is not None
    assert spans(segments) == [wanted[f.inode % 1000] for f in reversed(left)]
    assert all(segment.is_certain for segment in segments)


@given(SIZES)
def test_killed_between_rename_and_mark(sizes: list[int]) -> None:
    """The new current file stands there, empty, and the index does not know it."""
    files, begins, end = history(sizes)
    for file in files:
        file.number += 1
    segments = place([File("s.log", 0, False, 999, 0, 0.0), *files], begins, end)
    assert segments is not None
    assert spans(segments)[-1] == (end, end)
    assert spans(segments)[-2] == (end - sizes[-1], end)


def test_a_file_cut_by_somebody_goes_on_behind_what_was_known() -> None:
    files, begins, end = history([100, 200, 300])
    files[0].size = 10
    segments = place(files, begins, end)
    assert segments is not None
    assert spans(segments) == [(0, 100), (100, 300), (600, 610)]
    assert not segments[-1].is_certain


def test_nothing_fits() -> None:
    files, _, _ = history([100, 200])
    assert place(files, [(0, 1), (7, 2), (9, 3)], 5000) is None
    assert place([], [(0, 1)], 100) == []


def write_log(directory: Path, texts: list[bytes]) -> None:
    """Oldest first; the third newest and older ones packed."""
    raw = bytearray()
    position = 0
    for number, text in enumerate(texts):
        rank = len(texts) - 1 - number
        path = directory / names.rotated_name("s.log", rank, is_packed=rank > 1)
        path.write_bytes(gzip.compress(text) if rank > 1 else text)
        raw += index.encode(index.SEGMENT, position, float(number), mark=path.stat().st_ino)
        position += len(text)
    (directory / names.INDEX_DIR).mkdir()
    Path(names.index_path(str(directory), "s.log")).write_bytes(raw)


TEXTS = [b"one\n", b"second\n", b"and the third\n", b"4\n"]


def test_of_a_real_directory(tmp_path: Path) -> None:
    write_log(tmp_path, TEXTS)
    (tmp_path / "s.log.9.gz.tmp").write_bytes(b"")
    (tmp_path / "other.log").write_bytes(b"no\n")
    found = layout(str(tmp_path), "s.log")
    assert not found.is_rebuilt
    assert [s.file.name for s in found.segments] == ["s.log.3.gz", "s.log.2.gz", "s.log.1", "s.log"]
    assert spans(found.segments) == [(0, 4), (4, 11), (11, 25), (25, 27)]
    assert (found.start, found.end) == (0, 27)
    holder = found.segment_at(11)
    assert holder is not None
    assert found.path(holder) == str(tmp_path / "s.log.1")
    assert found.segment_at(27) is None


def test_without_an_index_it_is_made_of_the_files(tmp_path: Path) -> None:
    write_log(tmp_path, TEXTS)
    os.unlink(names.index_path(str(tmp_path), "s.log"))
    found = layout(str(tmp_path), "s.log")
    assert found.is_rebuilt
    assert spans(found.segments) == [(0, 4), (4, 11), (11, 25), (25, 27)]
    assert [record[4] for record in found.marks.of_kind(index.SEGMENT)] == [0, 4, 11, 25]


def test_an_index_of_something_else_is_not_believed(tmp_path: Path) -> None:
    write_log(tmp_path, TEXTS)
    path = Path(names.index_path(str(tmp_path), "s.log"))
    path.write_bytes(index.encode(index.SEGMENT, 0, 0.0, mark=1) + index.encode(index.SEGMENT, 3, 0.0, mark=1))
    found = layout(str(tmp_path), "s.log")
    assert spans(found.segments)[-1][1] == found.end
    assert found.start >= 0
    path.write_bytes(b"GIF89a" * 100)
    assert spans(layout(str(tmp_path), "s.log").segments) == [(0, 4), (4, 11), (11, 25), (25, 27)]


def test_plain_and_packed_at_once_count_once(tmp_path: Path) -> None:
    (tmp_path / "s.log.2").write_bytes(b"whole\n")
    (tmp_path / "s.log.2.gz").write_bytes(gzip.compress(b"whole\n"))
    assert [(f.name, f.size) for f in look(str(tmp_path), "s.log")] == [("s.log.2", 6)]


def test_what_is_no_file_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "s.log").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "s.log.1")
    (tmp_path / "s.log.2.gz").mkdir()
    os.mkfifo(tmp_path / "s.log.3.gz")
    assert look(str(tmp_path), "s.log") == []
    assert look(str(tmp_path / "nowhere"), "s.log") == []
