"""An account that vanishes after the configuration was checked, and comes back.

The daemon runs in a mount namespace of its own with its own /etc/passwd; the machine's is not touched.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.site import kill_hard

GUEST = "amonsup-guest:x:61999:61999::/:/bin/sh\n"


def write_in_place(path, text):
    """A bind mount follows the inode, not the name. The time stamp moves, however coarse the clock."""
    path.write_text(text)
    moved = os.stat(path).st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(moved, moved))


def test_it_is_said_and_tried_again(open_site, root):
    if os.system("unshare -m true 2>/dev/null") != 0:
        pytest.skip("no mount namespace can be made here")
    passwd = Path("/etc/passwd").read_text()
    site = open_site(
        root, wrapper=["unshare", "-m", "sh", "-c", 'mount --bind "$SITE/passwd" /etc/passwd && exec "$@"', "sh"]
    )
    site.write("passwd", passwd + GUEST)
    site.file("passwd").chmod(0o644)
    site.start()
    pids = site.running("guest", "other")
    assert os.stat(f"/proc/{pids['guest']}").st_uid == 61999

    write_in_place(site.file("passwd"), passwd)
    kill_hard(pids["guest"])
    failed = site.wait("spawn-failed", "guest")
    assert failed["text"] == "there is no user 'amonsup-guest'"
    assert site.row("guest")["state"] == "backoff"
    assert site.pid("other") == pids["other"]
    # A start must not be carried out as somebody else, root above all.
    assert not site.ask("start", services=["guest"])["ok"]

    write_in_place(site.file("passwd"), passwd + GUEST.replace("61999", "61998"))
    site.state("guest", "running")
    assert os.stat(f"/proc/{site.pid('guest')}").st_uid == 61998
