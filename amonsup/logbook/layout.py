"""Which part of a log lies in which file: the files there are, matched to the index.

The index says where segments began, and so how long each but the last became. A plain file is recognised by its inode
(kept over renames), any other by its length. Files that somebody removed leave a gap in the positions. A file that
fits nowhere is put right next to its neighbour if there is room; if there is not, or if nothing fits at all, the index
is not believed: all files are laid end to end, behind the last position that can ever have been heard of, so that a
position remembered from before can lead to something that was read already, never past something new.
"""

from __future__ import annotations

import os
from itertools import pairwise

from amonsup.logbook import index, names
from amonsup.logbook.files import File, look
from amonsup.logbook.gz import ISIZE
from amonsup.logbook.index import Marks

MOST_UNMARKED = 1 << 30
"""More than is written between two marks, which come every second."""


class Segment:
    """A file that covers [start, end) of the log. `is_certain`: the index says so; otherwise it was worked out."""

    __slots__ = ("end", "file", "is_certain", "start")

    def __init__(self, file: File, start: int, end: int, is_certain: bool) -> None:
        self.file = file
        self.start = start
        self.end = end
        self.is_certain = is_certain


class Layout:
    """A log at one moment: segments, oldest first, and the marks of its index.

    `is_rebuilt`: the marks do not belong to these positions; they were left out, but for what files themselves tell.
    """

    __slots__ = ("is_rebuilt", "log", "log_dir", "marks", "segments")

    def __init__(self, log_dir: str, log: str, segments: list[Segment], marks: Marks, is_rebuilt: bool) -> None:
        self.log_dir = log_dir
        self.log = log
        self.segments = segments
        self.marks = marks
        self.is_rebuilt = is_rebuilt

    @property
    def start(self) -> int:
        """The oldest position that is still there."""
        return self.segments[0].start if self.segments else self.end

    @property
    def end(self) -> int:
        """Where the next byte will stand. (The current file may have grown since.)"""
        return max(self.segments[-1].end if self.segments else 0, self.marks.last_position)

    def segment_at(self, position: int) -> Segment | None:
        """The segment that holds `position`, or the first one behind it."""
        for segment in self.segments:
            if position < segment.end:
                return segment
        return None

    def path(self, segment: Segment) -> str:
        """Its path when this layout was taken; a rotation since then may have renamed it."""
        return os.path.join(self.log_dir, segment.file.name)


def layout(log_dir: str, log: str, entries: list[str] | None = None) -> Layout:
    """The log as it is now. Never raises: what cannot be read is not there."""
    marks = index.read(names.index_path(log_dir, log))
    files = look(log_dir, log, entries)
    begins = [(position, inode) for _, _, inode, _, position in marks.of_kind(index.SEGMENT)]
    segments = place(files, begins, marks.last_position)
    if segments is not None:
        return Layout(log_dir, log, segments, marks, is_rebuilt=False)
    segments = stack(files, marks.last_position + (MOST_UNMARKED if begins else 0))
    return Layout(log_dir, log, segments, Marks(bytes(marks_of(segments))), is_rebuilt=True)


def place(files: list[File], begins: list[tuple[int, int]], last_position: int) -> list[Segment] | None:
    """Files (newest first) to segments (oldest first), by the index's (start, inode) pairs, oldest first.

    None if the index does not fit them. `last_position` is the last one that any mark names.
    """
    if not files:
        return []
    placed = _recognised(files, begins, last_position)
    if all(segment is None for segment in placed):
        return None
    _fill_in(files, placed, last_position)
    segments = [segment for segment in reversed(placed) if segment is not None]
    if len(segments) != len(files) or segments[0].start < 0:
        return None
    is_in_order = all(older.end <= newer.start for older, newer in pairwise(segments))
    return segments if is_in_order else None


def _recognised(files: list[File], begins: list[tuple[int, int]], last_position: int) -> list[Segment | None]:
    """For each file its segment, where inode or else length tell. Both go down the same order."""
    taken = _by_inode(files, begins, last_position)
    _by_length(files, begins, taken)
    is_last_free = bool(begins) and files[0].number == 0 and taken[0] < 0 and len(begins) - 1 not in taken
    if is_last_free and files[0].size and files[0].size >= last_position - begins[-1][0]:
        taken[0] = len(begins) - 1  # a copy of the directory: other inodes
    placed: list[Segment | None] = []
    for file, number in zip(files, taken, strict=True):
        if number < 0:
            placed.append(None)
            continue
        start, length = begins[number][0], _length(begins, number)
        placed.append(Segment(file, start, start + (file.size if length is None else length), is_certain=True))
    return placed


def _by_inode(files: list[File], begins: list[tuple[int, int]], last_position: int) -> list[int]:
    """For each file the number of its beginning, -1 where its inode is not found with its length."""
    taken = []
    left = len(begins)
    for file in files:
        found = -1
        for number in range(left - 1, -1, -1):
            length = _length(begins, number)
            if length is None:
                fits = file.size >= last_position - begins[number][0]
            elif number == len(begins) - 2 and file.number == 0:
                # A rotation that is decided, but not carried out: it still has what is carried over, behind its end.
                fits = file.size >= length
            else:
                fits = file.size == length
            if not file.is_packed and begins[number][1] == file.inode and fits:
                found = left = number
                break
        taken.append(found)
    return taken


def _by_length(files: list[File], begins: list[tuple[int, int]], taken: list[int]) -> None:
    """Fills in `taken`, between what stands there: the newest beginning whose segment is as long as the file."""
    above = len(begins)
    for rank, file in enumerate(files):
        if taken[rank] >= 0:
            above = taken[rank]
            continue
        below = max((number for number in taken[rank:] if number >= 0), default=-1)
        for number in range(above - 1, below, -1):
            length = _length(begins, number)
            if length and (file.size == length or (file.is_packed and (file.size - length) % ISIZE == 0)):
                taken[rank] = above = number
                break


def _length(begins: list[tuple[int, int]], number: int) -> int | None:
    return begins[number + 1][0] - begins[number][0] if number + 1 < len(begins) else None


def _fill_in(files: list[File], placed: list[Segment | None], last_position: int) -> None:
    """Files that were not recognised: right behind the next older one at the new end, else right before the newer."""
    known = [number for number, segment in enumerate(placed) if segment is not None]
    for number in range(known[0] - 1, -1, -1):
        older = placed[number + 1]
        assert older is not None
        start = max(older.end, last_position)
        placed[number] = Segment(files[number], start, start + files[number].size, is_certain=False)
    for number in range(known[0] + 1, len(files)):
        if placed[number] is None:
            newer = placed[number - 1]
            assert newer is not None
            placed[number] = Segment(files[number], newer.start - files[number].size, newer.start, is_certain=False)


def stack(files: list[File], base: int) -> list[Segment]:
    """All files end to end, the oldest beginning at `base`."""
    segments = []
    for file in reversed(files):
        segments.append(Segment(file, base, base + file.size, is_certain=False))
        base += file.size
    return segments


def marks_of(segments: list[Segment]) -> bytearray:
    """The index that the files alone tell: a segment begins when the one before it was last written."""
    raw = bytearray()
    began = 0.0
    for segment in segments:
        raw += index.encode(index.SEGMENT, segment.start, began, mark=segment.file.inode)
        began = segment.file.modified
    return raw
