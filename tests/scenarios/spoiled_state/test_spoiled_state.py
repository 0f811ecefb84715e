"""State files that were truncated, exchanged or filled with rubbish: set aside, said, and not believed."""

from __future__ import annotations

import json

import pytest
from support.site import frozen, is_alive, kill_hard, until

RUBBISH = {
    "empty": lambda _: b"",
    "rubbish": lambda _: b"\0\xff\xfe" * 100,
    "no object": lambda _: b"[1, 2]\n",
    "foreign": lambda _: b'{"head":{"format":99,"boot_id":"x","instance":"y"}}\n',
    "middle torn": lambda raw: raw[: len(raw) // 2] + b"\n" + raw[len(raw) // 2 :],
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_the_record_in_run_dir(open_site, who, kind):
    """Who was recorded there is unknown now: whatever still runs is found and ended before anything begins."""
    site = open_site(who).start()
    pids = site.running("one", "two")
    until(lambda: site.lines("lives.one") and site.lines("lives.two"))
    ours = site.running("guardian", "supervisor")
    path = site.run_dir / "journal"
    with frozen(ours["guardian"]):
        kill_hard(ours["supervisor"])
        path.write_bytes(RUBBISH[kind](path.read_bytes()))
    aside = site.wait("state-set-aside")
    assert list(site.run_dir.glob("journal.bad-*"))
    assert "journal.bad-" in aside["text"]
    until(lambda: len(site.lines("lives.one")) == len(site.lines("lives.two")) == 2)
    after = site.running("one", "two")
    assert site.lines("violations") == []
    assert not any(map(is_alive, pids.values()))
    assert set(after.values()).isdisjoint(pids.values())


def test_a_torn_tail_is_what_never_happened(open_site, who):
    site = open_site(who).start()
    pids = site.running("one", "two")
    ours = site.running("guardian", "supervisor")
    with frozen(ours["guardian"]):
        kill_hard(ours["supervisor"])
        with (site.run_dir / "journal").open("ab") as file:
            file.write(b'{"s":{"name":"one","phase":"stop')
    site.wait("took-over")
    assert site.running("one", "two") == pids
    assert not list(site.run_dir.glob("journal.bad-*"))


@pytest.mark.parametrize("kind", ["empty", "rubbish", "no object"])
def test_the_applied_configuration(open_site, who, kind):
    site = open_site(who).start()
    site.running("one", "two")
    site.do("stop", services=["two"])
    assert site.shut_down() == 0
    (site.state_dir / "applied.json").write_bytes(RUBBISH[kind](b""))
    site.start()
    site.running("one")
    assert "set aside" in site.stderr()
    assert list(site.state_dir.glob("applied.json.bad-*"))
    # What is not spoiled is believed.
    assert site.row("two")["state"] == "stopped"


@pytest.mark.parametrize("kind", ["empty", "rubbish", "foreign"])
def test_what_people_had_stopped(open_site, who, kind):
    site = open_site(who).start()
    site.do("stop", services=["two"])
    assert json.loads((site.state_dir / "wishes.json").read_bytes())["services"] == {"two": {"is_stopped": True}}
    assert site.shut_down() == 0
    (site.state_dir / "wishes.json").write_bytes(RUBBISH[kind](b""))
    site.start()
    site.running("one", "two")
    assert list(site.state_dir.glob("wishes.json.bad-*"))


def test_the_journal_of_events(open_site, who):
    site = open_site(who).start()
    site.running("one")
    last = site.events()[-1]["seq"]
    with (site.state_dir / "events.jsonl").open("ab") as file:
        file.write(b'\0\0\0\n{not json}\n{"seq": 3')
    site.kill("supervisor")
    site.do("restart", services=["one"])
    seqs = [event["seq"] for event in site.events()]
    assert seqs == sorted(set(seqs)), "numbers grow"
    assert max(seqs) > last
    assert "one running" in site.transcript("one")
