"""The OTP-style matrix: what follows an end, for every policy, kind of end, wish and phase. The answers: matrix.tsv."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from amonsup.config.specs import Healthcheck, RestartPolicy, ServiceType
from amonsup.supervisor.model import events as ev
from amonsup.supervisor.model.phases import Desired, Goal, Phase
from tests.support.playbook import Playbook, service

KINDS = {
    "exit-0": {"code": 0},
    "exit-listed": {"code": 3},
    "exit-other": {"code": 1},
    "signal-success": {"signal": 15},
    "signal-other": {"signal": 11},
    "core": {"signal": 15, "core": True},
    "unknown": {},
}
HOOKS = {"pre-start": "pre_start", "post-start": "post_start"}
WITHOUT_EXIT = ("spawn-failure", "spawn-transient", "start-timeout", "watchdog", "unborn", "condemned", "unhealthy")
OTHERS = (*WITHOUT_EXIT, *HOOKS, "no-daemon")
STARTED_WITHOUT_LIFE = ("spawn-failure", "spawn-transient", "unborn")
ERRANDS = ("s: check", "s: pre_start", "s: post_start", "s: seek")

SCRIPTS = {
    "again": ["s: sweep", "s: spawn 2"],
    "restart": ["s: sweep 15", "s: spawn 2"],
    "anew": ["s: spawn 2"],
    "respawn": ["s: spawn 2"],
    "later": [],
    "done": ["s: sweep"],
    "failed": ["s: sweep"],
    "fatal": [],
    "stopped": ["s: sweep 15"],
    "dropped": ["s: sweep"],
    "term-again": ["s: signal 15", "s: sweep 15", "s: spawn 2"],
    "term-failed": ["s: signal 15", "s: sweep 15"],
    "abort-again": ["s: signal 6", "s: sweep 15", "s: spawn 2"],
    "abort-failed": ["s: signal 6", "s: sweep 15"],
}
ENDS = {
    "again": (Phase.STARTING, Desired.UP, Goal.STAY),
    "restart": (Phase.STARTING, Desired.UP, Goal.STAY),
    "anew": (Phase.STARTING, Desired.UP, Goal.STAY),
    "respawn": (Phase.STARTING, Desired.UP, Goal.STAY),
    "later": (Phase.BACKOFF, Desired.UP, Goal.RETRY),
    "done": (Phase.EXITED, Desired.DOWN, Goal.DONE),
    "failed": (Phase.EXITED, Desired.DOWN, Goal.STAY),
    "fatal": (Phase.FATAL, Desired.DOWN, Goal.GIVE_UP),
    "stopped": (Phase.STOPPED, Desired.DOWN, Goal.STAY),
    "dropped": (Phase.STOPPED, Desired.DOWN, Goal.STAY),
}


def read_matrix() -> list[tuple[str, str, str, RestartPolicy, str]]:
    """(desired, phase, kind, policy, expected), one for each cell."""
    lines = Path(__file__).with_name("matrix.tsv").read_text().splitlines()
    header, *rows = (line.split("\t") for line in lines if not line.startswith("#"))
    policies = [RestartPolicy(word) for word in header[3:]]
    return [
        (desired, phase, kind, policy, cell)
        for desired, phase, kind, *cells in rows
        for policy, cell in zip(policies, cells, strict=True)
    ]


MATRIX = read_matrix()


def test_the_matrix_is_whole() -> None:
    wanted = itertools.product(("up", "down"), ("starting", "running", "stopping"), (*KINDS, *OTHERS), RestartPolicy)
    assert sorted(map(str, wanted)) == sorted(str(tuple(row[:4])) for row in MATRIX)


def brought_to(desired: str, phase: str, kind: str, policy: RestartPolicy) -> tuple[Playbook, str]:
    """The scene as matrix.tsv describes it, and the operation somebody is waiting for."""
    needs_notify = kind in ("start-timeout", "watchdog")
    types = {"no-daemon": ServiceType.FORKING}
    fields: dict[str, Any] = {}
    if kind in HOOKS:
        fields[HOOKS[kind]] = ("/bin/hook",)
    elif kind == "unhealthy":
        fields["healthcheck"] = Healthcheck(test=("/bin/check",), retries=1, start_period_s=0.0)
    spec = service(
        "s",
        restart=policy,
        success_codes=(0, 3),
        type=ServiceType.NOTIFY if needs_notify else types.get(kind, ServiceType.SIMPLE),
        watchdog_s=30.0 if needs_notify else 0.0,
        min_uptime_s=0.0 if kind == "post-start" else 1.0,
        **fields,
    )
    book = Playbook(spec, service("dependant", "s"))
    book.slow.update(HOOKS.values())
    if phase == "starting":
        book.answers_at_once = kind not in STARTED_WITHOUT_LIFE
        operation = book.start("s")
        if desired == "down":
            book.deaf.add("s")
            operation = book.stop("s")
        return book, operation
    book.up(*(("s", "dependant") if (desired, phase) == ("down", "running") else ("s",)))
    book.deaf |= {"s", "dependant"}
    operation = ""
    if desired == "down":
        operation = book.stop("s")
        assert book.phase("s") is (Phase.DRAINING if phase == "running" else Phase.STOPPING)
    elif phase == "stopping":
        operation = book.restart("s")
        assert book.phase("s") is Phase.STOPPING
    return book, operation


def let_happen(book: Playbook, kind: str) -> None:
    generation = book.state("s").generation
    if kind == "unborn":
        book.answers_at_once = True
        book.unborn("s")
    elif kind == "condemned":
        book.feed(ev.Condemned(name="s", generation=generation, why="OutOfMemory"))
    elif kind == "unhealthy":
        book.failing["check"] = "exit 1"
        if ("s", "health") in book.deadlines:
            book.fire_deadline("s", "health")
    elif kind in HOOKS:
        book.slow.discard("pre_start")
        if ("s", "hook") in book.chores:
            book.chore_ends("s", "hook", "exit 1")
    elif kind == "no-daemon":
        book.lost.add("s")
        book.exits("s", code=0)
    elif kind in KINDS:
        book.exits("s", **KINDS[kind])
    elif kind in STARTED_WITHOUT_LIFE:
        book.answers_at_once = book.state("s").phase is Phase.STARTING
        event = ev.SpawnFailed(name="s", generation=generation, reason="no", is_transient=kind == "spawn-transient")
        if book.answers_at_once:
            book.lives["s"].is_clean = True
            book.pending.clear()
        book.feed(event)
    elif kind == "start-timeout":
        if book.phase("s") is Phase.STARTING:
            book.advance(90.0)
        else:
            book.feed(ev.TimerFired(name="s", token=1))
    else:
        book.notice("s", has_failed=True)


@pytest.mark.parametrize(("desired", "phase", "kind", "policy", "expected"), MATRIX)
def test_cell(desired: str, phase: str, kind: str, policy: RestartPolicy, expected: str) -> None:
    if expected == "-":
        return
    book, operation = brought_to(desired, phase, kind, policy)
    book.deaf.discard("s")
    book.take()
    before = msgspec.structs.replace(book.state("s"))
    let_happen(book, kind)
    script = [line for line in book.take_of("s") if line not in ERRANDS]
    word = expected.rstrip("+!")
    if word == "nothing":
        assert script == []
        over = {"errands": (), "deadlines": ()} if kind in HOOKS else {}  # what has ended is over
        assert book.state("s") == msgspec.structs.replace(before, **over)
        return
    assert script == SCRIPTS[word]
    state = book.state("s")
    assert (state.phase, state.desired, state.goal) == ENDS[word.removeprefix("term-").removeprefix("abort-")]
    made_by_policy = word.endswith("again") or word == "respawn"
    assert state.restarts == (1 if made_by_policy else 0)
    if expected.endswith("+"):
        assert book.outcome(operation) == "ok"
    elif expected.endswith("!"):
        assert book.outcome(operation) not in ("ok", None)
    elif operation:
        assert book.outcome(operation) == ("ok" if desired == "down" else None)
    if word not in ("later", "anew"):
        assert len(state.exits) == 1
        assert state.exits[0].reason
