"""The supervisor is killed 50 times while services crash by themselves; with a soak for either kind of user."""

from __future__ import annotations

import os
import random

from support.site import is_alive, kill_hard

STEADY = ("writer", "steady-1", "steady-2")
CRASHING = ("crash-1", "crash-2", "crash-3")
IS_SOAK = bool(os.environ.get("AMONSUP_SOAK"))


def test_nothing_is_lost_doubled_or_restarted_without_need(open_site, who):
    site = open_site(who, patches="eager_guardian").start()
    kills = 50 if IS_SOAK or who.name == "user" else 20
    before = site.running(*STEADY)
    chance = random.Random(50)
    supervisors = {site.pid("supervisor")}
    events = site.happenings(site.passed())
    for _ in range(kills):
        # At another moment of the crash load each time, right after something happened.
        for _ in range(chance.randrange(6)):
            next(events)
        kill_hard(site.pid("supervisor"))
        supervisors.add(site.pid("supervisor"))
    assert len(supervisors) == kills + 1
    assert site.running(*STEADY) == before

    for name in CRASHING:
        site.wait("started", name)  # still looked after
    site.do("stop", services=["all"])
    assert site.lines("violations") == []
    assert not any(map(is_alive, before.values()))
    rows = site.answers()
    for name in CRASHING:
        lives = len(site.lines(f"lives.{name}"))
        # A start of ours that no life came of would be a lost one; the last life may have ended before it could speak.
        assert rows[name]["restarts"] in (lives - 1, lives), name
        assert len(site.log(name)) == lives
    assert [rows[name]["restarts"] for name in STEADY] == [0, 0, 0]
    site.close()
    *numbers, last = site.log("writer")
    assert numbers == [str(number) for number in range(len(numbers))]
    assert last == f"wrote {len(numbers)}"
