"""Pipes for both ways in one descriptor, and those that somebody still holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amonsup.supervisor.adapters import pipes


def test_both_ends_are_one_descriptor_and_the_lowest() -> None:
    lowest = os.dup(0)
    os.close(lowest)
    fd = pipes.make()
    try:
        assert fd == lowest
        assert not os.get_inheritable(fd)
        assert os.get_blocking(fd)
        os.write(fd, b"there and back")
        assert os.read(fd, 100) == b"there and back"
    finally:
        os.close(fd)


def test_flags_are_those_of_open() -> None:
    fd = pipes.make(os.O_NONBLOCK)
    try:
        assert not os.get_blocking(fd)
    finally:
        os.close(fd)


def test_what_somebody_holds_is_found_once_and_nothing_else(tmp_path: Path) -> None:
    held, other = pipes.make(), pipes.make()
    again = os.dup(held)
    gone = pipes.make()
    inodes = {os.fstat(fd).st_ino for fd in (held, gone)}
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.close(gone)
    os.write(held, b"still in it")
    found = pipes.find({*inodes, os.fstat(file).st_ino})
    try:
        assert list(found) == [os.fstat(held).st_ino]
        (mine,) = found.values()
        assert os.read(mine, 100) == b"still in it"
        os.write(mine, b"both ways")
        assert os.read(held, 100) == b"both ways"
    finally:
        for fd in (held, other, again, file, *found.values()):
            os.close(fd)


def test_what_only_looks_like_it_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service has put a FIFO of a chosen number in the place of its pipe, after we have read what that was."""
    os.mkfifo(tmp_path / "mine")
    fd = os.open(tmp_path / "mine", os.O_RDWR)
    inode, real = os.fstat(fd).st_ino, os.readlink
    path = f"/proc/{os.getpid()}/fd/{fd}"
    monkeypatch.setattr(os, "readlink", lambda each: f"pipe:[{inode}]" if each == path else real(each))
    assert pipes.find({inode}) == {}
    os.close(fd)


def test_nothing_is_looked_for() -> None:
    assert pipes.find(set()) == {}
