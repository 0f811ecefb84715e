"""The guardian is killed: the supervisor takes its place, with everything it kept."""

from __future__ import annotations

from support.site import frozen, is_alive, kill_hard, until


def test_the_supervisor_becomes_the_guardian(open_site, who):
    site = open_site(who).start()
    pids = site.running("one", "writer", "logger", "supervisor", "guardian")
    kill_hard(pids["guardian"])

    site.wait("took-over")
    after = site.running(*pids)
    assert after["guardian"] == pids["supervisor"]
    assert after["supervisor"] not in (pids["supervisor"], pids["guardian"])
    assert {name: after[name] for name in ("one", "writer", "logger")} == {
        name: pids[name] for name in ("one", "writer", "logger")
    }
    assert site.guardian() == pids["supervisor"], "the lock names the guardian"
    # Still looked after: by a supervisor that is not their parent.
    kill_hard(pids["one"])
    until(lambda: len(site.lines("lives.one")) == 2)
    assert site.show("one")["exits"][0]["signal"] == "SIGKILL"
    # And again, with the new one.
    kill_hard(after["guardian"])
    site.wait("took-over")
    assert site.running("guardian")["guardian"] == after["supervisor"]
    assert site.pid("writer") == pids["writer"]
    assert site.lines("violations") == []
    site.close()
    *numbers, last = site.log("writer")
    assert numbers == [str(number) for number in range(len(numbers))]
    assert last == f"wrote {len(numbers)}"


def test_an_end_while_neither_listens_is_not_lost(open_site, who):
    site = open_site(who).start()
    pids = site.running("one", "supervisor", "guardian")
    with frozen(pids["supervisor"]):
        kill_hard(pids["guardian"])
        kill_hard(pids["one"])
    site.wait("exited", "one", "killed by SIGKILL")
    row = site.state("one", "running")
    assert row["restarts"] == 1
    until(lambda: len(site.lines("lives.one")) == 2)
    assert not is_alive(pids["one"])
    assert site.lines("violations") == []
