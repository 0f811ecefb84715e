"""Limits as the kernel's files take them, on trees of files that look like either version of cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from amonsup.config.specs import ServiceSpec
from amonsup.loop import cgroups
from amonsup.supervisor.adapters import limits, rights
from amonsup.supervisor.adapters.limits import Limits

V1 = {
    "memory": ["memory.limit_in_bytes", "memory.oom_control"],
    "cpu": ["cpu.cfs_quota_us", "cpu.cfs_period_us"],
    "pids": ["pids.max"],
    "cpuset": ["cpuset.cpus", "cpuset.mems"],
}


def spec(**rest: object) -> ServiceSpec:
    return ServiceSpec(name="s", command=("x",), **rest)  # type: ignore[arg-type]


ALL = spec(mem_limit_bytes=1 << 26, cpus=0.5, pids_limit=7, cpuset="0-1")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def leaf(directory: Path, files: list[str]) -> Path:
    """A cgroup as the kernel makes it: with its files."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in (*files, "cgroup.procs"):
        (directory / file).touch()
    return directory


@pytest.fixture
def hybrid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Controllers of version 1 only; the service's directories are there, as nobody makes files in ours."""
    tree = tmp_path / "v1"
    for controller, files in V1.items():
        (tree / controller).mkdir(parents=True)
        leaf(tree / controller / "amonsup-tag", files)
        leaf(tree / controller / "amonsup-tag" / "s", files)
    (tree / "cpuset" / "amonsup-tag" / "cpuset.mems").write_text("0\n")
    monkeypatch.setattr(cgroups, "own_directory_v1", lambda controller: str(tree / controller))
    return tree


def read(directory: Path, file: str) -> str:
    return (directory / file).read_text().strip()


def test_version_1(run_dir: Path, hybrid: Path) -> None:
    made = Limits(str(run_dir), "tag", "", ())
    procs = made.place(ALL)
    assert procs == tuple(str(hybrid / c / "amonsup-tag" / "s" / "cgroup.procs") for c in V1)
    at = {controller: hybrid / controller / "amonsup-tag" / "s" for controller in V1}
    assert read(at["memory"], "memory.limit_in_bytes") == str(1 << 26)
    assert (read(at["cpu"], "cpu.cfs_period_us"), read(at["cpu"], "cpu.cfs_quota_us")) == ("20000", "10000")
    assert read(at["pids"], "pids.max") == "7"
    assert (read(at["cpuset"], "cpuset.cpus"), read(at["cpuset"], "cpuset.mems")) == ("0-1", "0")
    assert made.unenforced(ALL) == []
    assert made.cpus_at_birth(ALL) == frozenset()


def test_whoever_has_a_limit_has_a_share_of_processors_of_its_own(run_dir: Path, hybrid: Path) -> None:
    """So that a fork bomb under pids_limit weighs no more than one process."""
    made = Limits(str(run_dir), "tag", "", ())
    procs = made.place(ServiceSpec(name="s", command=("x",), pids_limit=7))
    assert str(hybrid / "cpu" / "amonsup-tag" / "s" / "cgroup.procs") in procs
    assert read(hybrid / "cpu" / "amonsup-tag" / "s", "cpu.cfs_quota_us") == "-1"


def test_who_has_no_limit_is_put_nowhere(run_dir: Path, hybrid: Path) -> None:
    made = Limits(str(run_dir), "tag", "", ())
    other = ServiceSpec(name="other", command=("x",))
    assert made.place(other) == ()
    assert made.directory("other", "memory") == ""
    assert not (hybrid / "memory" / "amonsup-tag" / "other").exists()


def test_a_successor_knows_who_had_limits(run_dir: Path, hybrid: Path) -> None:
    Limits(str(run_dir), "tag", "", ()).place(ALL)
    successor = Limits(str(run_dir), "other-tag", "", ())
    assert successor.directory("s", "pids") == str(hybrid / "pids" / "amonsup-tag" / "s")
    successor.change(spec(), list)  # all limits were taken away just before the predecessor died
    at = {controller: hybrid / controller / "amonsup-tag" / "s" for controller in V1}
    assert read(at["memory"], "memory.limit_in_bytes").startswith("-1")
    assert read(at["cpu"], "cpu.cfs_quota_us").startswith("-1")
    assert read(at["pids"], "pids.max").startswith("max")


