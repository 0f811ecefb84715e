"""Followed files: whatever descriptor an attendant answers with, and whatever the file system says, we go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amonsup.logs import alarm, inotify, ledger
from amonsup.logs.tailed import MOST_FORMER
from amonsup.logs.tails import Tails
from amonsup.logs.watches import Watches
from amonsup.logs.watching import Rule
from amonsup.loop.loop import Loop


class World:
    def __init__(self, path: Path) -> None:
        self.loop = Loop(lambda: 0.0)
        self.sent: list[dict[str, Any]] = []
        self.said: list[str] = []
        complain = lambda _service, text: self.said.append(text)  # noqa: E731
        self.watches = watches = Watches(self.loop, str(path), self.sent.append, complain)
        self.tails = Tails(self.loop, str(path), watches, lambda message, _fds: self.sent.append(message), complain)
        self.tails.follow("s", ["/x/*.log"], 0)

    def answer(self, fds: list[int], *files: dict[str, Any]) -> None:
        message = {"do": "files", "service": "s", "files": list(files), "directories": [], "problems": []}
        self.tails.found({**message, "first": True, "last": True}, fds)

    def paths(self) -> list[str]:
        return [tail.path for tail in self.tails._beats["s"].tails.values()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.tails.follow("s", [], 0)
    made.loop._epoll.close()


def a_file(path: str = "/x/a.log", former: bool = False) -> dict[str, Any]:
    return {"path": path, "dev": 1, "ino": 1, "watch": 1, "former": former}


def special(kind: str, path: Path) -> int:
    regular = path / "regular"
    regular.write_text("x")
    if kind == "pipe":
        reader, writer = os.pipe()
        os.close(writer)
        return reader
    if kind == "directory":
        return os.open(path, os.O_RDONLY)
    flags = {"write only": os.O_WRONLY, "path only": os.O_PATH}[kind]
    return os.open(regular, flags)


@pytest.mark.parametrize("kind", ["pipe", "directory", "write only", "path only"])
def test_only_a_file_that_can_be_read_is_followed(tmp_path: Path, world: World, kind: str) -> None:
    world.answer([inotify.make(), special(kind, tmp_path)], a_file())
    assert world.paths() == []
    assert "is no file that can be read" in world.said[0]


def test_only_an_inotify_instance_is_listened_to(tmp_path: Path, world: World) -> None:
    fds = [os.open(tmp_path, os.O_RDONLY)]
    world.answer(fds)
    assert world.said
    os.close(fds.pop())


def test_what_is_written_while_a_file_is_opened_is_judged(tmp_path: Path, world: World) -> None:
    """`show` says that it is followed once the attendant has opened it; the logger hears of it a little later."""
    path = tmp_path / "a.log"
    path.write_text("old\n")
    told = a_file() | {"size": 4}
    with path.open("a") as file:
        file.write("bad\n")
    world.tails.set_rules("s", [Rule("k", "bad|old")])
    world.answer([inotify.make(), os.open(path, os.O_RDONLY)], told)
    while world.loop._soon:
        world.loop.turn()
    assert [message["text"] for message in world.sent if message["do"] == "match"] == ["bad"]


def test_a_file_that_fails_is_complained_of(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    path.write_text("x" * 1000)
    world.answer([inotify.make(), os.open(path, os.O_RDONLY)], a_file())
    assert world.paths() == ["/x/a.log"]

    def failing(*_: object) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ledger, "begins_with", failing)
    world.tails.look(world.tails._beats["s"], next(iter(world.tails._beats["s"].tails.values())))
    assert world.said == ["/x/a.log: Input/output error"]


def test_deleted_files_whose_names_do_not_come_again_are_let_go(tmp_path: Path, world: World) -> None:
    """A date in the name: their place on the disk would never be free again."""
    fds = [inotify.make()]
    for number in range(8):
        path = tmp_path / f"{number}.log"
        path.write_text(f"{number}")
        fds.append(os.open(path, os.O_RDONLY))
    world.answer(fds, *(a_file(f"/x/{number}.log") for number in range(8)))
    assert len(world.paths()) == 8
    for number in range(8):
        (tmp_path / f"{number}.log").unlink()
    world.answer([inotify.make()])
    assert world.paths() == [f"/x/{number}.log" for number in range(8 - MOST_FORMER, 8)]


def test_a_cut_that_a_dead_supervisor_had_ordered_is_no_emptying(tmp_path: Path, world: World) -> None:
    """Its attendant goes on alone: the record says so, and what was judged is not judged again."""
    path = tmp_path / "a.log"
    path.write_text("".join(f"line {number}\n" for number in range(1000)))
    before = path.read_bytes()
    world.answer([inotify.make(), os.open(path, os.O_RDONLY)], a_file())
    (tail,) = world.tails._beats["s"].tails.values()
    assert tail.seen == len(before)
    cut = {**tail.record, "base": 4096, "head": ledger.head_of(tail.fd, 4096), "earlier": [[1, 0, 4096]]}
    ledger.save(tail.record_fd, cut)
    path.write_bytes(before[4096:])
    world.tails.look(world.tails._beats["s"], tail)
    assert tail.record["base"] == 4096
    assert tail.seen == len(before) - 4096
    path.write_bytes(b"")
    world.tails.look(world.tails._beats["s"], tail)
    assert tail.record["base"] == len(before), "and an emptying is one"


def asked(world: World) -> int:
    return sum(message["do"] == "attend" for message in world.sent)


def turn_until(world: World, moment: float) -> None:
    world.loop.now = lambda: moment  # type: ignore[method-assign]
    world.loop.call_soon(lambda: None)
    world.loop.turn()


def test_a_question_that_died_with_a_supervisor_is_asked_again(tmp_path: Path, world: World) -> None:
    """A copy may be waited for: without an answer nothing of the file would be judged any more."""
    path = tmp_path / "a.log"
    path.write_text("x\n")
    world.answer([inotify.make(), os.open(path, os.O_RDONLY)], a_file())
    before = asked(world)
    world.tails.follow("s", ["/x/*.log"], 0)
    assert asked(world) == before, "all is answered"
    world.tails.ask(world.tails._beats["s"])
    turn_until(world, 10.0)
    assert asked(world) == before + 1
    world.tails.follow("s", ["/x/*.log"], 0)
    turn_until(world, 20.0)
    assert asked(world) == before + 2


def followed(world: World, path: Path, content: bytes = b"x\n") -> Any:
    """The one file that is followed."""
    path.write_bytes(content)
    status = path.stat()
    told = a_file(str(path)) | {"dev": status.st_dev, "ino": status.st_ino}
    world.answer([inotify.make(), os.open(path, os.O_RDONLY)], told)
    (tail,) = world.tails._beats["s"].tails.values()
    return tail


def test_what_happens_after_the_question_is_asked_for_once_more(tmp_path: Path, world: World) -> None:
    """A name that appears behind whoever looks, a copy that is made: the answer does not know of them."""
    tail = followed(world, tmp_path / "a.log")
    beat, before = world.tails._beats["s"], asked(world)
    turn_until(world, 10.0)
    world.tails.ask(beat)
    assert asked(world) == before + 1
    world.tails.ask(beat)
    turn_until(world, 20.0)
    assert asked(world) == before + 1, "one at a time"
    world.answer([inotify.make(), os.dup(tail.fd)], a_file(tail.path))
    assert asked(world) == before + 2
    world.answer([inotify.make(), os.dup(tail.fd)], a_file(tail.path))
    turn_until(world, 30.0)
    assert asked(world) == before + 2


def test_a_copy_is_given_up_only_when_it_was_looked_for_twice(tmp_path: Path, world: World) -> None:
    """It may be renamed while somebody looks."""
    world.tails.set_rules("s", [Rule("key", "never")])
    tail = followed(world, tmp_path / "a.log")
    beat = world.tails._beats["s"]
    world.watches._watched[tail.log].position = 0
    tail.record.update(base=100, earlier=[[12345, 0, 100]])
    ledger.save(tail.record_fd, tail.record)
    world.tails.ask(beat)
    for moment, is_kept in ((10.0, True), (20.0, False)):
        turn_until(world, moment)
        before = asked(world)
        world.answer([inotify.make(), os.dup(tail.fd)], a_file(tail.path))
        turn_until(world, moment + 5)
        assert bool(tail.record["earlier"]) == is_kept
        assert asked(world) == before + is_kept, "and asked for by itself"


def test_an_order_says_whom_it_is_meant_for(tmp_path: Path, world: World) -> None:
    """A supervisor that comes after may find it unread; with him everything is begun anew."""
    cuts = lambda: [each["by"] for each in world.sent if each["do"] == "cut"]  # noqa: E731
    world.tails.follow("s", ["/x/*.log"], 4096, by="first")
    tail = followed(world, tmp_path / "a.log", b"x\n" * 3000)
    assert cuts() == ["first"]
    assert tail.cutting
    world.tails.follow("s", ["/x/*.log"], 4000, by="first")
    assert tail.cutting, "he is at it, and only the settings have changed"
    world.tails.follow("s", ["/x/*.log"], 4000, by="second")
    assert cuts() == ["first", "second"]


def test_a_record_that_is_locked_is_not_used(tmp_path: Path, world: World) -> None:
    """Somebody is cutting: record and file need not fit, and what is recorded now would be lost to him."""
    path = tmp_path / "a.log"
    path.write_bytes(b"x\n" * 3000)
    status = path.stat()
    log = f"s.file-{status.st_dev:x}-{status.st_ino}"
    fd = world.tails._records.open(log)
    announced = {**ledger.entry(status, "4:00000000"), "cut": None, "base": 7}
    ledger.save(fd, announced)
    assert ledger.try_lock(fd)
    tail = followed(world, path, b"x\n" * 3000)
    assert tail.cutting
    assert ledger.load(fd) == announced
    ledger.save(fd, {**announced, "base": 10, "head": ledger.head_of(tail.fd)})
    ledger.unlock(fd)
    turn_until(world, 1.0)
    assert not tail.cutting
    assert tail.record["base"] == 10
    os.close(fd)


def test_where_nobody_could_look_it_is_tried_again(world: World) -> None:
    before = asked(world)
    moment = 0.0
    for wait in (2.0, 4.0, 8.0):
        world.tails.found({"service": "s", "failed": True}, [])
        turn_until(world, moment + wait - 0.1)
        assert asked(world) == before
        moment += wait
        turn_until(world, moment)
        before += 1
        assert asked(world) == before


def test_rotation_by_time(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next full hour, by the wall clock as it is then; not any more once it is not wanted."""
    wall = 1_764_000_000.0 // 3600 * 3600
    monkeypatch.setattr(alarm.time, "time", lambda: wall)
    path = tmp_path / "a.log"
    path.write_bytes(b"x\n")
    is_it = {"dev": path.stat().st_dev, "ino": path.stat().st_ino}
    world.answer([inotify.make(), os.open(path, os.O_RDONLY)], a_file(str(path)) | is_it)
    world.tails.follow("s", ["/x/*.log"], 0, "hourly")
    timer = lambda: world.tails._beats["s"].alarm._timer  # noqa: E731
    assert timer() is not None
    assert 3590 < timer().at < 3601
    wall += 3000  # it was put back
    timer().callback()
    assert not [each for each in world.sent if each["do"] == "cut"]
    assert 0 < timer().at < 601
    wall += 601
    timer().callback()
    assert [each["path"] for each in world.sent if each["do"] == "cut"] == [str(path)]
    assert timer().at > 3590
    world.tails.follow("s", ["/x/*.log"], 0)
    assert timer() is None


