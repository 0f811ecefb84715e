"""Ends of processes: the words for them, and that each reaches the one it belongs to."""

from __future__ import annotations

import signal

import pytest

from amonsup.loop.loop import Loop
from amonsup.supervisor.adapters import procfs
from amonsup.supervisor.adapters.watch import Ended, Watch
from amonsup.supervisor.births import base_environment
from amonsup.supervisor.ends import exit_report, signal_name


def report_of(status: int | None, *, oom: bool = False, now: float = 20.0, born: float = 12.5) -> dict[str, object]:
    report = exit_report(3, 77, now, born, Ended(status, 1.23456, 4096), 4096, oom)
    return {field: getattr(report, field) for field in report.__struct_fields__}


@pytest.mark.parametrize(
    ("status", "oom", "said"),
    [
        (0, False, {"code": 0, "signal": None, "reason": "exit 0"}),
        (7 << 8, False, {"code": 7, "reason": "exit 7"}),
        (255 << 8, True, {"code": 255, "reason": "exit 255", "oom": False}),
        (15, False, {"code": None, "signal": 15, "core": False, "reason": "killed by SIGTERM"}),
        (11 | 0x80, False, {"signal": 11, "core": True, "reason": "killed by SIGSEGV, core dumped"}),
        (9, False, {"signal": 9, "oom": False, "reason": "killed by SIGKILL"}),
        (9, True, {"signal": 9, "oom": True, "reason": "out of memory (killed by SIGKILL)"}),
        (15, True, {"signal": 15, "oom": False, "reason": "killed by SIGTERM"}),
        (40, False, {"signal": 40, "reason": "killed by signal 40"}),
        (None, False, {"code": None, "signal": None, "reason": "ended, nobody could find out how"}),
    ],
)
def test_the_words_for_an_end(status: int | None, oom: bool, said: dict[str, object]) -> None:
    found = report_of(status, oom=oom)
    assert {key: found[key] for key in said} == said
    assert (found["generation"], found["pid"], found["at"]) == (3, 77, 20.0)
    assert (found["uptime_s"], found["cpu_s"], found["max_rss_bytes"]) == (7.5, 1.235, 4096)


def test_an_uptime_is_never_negative() -> None:
    assert report_of(0, now=1.0, born=2.0)["uptime_s"] == 0.0


@pytest.mark.parametrize("number", range(1, signal.NSIG))
def test_every_signal_has_a_name(number: int) -> None:
    assert signal_name(number)


def test_what_services_inherit() -> None:
    environ = {
        "PATH": "/p",
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "C",
        "TZ": "UTC",
        "HOME": "/root",
        "SECRET": "s",
        "NOTIFY_SOCKET": "/run/x",
        "LCX": "no",
    }
    assert dict(base_environment(environ)) == {
        "PATH": "/p",
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "C",
        "TZ": "UTC",
    }
    assert dict(base_environment({}))["PATH"].startswith("/usr/local/sbin:")


# ---- what the guardian tells ---------------------------------------------------------------------------------------


@pytest.fixture
def acknowledged() -> list[tuple[int, int]]:
    return []


@pytest.fixture
def watch(acknowledged: list[tuple[int, int]]) -> Watch:
    loop = Loop()
    loop._epoll.close()
    return Watch(loop, 1, lambda pid, ticks: acknowledged.append((pid, ticks)))


def test_an_end_that_was_told_before_anybody_asked_is_kept_for_who_asks(watch: Watch) -> None:
    watch.told_by_guardian(50, 500, Ended(0))
    assert watch.adopt(50, 500, lambda _ended: None) == Ended(0)
    assert watch.take_told(50, 500) is None


def test_an_end_is_not_given_to_another_process_of_that_number(watch: Watch) -> None:
    watch.told_by_guardian(50, 500, Ended(0))
    assert watch.take_told(50, 501) is None
    assert watch.take_told(51, 500) is None


def test_what_nobody_claimed_is_acknowledged(watch: Watch, acknowledged: list[tuple[int, int]]) -> None:
    watch.told_by_guardian(50, 500, Ended(0))
    watch.acknowledge_told()
    assert acknowledged == [(50, 500)]
    assert watch.take_told(50, 500) is None


def test_what_is_told_is_bounded(watch: Watch) -> None:
    for pid in range(20_100):
        watch.told_by_guardian(pid, 1, Ended(0))
    assert len(watch._told) == 20_000
    assert watch.take_told(99, 1) is None
    assert watch.take_told(20_099, 1) == Ended(0)


def test_a_process_that_is_not_watched_is_not_signalled(watch: Watch) -> None:
    assert not watch.signal(1, 1, signal.SIGTERM)


# ---- /proc ---------------------------------------------------------------------------------------------------------


def stat_line(state: str, name: str = "a (strange) name)", exit_code: int = 256) -> bytes:
    fields = [state, *map(str, range(4, 52)), str(exit_code)]
    return f"42 ({name}) {' '.join(fields)}\n".encode()


@pytest.mark.parametrize(
    ("line", "ticks", "status"),
    [
        (stat_line("Z"), 22, 256),
        (stat_line("X"), 22, 256),
        (stat_line("R"), 22, None),
        (stat_line("Z"), 23, None),
        (b"42 (short) Z 1\n", 22, None),
        (b"", 22, None),
    ],
)
def test_the_status_of_a_zombie(monkeypatch: pytest.MonkeyPatch, line: bytes, ticks: int, status: int | None) -> None:
    monkeypatch.setattr(procfs, "read", lambda _path: line)
    assert procfs.zombie_status(42, ticks) == status
    assert procfs.is_zombie(42) is (line.split(b") ")[-1][:1] in (b"Z", b"X"))


def test_a_command_is_short_and_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "read", lambda _path: b"/bin/x\0\x1b[2J\0" + b"y" * 300)
    assert procfs.command(1).startswith("/bin/x ?[2J y")
    assert len(procfs.command(1)) == 80
