"""What a successor believes of its predecessor's file, and what it sets aside."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amonsup.supervisor.adapters import journal
from amonsup.supervisor.adapters.journal import FORMAT, Head, Journal, Line, recover
from amonsup.supervisor.model.phases import Phase
from amonsup.supervisor.model.records import Operation, ServiceState, Task

BOOT = "5f0a1b2c-boot"
HEAD = Head(FORMAT, BOOT, "instance-1")


def a_state(name: str, generation: int = 1) -> Line:
    return Line(s=ServiceState(name=name, generation=generation, phase=Phase.RUNNING, pid=7, start_ticks=9))


def an_operation(name: str) -> Line:
    task = Task(name, "restart", "alice")
    return Line(o=Operation(id=name, verb="restart", by="alice", accepted=1.0, targets=("s",), tasks={"s": task}))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


@pytest.fixture
def written(path: str) -> Journal:
    made = Journal(path, HEAD)
    assert made.rewrite([a_state("a"), a_state("b")])
    assert made.append([a_state("a", 2), an_operation("op")])
    return made


def test_the_last_word_on_each_counts(written: Journal) -> None:
    written.append([a_state("a", 3), Line(gone="b")])
    found = recover(written.path, BOOT)
    assert found.instance == "instance-1"
    assert {name: state.generation for name, state in found.states.items()} == {"a": 3}
    assert found.states["a"] == ServiceState(name="a", generation=3, phase=Phase.RUNNING, pid=7, start_ticks=9)
    assert found.operations["op"] == an_operation("op").o
    assert found.set_aside == ""


def test_no_file_is_no_predecessor(path: str) -> None:
    found = recover(path, BOOT)
    assert (found.instance, found.states, found.set_aside) == ("", {}, "")


def test_another_boot_has_nothing_to_say_and_nothing_is_wrong_with_it(written: Journal) -> None:
    found = recover(written.path, "another-boot")
    assert (found.instance, found.states, found.operations, found.set_aside) == ("", {}, {}, "")
    assert os.path.exists(written.path)


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_tail_never_happened(written: Journal, cut: int) -> None:
    raw = Path(written.path).read_bytes()
    last = len(raw.splitlines(True)[-1])
    Path(written.path).write_bytes(raw[:-cut])
    found = recover(written.path, BOOT)
    assert cut <= last
    assert found.set_aside == ""
    assert found.operations == {}
    assert found.states["a"].generation == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"no newline at all",
        b"#!/bin/sh\necho hello\n",
        b"{}\n",
        b"[1,2]\n",
        b'{"head":{"format":2,"boot_id":"' + BOOT.encode() + b'","instance":"x"}}\n',
        b'{"s":{"name":"a"}}\n',
        b"\xff\xfe\x00\n",
        b'{"head":' * 2000 + b"\n",
    ],
)
def test_a_foreign_or_empty_file_is_set_aside(path: str, raw: bytes) -> None:
    Path(path).write_bytes(raw)
    found = recover(path, BOOT)
    assert (found.instance, found.states) == ("", {})
    assert Path(found.set_aside).read_bytes() == raw
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    "inner", [b"garbage", b'{"s":{"name":7}}', b'{"s":{"name":"a","phase":"flying"}}', b"\x00" * 20]
)
def test_an_unreadable_line_inside_sets_everything_aside(written: Journal, inner: bytes) -> None:
    """Half a truth is not believed: the sweep before each start finds what still runs."""
    lines = Path(written.path).read_bytes().splitlines(True)
    lines.insert(2, inner + b"\n")
    Path(written.path).write_bytes(b"".join(lines))
    found = recover(written.path, BOOT)
    assert (found.instance, found.states) == ("", {})
    assert found.set_aside.startswith(written.path)


def test_a_directory_in_its_place_is_set_aside(path: str) -> None:
    os.mkdir(path)
    assert recover(path, BOOT).set_aside.startswith(path)


settings.register_profile("ci", max_examples=200, deadline=None, database=None)
settings.load_profile("ci")

good = [msgspec.json.encode(line) + b"\n" for line in (Line(head=HEAD), a_state("a"), an_operation("op"))]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda at, junk: (raw := b"".join(good))[: at % len(raw)] + junk + raw[at % len(raw) :],
            st.integers(0, 10_000),
            st.binary(min_size=1, max_size=5),
        ),
    )
)
def test_whatever_stands_there_recovering_does_not_throw(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("j") / "journal"
    path.write_bytes(raw)
    found = recover(str(path), BOOT)
    assert bool(found.set_aside) != path.exists()


# ---- a full disk ---------------------------------------------------------------------------------------------------


def test_a_batch_that_does_not_fit_leaves_nothing_of_itself(written: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Path(written.path).read_bytes()
    whole = os.write
    monkeypatch.setattr(journal.os, "write", lambda fd, raw: whole(fd, raw[:10]))
    assert not written.append([a_state("a", 3), a_state("b", 3)])
    assert "no space left" in written.error
    assert Path(written.path).read_bytes() == before
    monkeypatch.undo()
    assert written.append([a_state("a", 3)])
    assert written.error == ""
    assert recover(written.path, BOOT).states["a"].generation == 3


def test_an_error_of_the_disk_is_said_and_survived(written: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _raw: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal.os, "write", full)
    assert not written.append([a_state("a", 3)])
    assert not written.rewrite([a_state("a", 3)])
    assert "No space left on device" in written.error
    monkeypatch.undo()
    assert recover(written.path, BOOT).states["a"].generation == 2


def test_without_a_file_appending_says_so(path: str) -> None:
    made = Journal(path, HEAD)
    assert not made.append([a_state("a")])
    assert made.error
    assert made.append([]), "nothing to write is written"


def test_it_is_rewritten_when_it_has_grown_to_several_times_its_worth(
    written: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "COMPACT_AT", 1000)
    rewrites = 0
    for generation in range(1000):
        written.append([a_state("a", generation)])
        if written.is_due():
            written.rewrite([a_state("a", generation), a_state("b")])
            rewrites += 1
    assert 5 < rewrites < 500
    assert os.path.getsize(written.path) < 10_000
    assert recover(written.path, BOOT).states["a"].generation == 999


def test_nobody_else_may_read_it(written: Journal) -> None:
    assert os.stat(written.path).st_mode & 0o777 == 0o600
