"""A service that cannot live beside one that does: neither the healthy one nor the daemon minds."""

from __future__ import annotations

from pathlib import Path

EXPECTED = (Path(__file__).parent / "expected.txt").read_text().splitlines()
ROUNDS = 100


def test_the_healthy_one_does_not_notice(open_site, who):
    site = open_site(who).start()
    healthy = site.running("healthy")["healthy"]
    for _ in range(ROUNDS):
        site.wait("exited", "flapping", "exit 9")
    row = site.row("flapping")
    assert row["restarts"] >= ROUNDS - 1
    assert row["state"] in ("backoff", "starting", "stopping")  # never called running
    assert site.row("healthy")["restarts"] == 0
    assert site.pid("healthy") == healthy
    # `start` of what cannot live fails, and says why.
    result = site.ask("start", services=["flapping"])
    assert not result["ok"]
    assert "exit 9" in result["results"][0]["text"]
    # A stop is a stop, in the middle of it.
    site.do("stop", services=["flapping"])
    row = site.row("flapping")
    assert (row["state"], row["pid"]) == ("stopped", None)
    assert site.pid("healthy") == healthy


def test_a_start_limit_ends_it(open_site, who):
    site = open_site(who).start()
    site.state("limited", "fatal")
    assert site.transcript("limited") == EXPECTED
    row = site.row("limited")
    assert (row["restarts"], row["exit"]["code"]) == (2, 9)
    assert "3 starts within" in row["why"]
    # Fatal is final, for a supervisor's successor too; a person may try again.
    site.kill("supervisor")
    assert site.row("limited")["state"] == "fatal"
    result = site.ask("start", services=["limited"])
    assert not result["ok"]
    site.state("limited", "fatal")
    assert site.transcript("limited").count("limited started") == 6
