"""Guardian and supervisor are killed together: the services live on, and a new amonsupd takes them up."""

from __future__ import annotations

from support.site import frozen, is_alive, kill_hard, until, wait_gone


def kill_both(site):
    pids = site.running("guardian", "supervisor", "logger")
    with frozen(pids["supervisor"]):  # or it would become the guardian
        kill_hard(pids["guardian"], pids["supervisor"])
    site.process.wait()
    wait_gone(pids["logger"])  # nobody is left who would ever speak to it


def test_a_new_daemon_adopts_the_services(open_site, who):
    site = open_site(who).start()
    pids = site.running("one", "two", "writer")
    kill_both(site)
    assert all(map(is_alive, pids.values()))
    before = len(site.log("writer"))

    site.start()
    assert site.running("one", "two", "writer") == pids
    rows = site.answers()
    assert [rows[name]["restarts"] for name in pids] == [0, 0, 0]
    until(lambda: len(site.log("writer")) > before, "what the writer writes arrives again")
    # Whoever ends now has a foreign parent; it is noticed all the same.
    kill_hard(pids["one"])
    until(lambda: len(site.lines("lives.one")) == 2)
    assert site.running("two", "writer") == {"two": pids["two"], "writer": pids["writer"]}
    assert site.show("one")["exits"][0]["pid"] == pids["one"]
    assert site.lines("violations") == []

    assert site.shut_down() == 0
    assert site.survivors() == []
    *numbers, last = site.log("writer")
    assert numbers == [str(number) for number in range(len(numbers))]
    assert last == f"wrote {len(numbers)}"


def test_who_ended_meanwhile_is_started_again(open_site, who):
    site = open_site(who).start()
    pids = site.running("one", "two")
    until(lambda: site.lines("lives.one"), "it has begun")
    kill_both(site)
    kill_hard(pids["one"])

    site.start()
    rows = site.running("one", "two")
    assert rows["two"] == pids["two"]
    assert rows["one"] != pids["one"]
    until(lambda: len(site.lines("lives.one")) == 2)
    # How it ended can be known only as long as init has not reaped it; what is unknown is not called a success.
    end = site.show("one")["exits"][0]
    assert end["pid"] == pids["one"]
    assert end["code"] is None
    assert end["signal"] in (None, "SIGKILL")
    assert site.row("one")["restarts"] == 1


def test_who_was_stopped_stays_down(open_site, who):
    site = open_site(who).start()
    until(lambda: site.lines("lives.two"), "it has begun")
    site.do("stop", services=["two"])
    kill_both(site)
    site.start()
    site.running("one")
    assert site.row("two")["state"] == "stopped"
    assert len(site.lines("lives.two")) == 1