def test_oom_kills_of_version_1(run_dir: Path, hybrid: Path) -> None:
    made = Limits(str(run_dir), "tag", "", ())
    made.place(ALL)
    assert made.oom_kills("s") == 0
    file = hybrid / "memory" / "amonsup-tag" / "s" / "memory.oom_control"
    file.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert made.oom_kills("s") == 5
    assert made.oom_kills("another") == 0


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    """Version 2 with three controllers that are handed down to us already."""
    own = tmp_path / "v2"
    own.mkdir()
    for directory in (own, own / "amonsup-tag"):
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.controllers").write_text("cpu io memory pids\n")
        (directory / "cgroup.subtree_control").write_text("cpu memory pids\n")
        (directory / "cgroup.procs").touch()
    leaf(own / "amonsup-tag" / "s", ["memory.max", "cpu.max", "pids.max", "memory.events"])
    return own / "amonsup-tag"


@pytest.fixture
def no_v1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "own_directory_v1", lambda _controller: None)


@pytest.mark.usefixtures("no_v1")
def test_version_2(run_dir: Path, unified: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_hand_down", lambda *_: "")  # writing there replaces what a kernel would add to
    made = Limits(str(run_dir), "tag", str(unified), ())
    assert made.versions == "memory v2, cpu v2, pids v2"
    assert made.place(ALL) == ()
    assert read(unified / "s", "memory.max") == str(1 << 26)
    assert read(unified / "s", "cpu.max") == "10000 20000"
    assert read(unified / "s", "pids.max") == "7"
    assert made.unenforced(ALL) == []
    assert made.cpus_at_birth(ALL) == {0, 1}  # no cpuset here: the spawner sees to it
    (unified / "s" / "memory.events").write_text("low 0\nmax 3\noom 2\noom_kill 5\noom_group_kill 9\n")
    assert made.oom_kills("s") == 5
    made.change(spec(), list)
    assert read(unified / "s", "memory.max").startswith("max")
    assert read(unified / "s", "cpu.max").startswith("max 20000")


@pytest.mark.usefixtures("no_v1")
def test_where_nobody_offers_a_controller_it_is_said(run_dir: Path) -> None:
    made = Limits(str(run_dir), "tag", "", ())
    assert made.place(ALL) == ()
    assert made.unenforced(ALL) == [
        "mem_limit is not enforced: no cgroup controller memory",
        "cpus is not enforced: no cgroup controller cpu",
        "pids_limit is not enforced: no cgroup controller pids",
    ]
    made.review([ALL, spec()])
    assert made.warnings()[0] == "s: mem_limit is not enforced: no cgroup controller memory"
    assert made.versions == "none"


def test_what_the_kernel_refuses_is_said(run_dir: Path, hybrid: Path) -> None:
    (hybrid / "pids" / "amonsup-tag" / "s" / "pids.max").unlink()
    made = Limits(str(run_dir), "tag", "", ())
    assert len(made.place(ALL)) == 4
    (told,) = made.unenforced(ALL)
    assert told.startswith("pids_limit is not enforced: No such file or directory: ")


@pytest.mark.parametrize(
    ("cpus", "period", "quota"),
    [
        (0.5, 20_000, 10_000),
        (4.0, 20_000, 80_000),
        (0.05, 20_000, 1000),
        (0.01, 100_000, 1000),
        (0.001, 1_000_000, 1000),
    ],
)
def test_a_share_of_processors(cpus: float, period: int, quota: int) -> None:
    """The kernel takes at least 1 ms in at most 1 s."""
    assert limits._value(cpus, "cpu", 2) == f"{quota} {period}"
    assert limits._value(cpus, "cpu", 1) == str(quota)
    assert limits._period(cpus) == period


def test_processors() -> None:
    assert rights.processors("") == frozenset()
    assert rights.processors("0-2,7,7-8") == {0, 1, 2, 7, 8}


@pytest.mark.parametrize(
    ("text", "number"),
    [("idle", 3 << 13), ("best-effort", 2 << 13 | 4), ("best-effort:7", 2 << 13 | 7), ("realtime:0", 1 << 13)],
)
def test_input_output_priorities(text: str, number: int) -> None:
    assert rights.io_priority(text) == number


def test_the_limit_of_open_files_is_ours_unless_told() -> None:
    assert rights.limits(spec(), (10, 20)) == ((7, 10, 20),)
    found = rights.limits(spec(ulimits=(("nofile", 5, 6), ("core", 0, -1))), (10, 20))
    assert found == ((7, 5, 6), (4, 0, -1))


def test_a_plain_spec_asks_for_nothing() -> None:
    assert rights.of(spec()) == {}
    assert rights.of(spec(nice=3, ionice="idle", oom_score_adj=0, umask=0o77)) == {
        "nice": 3,
        "ionice": 3 << 13,
        "oom_score_adj": 0,
        "umask": 0o77,
    }
