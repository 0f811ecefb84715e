"""Logger and supervisor killed at random moments, alone and together, while logs are written, rotated and packed."""

from __future__ import annotations

import os
import random
import re
from datetime import datetime

import pytest
from support.logs import whole
from support.site import ScenarioError, kill_hard, until

from amonsup.logbook import index

LINES = 2_000_000 if os.environ.get("AMONSUP_SOAK") else 150_000
PATIENCE = max(120, LINES // 1000)
GROWTH = LINES // 2
"""Bytes that come between two kills, at most."""

STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


def place(site, service):
    """How far a log has come: which file is the current one, and its size."""
    try:
        status = (site.log_dir / f"{service}.log").stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_size


def grow(site, chance):
    """Until one of the logs has been written to some more, or both are complete."""
    before = {service: place(site, service) for service in ("plain", "stamped")}
    size = chance.randrange(GROWTH)

    def has_grown():
        if is_complete(site):
            return True
        for service, (inode, length) in before.items():
            now = place(site, service)
            if now[0] != inode or now[1] > length + size:
                return True
        return False

    until(has_grown, "the logs grow")


def is_complete(site):
    """The writers have said all, and all of it has arrived."""
    return all(tail(site, service).endswith(b"wrote %d\n" % LINES) for service in ("plain", "stamped"))


def tail(site, service):
    for name in (f"{service}.log", f"{service}.log.1"):
        try:
            raw = (site.log_dir / name).read_bytes()
        except FileNotFoundError:
            continue
        if raw:
            return raw
    return b""


@pytest.mark.timeout(PATIENCE)
def test_every_line_once_and_in_order(open_site, user):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown if it fails
    chance = random.Random(seed)
    site = open_site(user, patches="eager_guardian", environ={"LINES": str(LINES)})
    conf = site.conf_d / "logs_exactly_once.yaml"
    site.write("conf.d/logs_exactly_once.yaml", conf.read_text().replace("SIZE", f"{LINES // 2}B"))
    site.start()
    kills = 0
    while not is_complete(site):
        grow(site, chance)
        if is_complete(site):
            break
        try:
            site.passed()
            victims = [site.pid(name) for name in chance.choice((["logger"], ["supervisor"], ["logger", "supervisor"]))]
            kill_hard(*(pid for pid in victims if pid))
        except (ProcessLookupError, ScenarioError):
            continue  # it was just being started again
        kills += 1
    print(f"{kills} kills")  # noqa: T201 - shown if it fails
    assert kills >= 3
    for service in ("plain", "stamped"):
        raw, layout = whole(site, service)
        found = raw.splitlines()
        if service == "stamped":
            assert all(STAMP.match(line) for line in found)
            times = [line[:24] for line in found]
            assert times == sorted(times)
            assert datetime.fromisoformat(times[0].decode()).tzinfo is not None
            found = [line[25:] for line in found]
        assert found == [*(b"%d" % number for number in range(LINES)), b"wrote %d" % LINES]
        assert len(layout.segments) > 4, "it was rotated"
        assert [record[1] for record in layout.marks.of_kind(index.LIFE)] == [1], "the life is marked once"
        until(lambda service=service: packed(site, service), "the older ones are packed")
        assert whole(site, service)[0] == raw


def packed(site, service):
    """All but the current file and the newest rotated one. (Asks for more if the last request died with a logger.)"""
    names = {path.name for path in site.log_dir.iterdir() if path.name.startswith(f"{service}.log.")}
    plain = {name for name in names if not name.endswith(".gz")} - {f"{service}.log.1"}
    if plain:
        site.do("rotate", services=[service])
    return not plain
