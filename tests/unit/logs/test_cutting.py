"""Rotating a file under its writer: nothing lost, nothing doubled, wherever the attendant is killed."""

from __future__ import annotations

import errno
import gzip
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from amonsup.logs import cutting, inotify, ledger
from amonsup.logs.cutting import Cut, CutError, unfit

RAW = b"".join(b"line %d\n" % number for number in range(5000))


class Killed(BaseException):
    """As kill -9: nothing below catches it, and nothing is cleaned up but by the operating system."""


class File:
    """A file with its record, as the logger has begun one."""

    def __init__(self, path: Path, raw: bytes = RAW) -> None:
        self.path = path / "x.log"
        self.path.write_bytes(raw)
        self.record_fd = os.open(path / "record", os.O_RDWR | os.O_CREAT)
        self.fd = os.open(self.path, os.O_RDONLY)
        ledger.save(self.record_fd, ledger.entry(os.fstat(self.fd), ledger.head_of(self.fd)))

    def cut(self, method: str, max_files: int = 10) -> int:
        status = os.fstat(self.fd)
        cut = Cut(str(self.path), (status.st_dev, status.st_ino), self.record_fd)
        try:
            return cut.carry_out(method, max_files, None)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                pytest.skip("the file system of the temporary directory cannot collapse")
            raise

    @property
    def record(self) -> ledger.Entry:
        found = ledger.load(self.record_fd)
        assert found is not None
        return found

    def copies(self) -> list[str]:
        return sorted(p.name for p in self.path.parent.iterdir() if p.name.startswith(("x.log.", ".")))

    def append(self, raw: bytes) -> None:
        with open(self.path, "ab") as file:
            file.write(raw)


@pytest.mark.parametrize("method", ["collapse", "freeze"])
def test_what_is_cut_off_lies_in_the_copy(tmp_path: Path, method: str) -> None:
    file = File(tmp_path)
    inode = file.path.stat().st_ino
    cut = file.cut(method)
    assert cut > 0
    assert (tmp_path / "x.log.1").read_bytes() + file.path.read_bytes() == RAW
    assert file.path.stat().st_ino == inode
    assert file.record["base"] == cut
    assert file.record["earlier"] == [[(tmp_path / "x.log.1").stat().st_ino, 0, cut]]
    assert file.copies() == ["x.log.1"]
    file.append(RAW)
    again = file.cut(method)
    assert file.record["base"] == cut + again
    raw = b"".join((tmp_path / name).read_bytes() for name in ("x.log.2", "x.log.1", "x.log"))
    assert raw == RAW + RAW


def test_rename(tmp_path: Path) -> None:
    file = File(tmp_path)
    assert file.cut("rename") == len(RAW)
    assert (tmp_path / "x.log.1").read_bytes() == RAW
    assert not file.path.exists()
    assert file.record["base"] == 0


def test_too_little_is_left_alone(tmp_path: Path) -> None:
    file = File(tmp_path, b"a line\n")
    assert file.cut("collapse") == 0
    assert file.path.read_bytes() == b"a line\n"
    assert file.copies() == []


MOMENTS = ["_copy", "_announce", "_done", "_take_up_copy"]


