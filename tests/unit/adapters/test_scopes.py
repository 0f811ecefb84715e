"""What holds a service's processes together: markers that always fit, and cgroup files read right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amonsup.supervisor.adapters import procfs, scopes
from amonsup.supervisor.adapters.scopes import CgroupScopes, MarkerScopes

settings.register_profile("ci", max_examples=200, deadline=None, database=None)
settings.load_profile("ci")

INFINITY = -1


def markers(instance: str, hard: int) -> MarkerScopes:
    made = MarkerScopes(instance, lambda: (), set)
    made._hard = hard
    return made


# ---- markers -------------------------------------------------------------------------------------------------------


@given(st.text(max_size=20), st.text(min_size=1, max_size=63), st.integers(4, 2**63 - 1))
@example("i", "s", 819_200)  # the kernel's default
@example("i", "s", 4)
@example("i", "s", INFINITY)
def test_a_marker_can_always_be_set_by_who_may_only_lower(instance: str, name: str, hard: int) -> None:
    soft, low = markers(instance, hard).limits_of(name)
    assert 0 < soft <= low
    assert low <= (hard if hard > 0 else 2**63 - 1)


@pytest.mark.parametrize("hard", [0, 1, 2, 3])
def test_a_hard_limit_too_small_for_markers_is_noticed(hard: int) -> None:
    try:
        soft, low = markers("i", hard).limits_of("s")
    except OSError:
        return  # what `holding` may raise
    assert 0 <= soft <= low <= hard


def test_a_marker_is_the_same_for_a_successor_and_another_for_anybody_else() -> None:
    assert markers("i", 819_200).limits_of("s") == markers("i", 819_200).limits_of("s")
    found = {markers(i, 819_200).limits_of(f"s{n}") for i in ("i", "j") for n in range(500)}
    assert len(found) == 1000


def test_the_scopes_of_errands_are_the_services_too() -> None:
    """Each has a marker of its own; what is asked of the service includes them, not the other way round."""
    made = markers("i", 819_200)
    assert len({made.limits_of(each) for each in ("s", "s/hook", "s/order", "s/check")}) == 4
    assert [len(made._marks(each)) for each in ("s", "s/check")] == [4, 1]
    assert made._marks("s/check")[0] in made._marks("s")
    assert made._marks("s")[0] not in made._marks("s/check")


def test_a_nested_amonsup_still_finds_room_below_its_own_marker() -> None:
    hard = 819_200
    for depth in range(8):
        _, hard = markers("i", hard).limits_of(f"level-{depth}")
    assert hard >= 4


def test_a_process_is_recognised_by_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    made = markers("i", 819_200)
    soft, hard = made.limits_of("s")
    lines = {
        1: f"Max msgqueue size         {soft}                {hard}               bytes     ",
        2: f"Max msgqueue size         {soft}                {hard}0              bytes     ",
        3: "Max msgqueue size         819200               819200               bytes     ",
        4: f"Max locked memory         {soft}                {hard}               bytes     ",
    }
    monkeypatch.setattr(procfs, "limits", lambda pid: [lines[pid].encode()] if pid in lines else [])
    assert [pid for pid in range(6) if made.holds("s", pid)] == [1]
    assert not made.holds("other", 1)


def test_a_child_gets_the_marker_and_nothing_else() -> None:
    made = markers("i", 819_200)
    holding = made.holding("s")
    assert holding.cgroup_fd == -1
    assert holding.limits == ((scopes.RLIMIT_MSGQUEUE, *made.limits_of("s")),)
    assert (made.kill("s"), made.directory("s")) == (False, "")


# ---- cgroups, as a directory of files ------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> Path:
    leaf = tmp_path / "s"
    (leaf / "inner" / "deep").mkdir(parents=True)
    (leaf / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    (leaf / "cgroup.procs").write_text("11\n12\n")
    (leaf / "inner" / "cgroup.procs").write_text("13\n")
    (leaf / "inner" / "deep" / "cgroup.procs").write_text("0\n14\n")  # 0: a process we may not see
    return tmp_path


def test_members_are_counted_in_sub_cgroups_too(base: Path) -> None:
    assert sorted(CgroupScopes(str(base)).members("s", thorough=True)) == [11, 12, 13, 14]
    assert sorted(CgroupScopes(str(base)).members("s", thorough=False)) == [11, 12, 13, 14]


def test_an_unpopulated_one_is_not_walked(base: Path) -> None:
    (base / "s" / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    assert CgroupScopes(str(base)).members("s", thorough=False) == []
    assert len(CgroupScopes(str(base)).members("s", thorough=True)) == 4


def test_one_that_is_not_there_has_no_members(base: Path) -> None:
    for thorough in (True, False):
        assert CgroupScopes(str(base)).members("none", thorough=thorough) == []


def test_whether_it_is_deserted_is_seen_anew_each_time(base: Path) -> None:
    made, events = CgroupScopes(str(base)), base / "s" / "cgroup.events"
    found = []
    for text in ("populated 1\nfrozen 0\n", "populated 0\nfrozen 0\n", "populated 0\nfrozen 1\n"):
        events.write_text(text)
        found.append(made.is_deserted("s"))
    assert found == [False, True, False]


def test_of_one_that_was_replaced_the_new_one_counts(base: Path) -> None:
    made, events = CgroupScopes(str(base)), base / "s" / "cgroup.events"
    events.write_text("populated 0\nfrozen 0\n")
    assert made.is_deserted("s")
    events.unlink()
    made.remove("s")
    assert not made.is_deserted("s")
    events.write_text("populated 0\nfrozen 0\n")
    assert made.is_deserted("s")


def test_only_so_many_are_kept_open(base: Path) -> None:
    made = CgroupScopes(str(base))
    before = len(os.listdir("/proc/self/fd"))
    for number in range(scopes.MOST_OPEN + 20):
        (base / f"n{number}").mkdir()
        (base / f"n{number}" / "cgroup.events").write_text("populated 0\nfrozen 0\n")
        assert made.is_deserted(f"n{number}")
    assert 0 < len(os.listdir("/proc/self/fd")) - before <= scopes.MOST_OPEN
    for number in range(scopes.MOST_OPEN + 20):
        made.remove(f"n{number}")
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_is_made_when_it_is_needed(base: Path) -> None:
    holding = CgroupScopes(str(base)).holding("new")
    try:
        assert os.path.isdir(base / "new")
        assert os.path.samestat(os.fstat(holding.cgroup_fd), os.stat(base / "new"))
        assert holding.limits == ()
    finally:
        os.close(holding.cgroup_fd)


def test_killing_writes_one_byte_where_the_kernel_has_the_file(base: Path) -> None:
    (base / "s" / "cgroup.kill").write_text("")
    made = CgroupScopes(str(base))
    assert made.kill("s")
    assert (base / "s" / "cgroup.kill").read_text() == "1"
    assert not made.kill("none")


def test_a_process_is_recognised_by_its_path(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"/some/where/{base.name}"
    lines = {
        1: f"0::{own}/s\n",
        2: f"12:memory:/x\n0::{own}/s/inner\n",
        3: f"0::{own}/other\n",
        4: f"12:memory:{own}/s\n0::/x\n",
        5: "",
    }
    monkeypatch.setattr(procfs, "read", lambda path: lines.get(int(path.split("/")[2]), "").encode())
    assert [pid for pid in range(1, 7) if CgroupScopes(str(base)).holds("s", pid)] == [1, 2]


def test_a_process_of_a_service_with_a_longer_name_is_not_mistaken(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "read", lambda _path: f"0::/x/{base.name}/s2\n".encode())
    assert not CgroupScopes(str(base)).holds("s", 7)


def test_a_removed_service_takes_its_empty_cgroups_with_it(tmp_path: Path) -> None:
    (tmp_path / "s" / "inner").mkdir(parents=True)
    CgroupScopes(str(tmp_path)).remove("s")
    assert os.listdir(tmp_path) == []
    CgroupScopes(str(tmp_path)).remove("s")


def test_the_base_that_an_earlier_daemon_noted_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "cg").mkdir()
    (tmp_path / "cgroup").write_text(f"{tmp_path}/cg\n")
    assert scopes.cgroup_base(str(tmp_path)) == f"{tmp_path}/cg"