def test_nothing_is_cut_before_it_is_on_record_that_it_was_judged(tmp_path: Path, world: World) -> None:
    """Otherwise a successor looks for it in a copy that the next cut has packed."""
    path = tmp_path / "a.log"
    path.write_text("")
    status = path.stat()
    world.answer([inotify.make(), os.open(path, os.O_RDONLY)], {**a_file(), "dev": status.st_dev, "ino": status.st_ino})
    world.tails.set_rules("s", [Rule("key", "never")])
    (tail,) = world.tails._beats["s"].tails.values()
    path.write_text("line\n" * 1000)
    world.tails.look(world.tails._beats["s"], tail)
    world.loop.turn()
    assert world.watches.position(tail.log) == 5000
    assert world.watches.recorded_position(tail.log) == 0, "not every step is worth a write"
    world.tails.rotate("s")
    assert world.sent[-1]["do"] == "cut"
    assert world.watches.recorded_position(tail.log) == 5000


def test_a_file_too_young_to_be_known_is_rotated_once_it_is_found(tmp_path: Path, world: World) -> None:
    """The kernel has told of it; who looks for files is asked once a second at most."""
    cut = lambda: [each["path"] for each in world.sent if each["do"] == "cut"]  # noqa: E731
    old, young = tmp_path / "old.log", tmp_path / "young.log"

    def told(path: Path) -> dict[str, Any]:
        path.write_text("line\n")
        return a_file(str(path)) | {"dev": path.stat().st_dev, "ino": path.stat().st_ino, "watch": 99}

    instance = inotify.make()
    number = inotify.add(instance, str(tmp_path), inotify.DIRECTORY_MASK)
    world.tails.follow("s", [f"{tmp_path}/*.log"], 0)
    records = [told(old)]
    message = {"do": "files", "service": "s", "problems": [], "directories": [[number, "*.log"]]}
    fds = [instance, os.open(old, os.O_RDONLY)]
    world.tails.found({**message, "files": records, "first": True, "last": True}, fds)
    records.append(told(young))
    world.tails.rotate("s")
    assert cut() == [str(old)]
    fds = [os.dup(instance), os.open(old, os.O_RDONLY), os.open(young, os.O_RDONLY)]
    world.tails.found({**message, "files": records, "first": True, "last": True}, fds)
    assert cut() == [str(old), str(young)]
    # What the kernel told while the question was out is looked for once more; then the rotation is over.
    beat = world.tails._beats["s"]
    beat.is_asked_again = False
    fds = [os.dup(instance), os.open(old, os.O_RDONLY), os.open(young, os.O_RDONLY)]
    world.tails.found({**message, "files": records, "first": True, "last": True}, fds)
    world.tails.ask(beat)
    third = told(tmp_path / "third.log")
    fds = [os.dup(instance), os.open(tmp_path / "third.log", os.O_RDONLY)]
    world.tails.found({**message, "files": [third], "first": True, "last": True}, fds)
    assert cut() == [str(old), str(young)], "what comes later was not meant"


def test_a_rotation_waits_for_no_event(world: World) -> None:
    """Whoever opened the instance can still make it wait: it was his, and is lent to his like."""
    instance = inotify.make()
    world.answer([os.dup(instance)])
    os.set_blocking(instance, True)
    signal.alarm(10)
    world.tails.rotate("s")
    signal.alarm(0)
    os.close(instance)


def test_however_often_looking_fails_it_is_tried_again_once(world: World) -> None:
    failed = {"do": "files", "service": "s", "failed": True}
    for _ in range(5):  # each time something has happened there
        world.tails.found(failed, [])
    assert len([timer for timer in world.loop._timers if timer.callback is not None]) == 1