@pytest.mark.parametrize("method", ["collapse", "freeze"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("is_after", [False, True])
def test_killed_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, moment: str, is_after: bool
) -> None:
    """Whoever comes next finds out what became of it; meanwhile the service goes on writing."""
    file = File(tmp_path)
    whole = getattr(Cut, moment)
    calls: list[int] = []

    def doomed(self: Cut, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        is_it = len(calls) == (2 if moment == "_take_up_copy" else 1)
        if is_it and not is_after:
            raise Killed
        done = whole(self, *arguments, **options)
        if is_it:
            raise Killed
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Cut, moment, doomed)
        with pytest.raises(Killed):
            file.cut(method)
    file.append(b"more\n")
    record = file.record
    ledger.settle(record, file.fd)
    at_base = (RAW + b"more\n")[record["base"] :]
    assert file.path.read_bytes() == at_base, "positions are right before anything else is done"
    file.cut(method)
    raw = b"".join((tmp_path / n).read_bytes() for n in ("x.log.2", "x.log.1", "x.log") if (tmp_path / n).exists())
    assert raw == RAW + b"more\n"
    assert not [name for name in file.copies() if name.startswith(".")]


def test_a_cut_of_equal_lines_is_seen_by_its_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = File(tmp_path, b"the same\n" * 8192)
    with monkeypatch.context() as patch:
        patch.setattr(Cut, "_done", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            file.cut("collapse")
    record = file.record
    assert ledger.settle(record, file.fd)
    assert record["base"] == 9 * 8192 - file.path.stat().st_size


def test_only_so_many_copies_and_nobody_elses(tmp_path: Path) -> None:
    file = File(tmp_path)
    (tmp_path / "x.log.20261123").write_text("of somebody else")
    for _ in range(5):
        file.cut("freeze", max_files=3)
        file.append(RAW)
    assert file.copies() == ["x.log.1", "x.log.2", "x.log.20261123"]


def test_older_copies_are_packed(tmp_path: Path) -> None:
    file = File(tmp_path)
    for _ in range(3):
        file.cut("freeze")
        cutting.pack({"path": str(file.path), "compress": True, "max_total": 0})
        file.append(RAW)
    assert file.copies() == ["x.log.1", "x.log.2.gz", "x.log.3.gz"]
    assert gzip.decompress((tmp_path / "x.log.2.gz").read_bytes()) == RAW


@pytest.mark.parametrize("why", ["locked", "hung up"])
def test_nothing_is_cut_that_nobody_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """The logger reads on where it finds the record unlocked and whoever has ordered a cut dead."""
    file = File(tmp_path)
    before = file.path.read_bytes()
    fd = os.open(tmp_path / "record", os.O_RDWR)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if why == "locked":
        assert ledger.try_lock(fd)
    else:
        ours.close()
    monkeypatch.setattr(cutting, "RECORD_FD", file.record_fd)
    status = file.path.stat()
    options = {"path": str(file.path), "dev": status.st_dev, "ino": status.st_ino, "method": "rename", "max_files": 5}
    answer, copies = cutting.main(options, theirs.fileno())
    assert (answer["ok"], copies) == (False, [])
    assert file.path.read_bytes() == before
    if why == "locked":
        ledger.unlock(fd)
        assert cutting.main(options, theirs.fileno())[0]["ok"]
    os.close(fd)
    ours.close()
    theirs.close()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    file = File(tmp_path)
    other = tmp_path / "other"
    file.path.rename(other)
    file.path.symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        file.cut("freeze")
    assert other.read_bytes() == RAW


def test_another_file_by_now(tmp_path: Path) -> None:
    file = File(tmp_path)
    file.path.rename(tmp_path / "old")
    file.path.write_bytes(b"new\n")
    with pytest.raises(CutError, match="another file"):
        file.cut("freeze")
    assert file.path.read_bytes() == b"new\n"


def test_a_second_name(tmp_path: Path) -> None:
    file = File(tmp_path)
    os.link(file.path, tmp_path / "other")
    with pytest.raises(CutError, match="2 names"):
        file.cut("freeze")
    assert file.path.read_bytes() == RAW


def test_planted_names_of_ours(tmp_path: Path) -> None:
    file = File(tmp_path)
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for name in ("x.log.1", ".x.log.amonsup-cut", ".x.log.amonsup-gz"):
        (tmp_path / name).symlink_to(victim)
    file.cut("freeze")
    file.append(RAW)
    file.cut("freeze")
    cutting.pack({"path": str(file.path), "compress": True, "max_total": 0})
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / "x.log.1").read_bytes() == RAW


def test_what_is_no_file_of_the_service(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x")
    os.mkfifo(tmp_path / "fifo")
    assert unfit(os.lstat(tmp_path)) == "is a directory"
    assert unfit(os.lstat(tmp_path / "link")).startswith("is a symbolic link")
    assert unfit(os.lstat(tmp_path / "fifo")) == "is a FIFO"
    assert unfit(os.lstat("/dev/null")) == "is a device"
    (tmp_path / "x").touch()
    assert unfit(os.lstat(tmp_path / "x")) == ""


def test_a_record_that_was_cut_short_is_not_believed(tmp_path: Path) -> None:
    file = File(tmp_path)
    assert ledger.load(file.record_fd) is not None
    os.ftruncate(file.record_fd, 40)
    assert ledger.load(file.record_fd) is None


def test_inotify_tells_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    instance = inotify.make()
    number = inotify.add(instance, str(path), inotify.FILE_MASK)
    folder = inotify.add(instance, str(tmp_path), inotify.DIRECTORY_MASK)
    path.write_text("a")
    path.rename(tmp_path / "y")
    found = inotify.parse(os.read(instance, 4096))
    assert (number, inotify.MODIFY, b"") in found
    assert (number, inotify.MOVE_SELF, b"") in found
    assert (folder, inotify.MOVED_TO, b"y") in found
    os.close(instance)
    with pytest.raises(OSError, match="Bad file descriptor"):
        inotify.add(instance, str(path), inotify.FILE_MASK)


def test_all_files_together_are_bounded(tmp_path: Path) -> None:
    file = File(tmp_path)
    for _ in range(5):
        file.append(RAW)
        file.cut("freeze")
    file.append(b"x" * 100)
    sizes = {name: (tmp_path / name).stat().st_size for name in file.copies()}
    assert len(sizes) == 5
    options = {"path": str(file.path), "compress": False}
    cutting.pack({**options, "max_total": 100 + sizes["x.log.1"] + sizes["x.log.2"]})
    assert file.copies() == ["x.log.1", "x.log.2"]
    cutting.pack({**options, "max_total": 99})
    assert file.copies() == ["x.log.1"], "somebody may still be reading it"
    assert file.path.stat().st_size == 100
