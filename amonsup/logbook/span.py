"""Which part of a log is meant: since and until when, of which life, from which cursor on; and what its index tells.

Times are as fine as the index: what lies between two marks was captured within TIME_APART_S of the first. `since`
therefore may give a few lines too many, never one too few.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from amonsup.logbook import index
from amonsup.logbook.index import Marks
from amonsup.logbook.pieces import Note, Piece, ReadError

FOR_EVER = 1 << 62


def since(marks: Marks, moment: float, *, is_guess: bool = False) -> int:
    """The first position that may have been captured at `moment` or later. `is_guess`: marks are not close together."""
    number = marks.first_since(moment)
    if number and (is_guess or marks.record(number - 1)[3] + index.TIME_APART_S >= moment):
        number -= 1
    if number < len(marks):
        return marks.record(number)[4]
    return FOR_EVER


def until(marks: Marks, moment: float) -> int:
    """Everything before this position was captured at `moment` or earlier, as far as marks tell."""
    number = marks.first_since(moment)
    while number < len(marks) and marks.record(number)[3] <= moment:
        number += 1
    return marks.record(number)[4] if number < len(marks) else FOR_EVER


def find_life(all_marks: list[Marks], wanted: str) -> tuple[int, int]:
    """(generation, mark) of a life of a service with these logs: `last` or a number. Raises ReadError.

    Numbers begin again with each daemon: the latest of that number is meant.
    """
    lives = sorted((life for marks in all_marks for life in marks.of_kind(index.LIFE)), key=lambda life: life[3])
    if wanted == "last":
        if lives:
            return lives[-1][1], lives[-1][2]
        raise ReadError("bad-request", "no life of it is on record in its log")
    for life in reversed(lives):
        if str(life[1]) == wanted:
            return life[1], life[2]
    known = ", ".join(dict.fromkeys(str(life[1]) for life in lives[-20:])) or "none"
    raise ReadError("bad-request", f"life {wanted[:20]!r} is not on record in its log; known: last, {known}")


def of_life(marks: Marks, life: tuple[int, int]) -> tuple[int, int]:
    """What that life wrote in this log; (0, 0): nothing."""
    lives = marks.of_kind(index.LIFE)
    for number in range(len(lives) - 1, -1, -1):
        if (lives[number][1], lives[number][2]) == life:
            return lives[number][4], lives[number + 1][4] if number + 1 < len(lives) else FOR_EVER
    return 0, 0


def cut_at_lives(lives: list[int], position: int, data: bytes) -> list[tuple[int, bytes]]:
    """A block cut where a life begins in mid-line: the one before ended without a newline.

    `lives`: where lives begin, in order.
    """
    found = []
    for life in lives[bisect_right(lives, position) : bisect_left(lives, position + len(data))]:
        offset = life - position
        if data[offset - 1 : offset] != b"\n":
            found.append((position, data[:offset]))
            position, data = life, data[offset:]
    found.append((position, data))
    return found


class Labels:
    """Who wrote what and when, by the index; a log that grows gets a new one.

    `now`: what stands behind the last mark has just been written; its own mark may follow in a moment.
    """

    def __init__(self, log: str, marks: Marks, now: float = 0.0) -> None:
        self._log = log
        self._marks = marks
        self._now = now
        self._lives = marks.of_kind(index.LIFE)
        self.life_starts = [life[4] for life in self._lives]
        self._drops = marks.of_kind(index.DROP)

    def time_of(self, position: int) -> float:
        number = self._marks.count_until(position)
        at = self._marks.record(number - 1)[3] if number else 0.0
        is_behind = number == len(self._marks)
        return self._now if is_behind and self._now - at > index.TIME_APART_S else at

    def life_of(self, position: int) -> int:
        number = bisect_right(self.life_starts, position)
        return self._lives[number - 1][1] if number else 0

    def pieces(self, position: int, data: bytes, is_context: bool) -> list[Piece]:
        """Cut into lines captured together and written by one life."""
        found: list[Piece] = []
        begin = 0
        number = self._marks.count_until(position)
        last = self._marks.count_before(position + len(data))
        while number < last:
            kind, _, _, _, at = self._marks.record(number)
            number += 1
            offset = at - position
            if offset > begin and kind != index.LIFE:  # lives that begin in mid-line were cut off before
                offset = data.find(b"\n", offset - 1) + 1
            if begin < offset < len(data):
                found.append(self._piece(position + begin, data[begin:offset], is_context))
                begin = offset
        found.append(self._piece(position + begin, data[begin:], is_context))
        return found

    def drops(self, start: int, end: int) -> list[Note]:
        """What was lost within [start, end)."""
        return [
            Note(f"{self._log}: {drop[2]} bytes are missing here: they could not be written")
            for drop in self._drops
            if start <= drop[4] < end
        ]

    def _piece(self, position: int, data: bytes, is_context: bool) -> Piece:
        return Piece(self._log, position, data, self.time_of(position), self.life_of(position), is_context)
