"""Logs from afar: the same lines as on the spot, by chat and by form, over rotated files, short enough for a phone."""

from __future__ import annotations

import os

import pytest
from support.person import COMMANDS, body, condition, note
from support.site import until

pytestmark = pytest.mark.one_server
AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
SERVICES = """services:
  ce:
    command: sh -c 'seq -f "line %g" 1 700; echo ERROR last; exec sleep 1000'
    min_uptime: 0s
    logging: {max_size: 4KiB, compress: false}
  db: {command: "sh -c 'echo of db; exec sleep 1000'", min_uptime: 0s}
"""


def test_logs_are_read_from_afar_as_on_the_spot(open_site, people):
    site = open_site(SERVICES)
    site.running("ce", "db", "control")
    until(lambda: site.cli("logs", "ce", "-n", "1").stdout == "ERROR last\n", "it has said all")
    assert (site.log_dir / "ce.log.1").exists(), "it was rotated"
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)

    def said(line, text):
        mark = admin.mark
        admin.say(AGENT, line)
        return body(admin.message(text, after=mark)).splitlines()

    assert said("logs ce -n 25", "last") == [*(f"line {number}" for number in range(677, 701)), "ERROR last"]
    assert said("logs ce --grep 'line 1?7$'", "17") == ["line 7", "line 17"]
    assert said("logs ce -g ERROR -B 2 --since 10m", "last") == ["line 699", "line 700", "ERROR last"]
    shown = said("logs ce", "last")
    assert shown[0] == "… earlier lines are left out"
    assert shown[1:3] == ["line 662", "line 663"]
    assert sorted(said("logs ce db 1", "of db")) == ["ce: ERROR last", "db: of db"]
    assert "grep" in said("logs ce -g (", "bad-request")[0]
    assert "--save" in said("logs ce --save /tmp/x", "no option")[0]
    asked = admin.command(AGENT, "logs").find(f"{{{COMMANDS}}}command")
    values = {"services": ["ce"], "lines": ["2"], "grep": ["line"]}
    form = admin.command(AGENT, "logs", values, asked.get("sessionid"))
    assert condition(form) == ""
    assert note(form) == "line 699\nline 700"
    control = site.running("control")["control"]
    mark = admin.mark
    for _ in range(5):
        admin.say(AGENT, "logs ce -n 1")
    until(lambda: len([xml for xml in admin.received[mark:] if body(xml) == "ERROR last"]) == 5, "an answer to each")
    if os.geteuid() == 0:
        names = [os.readlink(f"/proc/{control}/fd/{fd}") for fd in os.listdir(f"/proc/{control}/fd")]
        assert len([name for name in names if name.startswith("socket:")]) <= 6, names


OWN = """services:
  ce:
    command: sh -c 'seq -f "old %g" 1 50 >{directory}/own.log.1; seq -f "own %g" 1 60 >{directory}/own.log; \
echo other >{directory}/other.log; echo captured; exec sleep 1000'
    min_uptime: 0s
    logging: {{files: ["{directory}/own.log", "{directory}/other.log"]}}
  db: {{command: "sleep 1000", min_uptime: 0s}}
"""


def test_a_file_of_its_own_is_read_from_afar_by_its_name(open_site, people):
    site = open_site("services: {}\n", starts=False)
    directory = site.path / "own"
    directory.mkdir()
    (site.conf_d / "services.yaml").write_text(OWN.format(directory=directory))
    site.start()
    site.running("ce", "db", "control")
    until(lambda: site.cli("logs", "ce", "--file", "own.log", "-n", "1").stdout == "own 60\n", "it is known")
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)

    def said(line, text):
        mark = admin.mark
        admin.say(AGENT, line)
        return body(admin.message(text, after=mark)).splitlines()

    assert said("logs ce --file own.log -n 2", "own") == ["own 59", "own 60"]
    assert said("logs ce --file own.log -g ' [15]0$'", "own") == ["old 10", "old 50", "own 10", "own 50"]
    shown = said("logs ce --file own.log", "own 60")
    assert (shown[0], len(shown)) == ("… earlier lines are left out", 41)
    assert "captured" not in shown
    assert said("logs ce", "captured") == ["captured"]
    asked = admin.command(AGENT, "logs").find(f"{{{COMMANDS}}}command")
    values = {"services": ["ce"], "file": ["other.log"]}
    assert note(admin.command(AGENT, "logs", values, asked.get("sessionid"))) == "other"
    for path in (f"{directory}/own.log", "/etc/passwd", "../own/own.log"):
        assert said(f"logs ce --file {path}", "bad-request") == [
            "bad-request: logs: file: from afar a name is allowed, without a directory"
        ]
    assert "nobody.log" in said("logs ce --file nobody.log", "nobody.log")[0]
    assert "no logging.files" in said("logs db --file own.log", "bad-request")[0]
    assert "one service" in said("logs ce db --file own.log", "bad-request")[0]
