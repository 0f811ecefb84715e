"""The wall clock jumps a day ahead and back: nothing starts early, nothing waits for ever.

libfaketime moves the clock of the daemon's processes only; the machine's is not touched.
"""

from __future__ import annotations

import glob
import os

import pytest
from support.site import kill_hard, until

DAY = 86400


@pytest.fixture
def faketime():
    found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not found:
        assert not os.environ.get("CI"), "libfaketime is missing (apt install libfaketime)"
        pytest.skip("libfaketime is missing")
    return found[0]


def test_nothing_happens_early_or_never(open_site, who, faketime):
    site = open_site(who)
    site._environ |= {
        "LD_PRELOAD": faketime,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_TIMESTAMP_FILE": str(site.file("clock")),
        "FAKETIME_NO_CACHE": "1",
    }
    clock(site, 0)
    puppet = site.puppet("guarded")
    site.start()
    puppet.tell("notify READY=1")
    pids = site.running("up", "guarded")
    site.state("patient", "backoff")
    crash_and_wait(site)
    today = site.events()[-1]["at"]

    for jump in (DAY, -DAY, 0):
        clock(site, jump)
        crash_and_wait(site)  # a delay that begins after the jump
        # One that a jump hits in the middle: the service is dead, its delay runs.
        kill_hard(site.running("soon")["soon"])
        site.wait("backoff", "soon")
        clock(site, -jump)
        site.wait("started", "soon")
        clock(site, jump)
        at = site.events()[-1]["at"]
        crash_and_wait(site)
        at = site.events()[-1]["at"]
        assert (at > today[:10] + "T99") == (jump > 0), "the daemon's own wall clock has jumped"
        row = site.row("patient")
        assert (row["state"], row["restarts"]) == ("backoff", 1)
        assert 3000 < row["retry_s"] <= 3600
        assert site.running(*pids) == pids
        assert 0 <= site.row("up")["uptime_s"] < 1000
    # A successor on another day keeps the deadlines as well.
    clock(site, DAY)
    site.kill("supervisor")
    row = site.row("patient")
    assert row["state"] == "backoff"
    assert 3000 < row["retry_s"] <= 3600
    assert site.running(*pids) == pids
    crash_and_wait(site)
    assert site.warnings() == ""


def clock(site, offset):
    site.write("clock", f"{offset:+d}\n")


def crash_and_wait(site):
    lives = len(site.lines("lives.soon"))
    kill_hard(site.running("soon")["soon"])
    until(lambda: len(site.lines("lives.soon")) > lives, "it is started again")
    site.passed()
