"""The supervisor dies inside an apply: its successor finishes it, each service touched once or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.site import until

OLD = (Path(__file__).parent / "conf.d" / "killed_inside_apply.yaml").read_text()

NEW = """
defaults: {min_uptime: 0s, working_dir: "${SITE}", backoff: {initial: 0s}}
services:
  kept: {command: sh bin/only.sh kept}
  changed: {command: sh bin/only.sh changed, environment: {EDITION: "2"}}
  tuned: {command: sh bin/only.sh tuned, restart: on-failure}
  new: {command: sh bin/only.sh new}
"""

POINTS = [
    "applied before 1",
    "applied after 1",  # the configuration is on disk, nothing else
    "accepted before 1",
    "accepted after 1",
    "signal after 1",
    "signal after 2",
    "sweep before 1",
    "sweep before 2",
    "spawn before 1",
    "spawn after 1",
    "spawn before 2",
    "spawn after 2",
    "finished before 1",
]


@pytest.mark.parametrize("point", POINTS)
def test_the_successor_finishes_it(open_site, user, point):
    assert apply(opened(open_site, user), point, NEW), "the supervisor has met its doom"


@pytest.mark.parametrize("point", ["applied after 1", "signal after 1", "spawn after 1"])
def test_as_root(open_site, root, point):
    assert apply(opened(open_site, root), point, NEW), "the supervisor has met its doom"


@pytest.mark.parametrize(("by", "when"), [("root", "after"), ("user", "before"), ("user", "after")])
def test_at_every_record(request, open_site, by, when):
    """There and back, with the supervisor dying at the first, second, third … record of the apply."""
    site = opened(open_site, request.getfixturevalue(by))
    count = 1
    while apply(site, f"record {when} {count}", NEW if count % 2 else OLD):
        count += 1
    assert count > 4, "an apply has more records than that"


def opened(open_site, who):
    site = open_site(who, patches="doomed").start()
    site.running("kept", "changed", "tuned", "old")
    until(lambda: all(lives(site)[:4]))
    return site


def lives(site):
    return [len(site.lines(f"lives.{name}")) for name in ("kept", "changed", "tuned", "old", "new")]


def apply(site, point, text):
    """Whether the supervisor died at that point; everything must be as if it had not."""
    coming, going = ("new", "old") if text is NEW else ("old", "new")
    before, lives_before = site.running("kept", "tuned"), lives(site)
    site.write("conf.d/killed_inside_apply.yaml", text)
    site.write("doom", point)

    word = site.talk("apply", f"apply-{point}")
    assert word["type"] == "finished", word
    assert word["result"]["ok"], word
    kept, changed, tuned, old, new = lives_before
    wanted = [kept, changed + 1, tuned, old + (coming == "old"), new + (coming == "new")]
    until(lambda: all(there >= one for there, one in zip(lives(site), wanted, strict=True)))
    has_died = site.is_doomed()

    after = site.running("kept", "changed", "tuned", coming)
    assert going not in site.answers()
    assert (after["kept"], after["tuned"]) == (before["kept"], before["tuned"])
    assert lives(site) == wanted
    assert site.lines("violations") == []
    assert site.show("tuned")["spec"].get("restart", "always") == ("on-failure" if text is NEW else "always")
    assert site.ask("apply", dry_run=True)["changes"] == []
    assert site.warnings() == ""
    # A later supervisor believes the same.
    site.kill("supervisor")
    assert site.running(*after) == after
    assert going not in site.answers()
    assert lives(site) == wanted
    return has_died
