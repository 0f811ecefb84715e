"""An init script, a unit and a supervisord.conf are imported by the command, applied, and really run."""

from __future__ import annotations

import signal
from pathlib import Path

from support.site import is_alive, kill_hard, until

NAMES = ("program", "script", "unit")


def words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]


def test_what_was_imported_runs(open_site, user):
    site = open_site(user).start()
    done = site.cli("import", str(site.file("old")), "--output", str(site.conf_d))
    assert done.returncode == 0, done
    assert "3 found" in done.stdout
    site.do("apply")
    lives = site.running(*NAMES)
    until(lambda: words(lives["program"])[0] == "sleep", "the shell has become what it was told to")
    assert {name: words(pid) for name, pid in lives.items()} == {
        "program": ["sleep", "1002"],
        "script": ["/bin/sleep", "1000"],
        "unit": ["/bin/sleep", "1001"],
    }
    assert "SEEN=yes" in Path(f"/proc/{lives['script']}/environ").read_text().split("\0")
    assert "Max open files            512" in Path(f"/proc/{lives['unit']}/limits").read_text()
    assert site.log("program") == ["from program"]
    # Each ends as it did there, and comes back only if it did there.
    kill_hard(*lives.values())
    again = until(lambda: site.row("unit")["pid"] not in (None, lives["unit"]) and site.row("unit")["pid"], "back")
    assert words(again) == ["/bin/sleep", "1001"]
    site.wait("exited", "script")
    assert site.row("script")["state"] == "exited"
    site.do("start", services=["script"])
    site.do("stop", services=["script", "unit"])
    assert not is_alive(again)
    for name in ("script", "unit"):
        assert site.row(name)["exit"]["signal"] == signal.SIGINT.name, name
