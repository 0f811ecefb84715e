"""`make run`'s site, started as it is: it comes up with its own Prosody and is online; Ctrl-C leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.site import PATIENCE_S, ROOT
from support.xmpp_servers import has_prosody


@pytest.fixture
def tree():
    """What the demo needs of this repository, in a place of its own."""
    if not has_prosody():
        assert os.environ.get("CI") != "true", "CI has prosody"
        pytest.skip("no prosody here: apt-get install prosody")
    top = Path(tempfile.mkdtemp(prefix="amsdm", dir="/tmp"))
    for name in ("conf.d", "examples"):
        shutil.copytree(ROOT / name, top / name)
    shutil.copy(ROOT / "amonsup.yaml", top)
    (top / ".venv").symlink_to(sys.prefix)
    yield top
    shutil.rmtree(top)


def test_the_site_of_make_run_is_online(tree):
    process = subprocess.Popen(
        [sys.executable, "examples/run-site"], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said = ""
        while "Ctrl-C here" not in said:
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        server = json.loads((tree / ".run/site/server.json").read_text())
        assert f"/connect admin@example.localhost server 127.0.0.1 port {server['port']} tls force" in said
        assert (tree / ".run/site/admin.password").read_text().strip() in said
        environ = {**os.environ, "EXAMPLE_PORT": str(server["port"])}
        words = [".venv/bin/amonsup", "--json", "check", "--online"]
        done = subprocess.run(
            words, cwd=tree, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        rows = json.loads(done.stdout)["online"]
        assert [row["step"] for row in rows if row["ok"]] == ["dns", "tcp", "tls", "login", "clock", "room"], rows
        assert done.returncode == 0
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "everything is stopped" in rest
