"""Crash to the first instruction of the successor: spaced and rapid, peers and floor in the same minutes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack

from lab import Lab, LabError
from peers import S6, Amonsup, Floor, Peer, Runit, Running, Service, Supervisord
from report import Row, Table
from settings import TARGETS, Settings

from benches.common import present, say

ROUND = 2.2  # s between two crashes of one service, spaced: above every peer's one-second throttle
QUIET = 0.15  # s between any two crashes, so that they do not disturb each other
RAPID = 0.05  # s between a start and the next crash, rapid
PATIENCE = 30.0


def crash(lab: Lab, settings: Settings) -> list[Table]:
    """Both modes, amonsup and all peers."""
    spaced = Table(f"crash, spaced: SIGKILL to the successor's first instruction, {ROUND} s between crashes")
    rapid = Table(f"crash, rapid: the same, {RAPID * 1000:.0f} ms after each start")
    peers = present(lab, settings, (Floor, Amonsup, Runit, S6, Supervisord), spaced)
    subjects = [Subject(peer, Service(peer.name)) for peer in peers]
    _campaign(lab, settings, subjects, spaced, rapid)
    rapid.notes.append("runit and s6 delay what lived less than a second, supervisord looks once a second: no setting")
    return [spaced, rapid]


def crash_user(lab: Lab, settings: Settings) -> list[Table]:
    """amonsup with another user and no_new_privileges, against the floor without."""
    table = Table("crash_user, spaced: amonsup with user: nobody, no_new_privileges: true and its own cgroup")
    if not settings.is_root:
        table.notes.append("skipped: only root can start services as another user")
        return [table]
    peers = present(lab, settings, (Floor, Amonsup), table)
    subjects = []
    for peer in peers:
        is_ours = isinstance(peer, Amonsup)
        service = Service(f"{peer.name}-u", user="nobody" if is_ours else "", no_new_privileges=is_ours)
        targets = TARGETS.get("crash_user", ()) if is_ours else ()
        subjects.append(Subject(peer, service, Row(peer.name, base="floor", targets=targets)))
    _campaign(lab, settings, subjects, table, None)
    return [table]


class Subject:
    """One supervisor with one service that is going to crash."""

    def __init__(self, peer: Peer, service: Service, spaced: Row | None = None) -> None:
        """Rows for both modes; the target of `crash` stands in TARGETS."""
        targets = TARGETS.get("crash", ()) if isinstance(peer, Amonsup) else ()
        self.peer = peer
        self.service = service
        self.spaced = spaced or Row(peer.name, base="floor", targets=targets)
        self.rapid = Row(peer.name, base="floor")
        self.pid = 0

    def launch(self, lab: Lab) -> Running:
        """Start the supervisor, beside the others."""
        home = lab.home(self.peer.name)
        self.peer.prepare(home, [self.service])
        return self.peer.launch_beside(home, [self.service])

    def crash(self, lab: Lab) -> float:
        """One crash; milliseconds."""
        killed_ns = time.monotonic_ns()
        os.kill(self.pid, signal.SIGKILL)
        stamp = lab.stamps.next_of(self.service.name, PATIENCE)
        self.pid = stamp.pid
        return (stamp.ns - killed_ns) / 1e6


def _campaign(lab: Lab, settings: Settings, subjects: list[Subject], spaced: Table, rapid: Table | None) -> None:
    spaced.rows += [subject.spaced for subject in subjects]
    with ExitStack() as stack:
        lab.stamps.forget()
        for subject in subjects:
            _start(lab, subject, stack)
        time.sleep(ROUND)
        _spaced(lab, settings, [subject for subject in subjects if subject.pid])
        if rapid is not None:
            rapid.rows += [subject.rapid for subject in subjects]
            _rapid(lab, settings, [subject for subject in subjects if subject.pid])


def _start(lab: Lab, subject: Subject, stack: ExitStack) -> None:
    running = stack.enter_context(subject.launch(lab))
    try:
        running.wait_all(30.0)
    except LabError as error:
        subject.spaced.failed = subject.rapid.failed = f"{error}"
        say(f"{subject.peer.name} failed: {error}")
        return
    subject.pid = running.pids[subject.service.name]


def _try(subject: Subject, row: Row, measure: Callable[[], float]) -> None:
    """One sample; a supervisor that does not come back is not asked again."""
    try:
        row.samples.append(measure())
    except (LabError, ProcessLookupError) as error:
        subject.spaced.failed = subject.rapid.failed = f"{error}"
        subject.pid = 0
        say(f"{subject.peer.name} failed: {error}")


def _spaced(lab: Lab, settings: Settings, subjects: list[Subject]) -> None:
    """Round robin: each crash alone in time, the same service every ROUND seconds."""
    say(f"spaced: {settings.samples} rounds of at least {ROUND} s")
    for _ in range(settings.samples):
        round_end = time.monotonic() + ROUND
        for subject in subjects:
            if subject.pid:
                time.sleep(QUIET)
                _try(subject, subject.spaced, lambda subject=subject: subject.crash(lab))  # type: ignore[misc]
        time.sleep(max(0.0, round_end - time.monotonic()))


def _rapid(lab: Lab, settings: Settings, subjects: list[Subject]) -> None:
    """One supervisor after the other, each crash right after the start."""
    for subject in subjects:
        say(f"rapid: {subject.peer.name}")
        for _ in range(settings.samples + 1):
            if subject.pid:
                time.sleep(RAPID)
                _try(subject, subject.rapid, lambda subject=subject: subject.crash(lab))  # type: ignore[misc]
        del subject.rapid.samples[:1]  # the first one came long after its start
