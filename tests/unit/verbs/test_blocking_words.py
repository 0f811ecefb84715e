"""What is in the way, in words."""

from __future__ import annotations

from amonsup.cli import plain
from amonsup.verbs.blocking import page, summary
from amonsup.verbs.results import BlockedService, Blocker, BlockingResult, OpenOperation

PROCESS = Blocker("process", "told to stop", pid=812, command="/opt/ce", since_s=3.2, kill_in_s=6.8)
RESULT = BlockingResult(
    operations=(OpenOperation("x", "stop", "me (uid 0)", 3.2, ("db", "se"), 1),),
    services=(
        BlockedService("other", "stopping", (Blocker("process", "killed", pid=1),)),
        BlockedService("db", "stopping", (Blocker("dependant", "stopping", name="ce"),)),
        BlockedService("ce", "stopping", (PROCESS, Blocker("command", "start by me comes after it"))),
    ),
)


def test_the_page_says_all_of_it() -> None:
    assert plain.render(page(RESULT)).splitlines() == [
        "stop  by me (uid 0), since 3.2s, 1 of 3 done: waits for db, se",
        "other  stopping",
        "  process 1: killed",
        "db  stopping",
        "  dependant ce: stopping",
        "ce  stopping",
        "  process 812 /opt/ce: told to stop 3.2s ago, SIGKILL in 6.8s",
        "  command: start by me comes after it",
    ]
    assert plain.render(page(BlockingResult((), ()))) == "nothing is under way\n"
    assert "logs  not written to the end yet: a, b" in plain.render(page(BlockingResult((), (), ("a", "b"))))


def test_the_one_line_follows_dependants_and_says_nothing_of_others() -> None:
    words = "ce: process 812 /opt/ce: told to stop 3.2s ago, SIGKILL in 6.8s"
    assert summary(RESULT, ("db",)) == words
    assert summary(RESULT, ("nobody",)) == ""
    circle = BlockedService("a", "stopping", (Blocker("dependant", "stopping", name="a"),))
    assert summary(BlockingResult((), (circle,)), ("a",)) == "a: dependant a: stopping"
    assert summary(BlockingResult((), (), ("a",)), ()) == "logs of a"
