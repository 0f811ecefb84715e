"""Instances: each a service of its own, all of them by one name, as many as wanted, whoever dies meanwhile."""

from __future__ import annotations

import pytest
from support.site import kill_hard, until


@pytest.fixture
def site(open_site, user):
    return open_site(user).start()


def states(site, *prefixes):
    rows = site.ask("status")["services"]
    return {row["name"]: row["state"] for row in rows if row["name"].startswith(prefixes or ("ce",))}


def test_instances_are_services_of_their_own(site):
    pids = site.running("ce-1", "ce-2", "web")
    assert states(site, "ce", "web", "lazy", "alone").keys() == {"ce-1", "ce-2", "web", "alone"}
    until(lambda: site.log("ce-2"))
    assert site.log("ce-1") == ["I am ce-1, number 1, id-1"]
    assert site.log("ce-2") == ["I am ce-2, number 2, id-2"]
    assert site.row("ce-2")["description"] == "computing element 2"
    # One name means all of them, in every verb.
    assert site.cli("restart", "ce").stdout == "ce-1: restarted\nce-2: restarted\n"
    later = site.running("ce-1", "ce-2", "web")
    assert later["web"] == pids["web"]
    assert not {later["ce-1"], later["ce-2"]} & set(pids.values())
    assert [row["name"] for row in site.ask("status", services=["ce"])["services"]] == ["ce-1", "ce-2"]
    site.do("hold", service="ce", duration="1h")
    assert site.row("ce-2")["held_until"]
    site.do("release", services=["ce"])
    kill_hard(later["ce-2"])
    until(lambda: site.row("ce-2")["generation"] == 3)
    assert site.row("ce-1")["generation"] == 2
    assert "ce is ce-1, ce-2" in site.refused("show", service="ce")["text"]
    assert site.show("web")["depends_on"] == [
        "ce-1 (service_started, met)",
        "ce-2 (service_started, met)",
    ]


def test_more_and_fewer_and_none(site):
    pids = site.running("ce-1", "ce-2")
    done = site.cli("scale", "ce=4", "lazy=1")
    assert done.returncode == 0
    assert done.stdout == "ce-3: started\nce-4: started\nlazy-1: started\nce: 2 -> 4, lazy: 0 -> 1\n"
    site.running("ce-1", "ce-2", "ce-3", "ce-4", "lazy-1")
    assert site.show("web")["depends_on"][-1] == "ce-4 (service_started, met)"
    site.kill("supervisor")
    assert len(states(site)) == 4
    # The highest go, the rest is not touched.
    assert "ce-2: stopped\n" in site.cli("scale", "ce=1").stdout
    assert states(site) == {"ce-1": "running"}
    assert site.row("ce-1")["pid"] == pids["ce-1"]
    order = [line.split()[0] for line in site.transcript() if line.endswith(" stopped")]
    assert sorted(order) == ["ce-2", "ce-3", "ce-4"]
    site.do("scale", scales=["ce=0"])
    assert states(site, "ce", "web") == {"web": "running"}
    for verb in ("start", "stop", "restart", "hold"):
        args = {"service": "ce", "duration": "1h"} if verb == "hold" else {"services": ["ce"]}
        assert site.ask(verb, **args)["results"] == []
    assert "has no instance just now" in site.refused("show", service="ce")["text"]
    assert site.ask("status", services=["ce"])["services"] == []
    site.do("restart", services=["web"])
    site.do("scale", scales=["ce=2"])
    assert set(site.running("ce-1", "ce-2").values()).isdisjoint(pids.values())


def test_it_lasts_until_an_apply_changes_it(site):
    site.running("ce-1", "ce-2")
    site.do("scale", scales=["ce=3"])
    assert site.shut_down() == 0
    site.start()
    pids = site.running("ce-1", "ce-2", "ce-3")
    text = site.conf_d.joinpath("scale.yaml").read_text()
    site.write("conf.d/scale.yaml", text.replace("tags: [grid]", "tags: [cloud]"))
    site.do("apply")
    assert site.running("ce-1", "ce-2", "ce-3") == pids, "another change leaves it as it is"
    assert site.ask("status", services=["@cloud"])["services"][2]["name"] == "ce-3"
    site.write("conf.d/scale.yaml", text.replace("scale: 2", "scale: 1"))
    planned = site.cli("apply", "--dry-run").stdout
    assert "stop    ce-2" in planned
    assert "stop    ce-3" in planned
    site.do("apply")
    assert states(site) == {"ce-1": "running"}
    assert site.row("ce-1")["pid"] == pids["ce-1"]
    # And back: what was said before is forgotten.
    site.write("conf.d/scale.yaml", text)
    site.do("apply")
    assert len(site.running("ce-1", "ce-2")) == 2
    assert "ce-3" not in states(site)


def test_the_supervisor_dies_while_it_scales(open_site, user):
    """Its successor finishes it: nobody twice, nobody forgotten, the others untouched."""
    site = open_site(user, patches="doomed").start()
    kept = site.running("ce-1", "web")
    deaths = 0
    for point, count in (
        ("applied before 1", 3),
        ("applied after 1", 4),
        ("spawn after 1", 5),
        ("signal after 1", 2),
        ("sweep before 1", 1),
    ):
        site.write("doom", point)
        word = site.talk("scale", f"scale-{point}", scales=[f"ce={count}"])
        assert word["type"] == "finished", word
        assert word["result"]["ok"], word
        deaths += site.is_doomed()
        wanted = {f"ce-{number}": "running" for number in range(1, count + 1)}
        until(lambda wanted=wanted: states(site) == wanted, f"{point}: {wanted}")
        assert site.running("ce-1", "web") == kept
        assert site.ask("apply", dry_run=True)["changes"] == []
    assert deaths == 5


def test_a_name_that_is_taken(site):
    site.running("ce-1", "ce-2")
    text = site.conf_d.joinpath("scale.yaml").read_text()
    site.do("scale", scales=["ce=3"])
    site.write("conf.d/scale.yaml", text.replace("alone:", "ce-3:"))
    assert "because of amonsup scale ce=3" in site.refused("apply")["text"]
    assert states(site, "ce-3", "alone") == {"ce-3": "running", "alone": "running"}
    site.do("scale", scales=["ce=2"])
    site.do("apply")
    site.running("ce-1", "ce-2", "ce-3")
    assert "the instance ce-3 has the name of another service" in site.refused("scale", scales=["ce=3"])["text"]


def test_bad_words(site):
    site.running("ce-1", "ce-2")
    for words, said in (
        (("ce",), "'ce' is not SERVICE=N"),
        (("ce=",), "is not SERVICE=N"),
        (("ce=-1",), "is not SERVICE=N"),
        (("ce=1.5",), "is not SERVICE=N"),
        (("ce=1001",), "at most 1000 instances"),
        (("ce=1", "ce=2"), "ce stands there twice"),
        (("alone=2",), "it has no 'scale' in conf.d: give it `scale: 1`"),
        (("ce-1=2",), "it is an instance of ce: scale that"),
        (("alnoe=2",), "did you mean 'alone'?"),
        ((), "SERVICE=N is missing"),
    ):
        done = site.cli("scale", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert said in done.stderr, (words, done.stderr)
    site.do("hold", service="ce-2", duration="1h")
    done = site.cli("scale", "ce=1")
    assert done.returncode == 4
    assert "ce-2, which would go, is held by" in done.stderr
    assert states(site) == {"ce-1": "running", "ce-2": "running"}
