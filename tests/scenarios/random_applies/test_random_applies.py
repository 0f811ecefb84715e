"""A thousand random applies, valid and invalid: what a file does not change is left alone, what an invalid file says
is not done at all, and what runs in the end is what the last valid one says.

Without AMONSUP_SOAK they are 30 for each kind of user: an apply has its configuration parsed by a process of its own.
"""

from __future__ import annotations

import json
import os
import random

import pytest
from support.site import is_alive, until

APPLIES = 1000 if os.environ.get("AMONSUP_SOAK") else 30
NAMES = [f"svc-{n}" for n in range(8)]
BROKEN = [
    "services: {a: {command: sleep 9, colour: red}}",
    "services: {a: {command: sleep 9, restart: sometimes}}",
    "services: {a: {command: [], type: simple}}",
    "services: {a: {command: sleep 9, depends_on: [nobody-knows]}}",
    "services: {a: {command: sleep 9, depends_on: [b]}, b: {command: sleep 9, depends_on: [a]}}",
    "services: {a: {command: sleep 9}, a: {command: sleep 8}}",
    "services: {kept-1: {command: sleep 9}}",  # the name is taken
    "services: {supervisor: {command: sleep 9}}",
    "services: {a: {command: sleep 9, healthcheck: {tcp: nowhere}}}",
    "services: {a: {command: sleep 9, stop_grace_period: soon}}",
    "services: [",
    "\x00",
    "{}: {}: {}",
    "services: {a: {command: sleep 9, user: nobody-knows-them}}",
]
# What a process is born with makes a restart necessary; the rest is changed in place.
BORN_WITH = {"command": ["sleep 1000", "sleep 1001", "sleep 1002"], "environment": [{}, {"A": "1"}, {"A": "2"}]}
IN_PLACE = {
    "restart": ["always", "on-failure"],
    "description": ["", "new"],
    "stop_grace_period": ["5s", "10s"],
    "tags": [[], ["x"]],
}


@pytest.mark.timeout(120 + APPLIES)
def test_what_is_not_changed_is_left_alone(open_site, who):
    chance = random.Random(0xA)
    site = open_site(who, patches="eager_guardian").start()
    kept = site.running("kept-1", "kept-2")
    running: dict[str, tuple[dict, int]] = {}  # name -> (spec, pid)
    wanted: dict[str, dict] = {}
    counts = {"valid": 0, "invalid": 0}
    for n in range(APPLIES):
        if chance.random() < 0.35:
            counts["invalid"] += 1
            site.write("conf.d/zz-broken.yaml", chance.choice(BROKEN))
            site.write("conf.d/random.yaml", json.dumps({"services": mutated(chance, wanted)}))
            refusal = site.refused("apply")
            assert refusal["code"] == "invalid"
            assert "zz-broken.yaml" in refusal["text"]
            (site.conf_d / "zz-broken.yaml").unlink()
        else:
            counts["valid"] += 1
            wanted = mutated(chance, wanted)
            site.write("conf.d/random.yaml", json.dumps({"services": wanted}))
            site.do("apply")
        rows = site.answers()
        assert {name for name in rows if name.startswith("svc-")} == set(wanted)
        assert {name: rows[name]["pid"] for name in kept} == kept
        for name, spec in wanted.items():
            pid = rows[name]["pid"]
            assert rows[name]["state"] == "running", rows[name]
            if name in running and born_with(running[name][0]) == born_with(spec):
                assert pid == running[name][1], f"{name} was touched without need in apply {n}"
            elif name in running:
                assert pid != running[name][1], f"{name} runs what is no longer configured, in apply {n}"
        for name in set(running) - set(wanted):
            assert not is_alive(running[name][1]), f"{name} was removed and lives, in apply {n}"
        running = {name: (spec, rows[name]["pid"]) for name, spec in wanted.items()}
        if n % 10 == 9:
            site.kill("supervisor")
    assert min(counts.values()) > APPLIES / 5
    for spec, pid in running.values():
        with open(f"/proc/{pid}/cmdline") as file:
            assert file.read().split("\0")[:2] == spec["command"].split()
    assert site.lines("violations") == []
    assert [len(site.lines(f"lives.{name}")) for name in kept] == [1, 1]
    # Nothing of all that was removed is left lying about.
    until(lambda: {entry.name.split(".")[0] for entry in (site.run_dir / "fifo").iterdir()} <= {*wanted, *kept})
    site.write("conf.d/random.yaml", json.dumps({"services": wanted}))
    assert site.ask("apply", dry_run=True)["changes"] == []


def mutated(chance, services):
    """A neighbour of a valid configuration, itself valid."""
    new = {name: dict(spec) for name, spec in services.items()}
    for _ in range(chance.randrange(4)):
        name = chance.choice(NAMES)
        if name not in new:
            new[name] = {"command": chance.choice(BORN_WITH["command"]), "min_uptime": "0s"}
        elif chance.random() < 0.3:
            del new[name]
        else:
            key, values = chance.choice([*BORN_WITH.items(), *IN_PLACE.items()])
            new[name][key] = chance.choice(values)
    return new


def born_with(spec):
    return {key: spec.get(key, values[0]) for key, values in BORN_WITH.items()}
