"""Files of services themselves, read: whatever rotates them, and whenever, each line comes once."""

from __future__ import annotations

import datetime
import gzip
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from amonsup.logbook.pieces import Note, Piece, ReadError
from amonsup.logbook.reading import Query, Reading
from amonsup.logs import ledger, own_tape
from amonsup.logs.cutting import Copies, Cut
from amonsup.logs.own_shelf import OwnShelf

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
WAYS = ("freeze", "rename", "copytruncate", "collapse")


class Own:
    """A file that a service writes, and what rotates it."""

    def __init__(self, path: Path) -> None:
        self.path = path / "ce.log"
        self.record = path.parent / "record"
        self.count = 0
        self.notes: list[str] = []

    def say(self, lines: int = 1) -> bytes:
        text = b"".join(b"%06d is a line\n" % number for number in range(self.count, self.count + lines))
        self.count += lines
        with open(self.path, "ab") as file:
            file.write(text)
        return text

    def rotate(self, way: str) -> None:
        status = self.path.stat()
        if way == "copytruncate":  # as logrotate
            Copies(str(self.path)).make_room(100)
            self.path.with_name("ce.log.1").write_bytes(self.path.read_bytes())
            os.truncate(self.path, 0)
            return
        self.record.write_bytes(b"")
        fd = os.open(self.record, os.O_RDWR)
        with open(self.path, "rb") as file:
            ledger.save(fd, ledger.entry(status, ledger.head_of(file.fileno())))
        try:
            Cut(str(self.path), (status.st_dev, status.st_ino), fd).carry_out(way, 100, None)
        except OSError as error:
            pytest.skip(f"the temporary directory's file system: {error.strerror}")
        finally:
            os.close(fd)
        if way == "rename":
            self.path.touch()

    def pack(self) -> None:
        Copies(str(self.path)).pack()

    def reading(self, wanted: str = "ce.log", pattern: str = "", **asked: object) -> Reading:
        shelf = OwnShelf("ce", [pattern or str(self.path)], wanted)
        return Reading(shelf, Query(services=("ce",), file=wanted, **asked), NOW)  # type: ignore[arg-type]

    def pieces(self, wait: Callable[[int], bool] | None = None, **asked: object) -> list[Piece]:
        reading = self.reading(**asked)  # type: ignore[arg-type]
        found = []
        for item in reading.items(wait):
            if isinstance(item, Piece):
                found.append(item)
            elif isinstance(item, Note):
                self.notes.append(item.text)
        reading.close()
        return found

    def read(self, wait: Callable[[int], bool] | None = None, **asked: object) -> bytes:
        return b"".join(piece.data for piece in self.pieces(wait, **asked))


@pytest.fixture
def own(tmp_path):
    (tmp_path / "logs").mkdir()
    return Own(tmp_path / "logs")


def script(*steps: Callable[[], object]) -> Callable[[int], bool]:
    todo = list(steps)

    def wait(_fd: int) -> bool:
        if not todo:
            return False
        todo.pop(0)()
        return True

    return wait


def cursors(pieces):
    """Of each line's end: the cursor, and what stands before it."""
    found, before = [], b""
    for piece in pieces:
        position = piece.position
        for line in piece.data.splitlines(keepends=True):
            position += len(line)
            before += line
            found.append((f"{piece.log}:{position}", before))
    return found


@pytest.mark.parametrize("way", WAYS)
def test_rotated_packed_and_current_are_one(own, way):
    said = b""
    for _ in range(4):
        said += own.say(600)
        own.rotate(way)
        own.pack()
    said += own.say(7)
    assert {".2.gz", ".3.gz"} < {path.name.removeprefix("ce.log") for path in own.path.parent.iterdir()}
    assert own.read() == said
    assert own.read(lines=9) == b"".join(said.splitlines(keepends=True)[-9:])
    assert own.read(grep="00.999") == b"000999 is a line\n001999 is a line\n"
    assert own.notes == []


@pytest.mark.parametrize("way", WAYS)
def test_a_cursor_leads_to_the_same_place_whatever_happened_since(own, way):
    said = own.say(700)
    own.rotate(way)
    said += own.say(600)
    places = cursors(own.pieces())
    assert places[-1][1] == said
    for _ in range(3):
        own.rotate(way)
        own.pack()
        said += own.say(700)
        for cursor, before in places[::97]:
            assert own.read(cursor=cursor) == said.removeprefix(before)


def test_a_cursor_into_what_is_gone_gives_all_there_is(own):
    own.say(10)
    cursor, _ = cursors(own.pieces())[-1]
    own.rotate("rename")
    own.path.with_name("ce.log.1").unlink()
    assert own.read(cursor=cursor) == b""
    said = own.say(3)
    assert own.read(cursor=cursor) == said


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", WAYS)
def test_a_follower_sees_every_line_once(own, way, seed):
    said = own.say(300)

    def step(rotates: bool, lines: int) -> Callable[[], None]:
        def go() -> None:
            nonlocal said
            if rotates:
                said += own.say(400)
                own.rotate(way)
                own.pack()
            said += own.say(lines)

        return go

    chance = random.Random(seed)
    steps = [step(chance.random() < 0.4, chance.choice([0, 1, 50, 900])) for _ in range(40)]
    assert own.read(script(*steps), follow=True, lines=300) == said
    assert own.notes == []


