"""The supervisor is killed between any two steps of a restart: intent, FIFO, fork, exec, the state on record.

`start_limit` leaves room for exactly one restart, so a death of ours that cost the service one would be fatal to it.
"""

from __future__ import annotations

import pytest
from support.site import is_alive, kill_hard, until

POINTS = [
    "record before 1",  # the exit is not on record
    "record after 1",  # it is, with the intent
    "order before 1",
    "fifo before 1",
    "fifo after 1",
    "spawn before 1",
    "spawn after 1",  # the child runs, nobody has written its pid
    "spawned before 1",
    "spawned after 1",
    "watch before 1",
    "record before 2",
    "record after 2",
    "chronicle before 1",
    "chronicle after 1",
    "fork stuck 1",
    "fork lost 1",
]


@pytest.mark.parametrize("point", POINTS)
def test_one_copy_and_no_restart_too_many(open_site, who, point):
    site = open_site(who, patches="doomed")
    if point.startswith("fork"):
        site.write("spawn_in_python", "")
    site.start()
    pids = site.running("one", "other")
    until(lambda: site.lines("lives.one"))
    supervisor = site.pid("supervisor")

    site.write("doom", point)
    kill_hard(pids["one"])
    until(lambda: site.file("doomed").exists(), "the supervisor has met its doom")
    assert site.pid("supervisor") != supervisor

    row = site.state("one", "running")
    until(lambda: len(site.lines("lives.one")) >= 2)
    assert row["restarts"] == 1, row
    assert site.pid("other") == pids["other"]
    # The one there is, is the one on record; and there has been no other.
    lives = [int(line) for line in site.lines("lives.one")]
    assert lives == [pids["one"], row["pid"]]
    assert is_alive(row["pid"])
    assert site.lines("violations") == []
    # Its end is noticed, and attributed to its own life; the limit is reached now.
    kill_hard(row["pid"])
    fatal = site.state("one", "fatal")
    assert fatal["exit"]["pid"] == row["pid"]
    assert "2 starts within" in fatal["why"]
