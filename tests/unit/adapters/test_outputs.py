"""FIFOs of lives: kept until the life is over *and* the logger has everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amonsup.supervisor.adapters.accounts import Account
from amonsup.supervisor.adapters.outputs import KINDS, STDERR, Outputs

NOBODY_ELSE = Account(-1, -1, (), "me", "/", "/bin/sh")


class FakeStore:
    """The store's two verbs, without a guardian."""

    def __init__(self) -> None:
        self.descriptors: dict[str, int] = {}

    def keep(self, name: str, fd: int) -> None:
        self.descriptors[name] = fd

    def drop(self, name: str) -> None:
        fd = self.descriptors.pop(name, None)
        if fd is not None:
            os.close(fd)


class FakeLogger:
    """What it is told, and what it reads."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, int]] = []
        self.readers: dict[tuple[str, int], int] = {}

    def send(self, message: dict[str, Any], fds: tuple[int, ...]) -> None:
        self.told.append((message["do"], message["service"], message["generation"]))
        for fd in fds:
            self.readers[message["service"], message["generation"]] = os.dup(fd)


@pytest.fixture
def store() -> Iterator[FakeStore]:
    made = FakeStore()
    yield made
    for name in list(made.descriptors):
        made.drop(name)


@pytest.fixture
def logger() -> Iterator[FakeLogger]:
    made = FakeLogger()
    yield made
    for fd in made.readers.values():
        os.close(fd)


@pytest.fixture
def outputs(tmp_path: Path, store: FakeStore) -> Outputs:
    (tmp_path / "fifo").mkdir()
    return Outputs(str(tmp_path), store, "boot")  # type: ignore[arg-type]


def test_what_a_life_writes_reaches_the_logger(outputs: Outputs, logger: FakeLogger) -> None:
    outputs.connect(logger.send)
    fd = outputs.make("s", 1, NOBODY_ELSE)
    assert logger.told == [], "nobody writes yet"
    outputs.begun("s", 1)
    os.write(fd, b"hello\n")
    assert logger.told == [("capture", "s", 1)]
    assert os.read(logger.readers["s", 1], 100) == b"hello\n"


def test_without_a_logger_everything_waits_and_the_next_one_is_told_in_order(
    outputs: Outputs, logger: FakeLogger
) -> None:
    for generation in (1, 2):
        os.write(outputs.make("s", generation, NOBODY_ELSE), f"life {generation}\n".encode())
        outputs.begun("s", generation)
    outputs.over("s", 1)
    outputs.connect(logger.send)
    assert logger.told == [("capture", "s", 1), ("over", "s", 1), ("capture", "s", 2)]
    assert os.read(logger.readers["s", 1], 100) == b"life 1\n"
    assert os.read(logger.readers["s", 2], 100) == b"life 2\n"


def test_a_fifo_goes_when_the_logger_has_everything(outputs: Outputs, store: FakeStore, tmp_path: Path) -> None:
    outputs.make("s", 1, NOBODY_ELSE)
    outputs.begun("s", 1)
    outputs.over("s", 1)
    assert not outputs.is_drained
    assert os.listdir(tmp_path / "fifo") == ["s.1"]
    rung: list[str] = []
    outputs.when_drained = lambda: rung.append("drained")
    outputs.drained("s", 1)
    assert (os.listdir(tmp_path / "fifo"), store.descriptors, rung) == ([], {}, ["drained"])


def test_stderr_apart_is_a_second_fifo_of_the_same_life(outputs: Outputs, store: FakeStore, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    outputs.settings_of = lambda name: {"of": name}
    outputs.connect(lambda message, _fds: told.append(message))
    outputs.make("s", 1, NOBODY_ELSE)
    outputs.make("s", 1, NOBODY_ELSE, STDERR)
    outputs.begun("s", 1)
    outputs.over("s", 1)
    assert [(m["do"], m.get("is_stderr", False)) for m in told] == [
        ("capture", False),
        ("capture", True),
        ("over", False),
        ("over", True),
    ]
    assert told[0]["settings"] == {"of": "s"}
    assert outputs.lives() == [("s", 1)]
    outputs.drained("s", 1)
    assert (list(store.descriptors), outputs.is_drained) == (["fifo:s:1:err"], False)
    outputs.drained("s", 1, STDERR)
    assert (os.listdir(tmp_path / "fifo"), store.descriptors, outputs.is_drained) == ([], {}, True)


def test_one_that_was_made_and_never_used_is_let_go(outputs: Outputs, logger: FakeLogger, tmp_path: Path) -> None:
    outputs.connect(logger.send)
    outputs.make("s", 5, NOBODY_ELSE)
    outputs.over("s", 5)
    assert (os.listdir(tmp_path / "fifo"), logger.told) == ([], [])


def test_the_end_of_what_was_never_made_is_nothing(outputs: Outputs) -> None:
    outputs.over("s", 0)
    assert outputs.is_drained


def test_a_successor_finds_fifos_by_store_and_with_the_services(
    outputs: Outputs, store: FakeStore, tmp_path: Path, logger: FakeLogger
) -> None:
    outputs.make("kept", 1, NOBODY_ELSE)
    held = [os.dup(outputs.make("only-a-service", 7, NOBODY_ELSE, kind)) for kind in KINDS]  # as a service has them
    os.write(held[0], b"said meanwhile\n")
    outputs.make("of-nobody", 3, NOBODY_ELSE)
    outputs.make("of-another-boot", 4, NOBODY_ELSE)
    link = tmp_path / "fifo" / "of-another-boot.4"
    link.unlink()
    link.symlink_to(f"other:{os.fstat(held[0]).st_ino}")
    (tmp_path / "fifo" / "no-life").write_text("")
    (tmp_path / "fifo" / "no-pipe.2").write_text("")
    successor_store = FakeStore()
    successor_store.descriptors = {"fifo:kept:1": os.dup(store.descriptors["fifo:kept:1"])}
    for name in list(store.descriptors):
        store.drop(name)
    successor = Outputs(str(tmp_path), successor_store, "boot")  # type: ignore[arg-type]
    successor.recover(lambda name, _generation: name == "kept")
    successor.connect(logger.send)
    alone = [("capture", "only-a-service", 7)] * 2 + [("over", "only-a-service", 7)] * 2
    assert logger.told == [("capture", "kept", 1), *alone]
    assert os.read(successor_store.descriptors["fifo:only-a-service:7"], 100) == b"said meanwhile\n"
    assert sorted(os.listdir(tmp_path / "fifo")) == ["kept.1", "no-life", "only-a-service.7", "only-a-service.7.err"]
    for name in list(successor_store.descriptors):
        successor_store.drop(name)
    for fd in held:
        os.close(fd)


def test_fifos_with_a_name_are_taken_up_too(tmp_path: Path, store: FakeStore, logger: FakeLogger) -> None:
    """Services that were born before an upgrade write into such; guardian and supervisor were killed after it."""
    (tmp_path / "fifo").mkdir()
    path = tmp_path / "fifo" / "s.7"
    os.mkfifo(path)
    held = os.open(path, os.O_RDWR)  # as the service has it
    os.write(held, b"said meanwhile\n")
    successor = Outputs(str(tmp_path), store, "boot")  # type: ignore[arg-type]
    successor.recover(lambda *_: True)
    successor.connect(logger.send)
    assert logger.told == [("capture", "s", 7)]
    assert os.read(logger.readers["s", 7], 100) == b"said meanwhile\n"
    assert os.get_blocking(store.descriptors["fifo:s:7"])
    os.close(held)
    successor.over("s", 7)
    successor.drained("s", 7)
    assert os.listdir(tmp_path / "fifo") == []


def test_a_name_that_is_not_ours_removes_nothing(tmp_path: Path) -> None:
    """Whoever has taken over the logger may say that anything is drained."""
    (tmp_path / "fifo").mkdir()
    victim = tmp_path / "victim.1"
    victim.touch()
    Outputs(str(tmp_path), FakeStore(), "boot").drained("../victim", 1)  # type: ignore[arg-type]
    assert victim.exists()


def test_nobody_has_all_of_what_is_still_written(outputs: Outputs, store: FakeStore, tmp_path: Path) -> None:
    """A late word about a life may come when its number stands for another one already."""
    outputs.make("s", 1, NOBODY_ELSE)
    outputs.drained("s", 1)
    outputs.begun("s", 1)
    outputs.drained("s", 1)
    assert (os.listdir(tmp_path / "fifo"), list(store.descriptors)) == (["s.1"], ["fifo:s:1"])


def test_what_the_record_does_not_know_is_over_for_whoever_reads_it(
    outputs: Outputs, logger: FakeLogger, tmp_path: Path
) -> None:
    """Mostly it was only made ready, and the logger has never heard of it; but the record may have had no room."""
    outputs.make("s", 2, NOBODY_ELSE)
    outputs.make("s", 3, NOBODY_ELSE)
    outputs.recover(lambda _name, generation: generation == 2)
    outputs.drop_unborn(lambda _name, generation: generation > 2)
    outputs.connect(logger.send)
    assert logger.told == [("over", "s", 3), ("capture", "s", 2)]
    assert os.listdir(tmp_path / "fifo") == ["s.2"]
    logger.told.clear()
    outputs.connect(logger.send)
    assert logger.told == [("capture", "s", 2)], "once"


def test_a_fifo_that_cannot_be_opened_is_told_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fifo").mkdir()
    outputs = Outputs(str(tmp_path), FakeStore(), "boot")  # type: ignore[arg-type]
    told: list[str] = []
    later: list[Any] = []
    outputs.later = later.append
    outputs.connect(lambda message, _fds: told.append(message["do"]))
    outputs.make("s", 1, NOBODY_ELSE)
    real = os.open

    def full(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).startswith("/proc/self/fd/"):
            raise OSError(24, "Too many open files")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", full)
    outputs.begun("s", 1)
    outputs.over("s", 1)
    assert told == ["over"]
    monkeypatch.setattr(os, "open", real)
    later.pop()()
    assert told == ["over", "capture", "over"]
    outputs.drained("s", 1)
    assert outputs.is_drained