@pytest.mark.parametrize("way", WAYS)
def test_a_rotation_while_it_is_read(own, monkeypatch, way):
    """Between two reads, wherever that is."""
    monkeypatch.setattr(own_tape, "BLOCK", 1000)
    said = own.say(500)
    real, count = os.pread, 0

    def pread(fd: int, size: int, at: int) -> bytes:
        nonlocal count
        raw = real(fd, size, at)
        if size == 1000:
            count += 1
            if count == 4:
                monkeypatch.setattr(os, "pread", real)
                own.rotate(way)
                monkeypatch.setattr(os, "pread", pread)
        return raw

    monkeypatch.setattr(os, "pread", pread)
    assert own.read() == said
    assert count >= 4


def test_emptied_removed_and_made_anew(own):
    own.say(5)
    found = own.read(
        script(
            lambda: own.say(2),
            lambda: os.truncate(own.path, 0),
            lambda: own.say(1),
            own.path.unlink,
            lambda: own.say(1),
        ),
        follow=True,
        lines=0,
    )
    assert found == b"".join(b"%06d is a line\n" % number for number in range(5, 9))


def test_a_file_that_is_not_there_yet_and_one_that_comes_later(own):
    other = own.path.with_name("other.log")
    found = (
        own.read(
            script(lambda: own.say(2), lambda: other.write_bytes(b"another\n")),
            wanted="*.log",
            pattern=str(own.path.parent / "*.log"),
            follow=True,
        )
        if own.say(0) == b""
        else b""
    )
    assert found == b"000000 is a line\n000001 is a line\nanother\n"


def test_what_is_meant(own):
    own.say(1)
    own.rotate("rename")
    (own.path.parent / "b.log").write_bytes(b"b\n")
    pattern = str(own.path.parent / "*")
    assert own.read(wanted="*", pattern=pattern) == b"b\n000000 is a line\n"
    assert own.read(wanted="b.log", pattern=pattern) == b"b\n"
    assert own.read(wanted=str(own.path), pattern=pattern) == b"000000 is a line\n"
    with pytest.raises(ReadError, match=r"no file 'c.log' of its own; there are: b.log, ce.log"):
        own.read(wanted="c.log", pattern=pattern)
    for wrong in ({"stream": "err"}, {"life": "last"}):
        with pytest.raises(ReadError, match="not together with file"):
            own.read(**wrong)


def test_a_file_that_was_renamed_away_is_found_by_its_name(own):
    """By a pattern too, although nothing has that name until the service writes again."""
    said = own.say(3)
    own.path.rename(own.path.with_name("ce.log.1"))
    for pattern in ("*.log", "ce*.log"):
        assert own.read(pattern=str(own.path.parent / pattern)) == said


def test_names_that_only_look_rotated_are_files_like_others(own):
    for number in (1, 2):
        own.path.with_name(f"server.{number}").write_text(f"{number}\n")
    for pattern in ("*", "server.*"):
        pattern = str(own.path.parent / pattern)
        assert own.read(wanted="*", pattern=pattern) == b"1\n2\n"
        assert own.read(wanted="server.2", pattern=pattern) == b"2\n"


def test_times_are_known_by_file(own):
    own.say(2)
    own.rotate("rename")
    own.say(1)
    os.utime(own.path.with_name("ce.log.1"), (1000, 1000))
    os.utime(own.path, (2000, 2000))
    assert own.read(since="1970-01-01T00:10:00Z").count(b"\n") == 3
    assert own.read(since="1970-01-01T00:20:00Z").count(b"\n") == 1
    assert own.read(since="1970-01-01T01:00:00Z") == b""
    assert own.read(until="1970-01-01T00:10:00Z").count(b"\n") == 2
    assert {piece.at for piece in own.pieces(is_labelled=True)} == {0.0}


@pytest.mark.parametrize("what", ["link", "hard link", "fifo", "directory"])
@pytest.mark.parametrize("name", ["ce.log", "ce.log.1", ".ce.log.amonsup-cut"])
def test_what_is_planted_is_not_read(own, tmp_path, what, name):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret\n")
    said = own.say(1) if name != "ce.log" else b""
    place = own.path.with_name(name)
    {
        "link": lambda: place.symlink_to(secret),
        "hard link": lambda: os.link(secret, place),
        "fifo": lambda: os.mkfifo(place),
        "directory": place.mkdir,
    }[what]()
    assert own.read() == said
    found = own.read(script(lambda: None if name == "ce.log" else own.say(1)), follow=True)
    assert found == (b"" if name == "ce.log" else b"000000 is a line\n000001 is a line\n")


def test_a_damaged_copy_costs_only_itself(own):
    own.say(5)
    own.rotate("rename")
    own.say(5)
    own.rotate("rename")
    own.pack()
    packed = own.path.with_name("ce.log.2.gz")
    packed.write_bytes(gzip.compress(os.urandom(1000))[:-12])
    last = own.say(1)
    assert own.read().endswith(b"000009 is a line\n" + last)
    assert "damaged" in " ".join(own.notes)
