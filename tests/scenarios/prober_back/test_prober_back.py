"""A prober that is told to go, and is needed again before it has gone."""

from __future__ import annotations

from pathlib import Path

from support.site import frozen, wait_gone

CHECKED = (Path(__file__).parent / "conf.d" / "prober_back.yaml").read_text()
UNCHECKED = "\n".join(line for line in CHECKED.splitlines() if "healthcheck" not in line)


def test_checks_go_on(open_site, who):
    site = open_site(who).start()
    site.state("one", "unhealthy")
    prober = site.pid("prober")
    with frozen(prober):
        site.write("conf.d/prober_back.yaml", UNCHECKED)
        site.do("apply")
        site.state("one", "running")
        site.write("conf.d/prober_back.yaml", CHECKED)
        site.do("apply")
    wait_gone(prober)
    site.state("one", "unhealthy")
    assert site.pid("prober") != prober
