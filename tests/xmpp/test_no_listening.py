"""A site in a network namespace of its own: it gets online by calling out, and in no state does anything listen."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from support.cable import Cable
from support.site import until

pytestmark = [
    pytest.mark.one_server,
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"), reason="needs root, ip and nsenter"
    ),
]
AGENT = "gsi@localhost/amonsup"
OURS, THEIRS = "198.18.77.1", "198.18.77.2"
LISTEN = "0A"  # proc_net_tcp(5): the state


@pytest.fixture
def namespace():
    name = f"amons{uuid.uuid4().hex[:6]}"

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode()[-200:]}")
    try:
        ip("link", "add", f"{name}h", "type", "veth", "peer", "name", f"{name}n", "netns", name)
        ip("addr", "add", f"{OURS}/30", "dev", f"{name}h")
        ip("link", "set", f"{name}h", "up")
        ip("-n", name, "addr", "add", f"{THEIRS}/30", "dev", f"{name}n")
        ip("-n", name, "link", "set", f"{name}n", "up")
        yield name
    finally:
        ip("netns", "del", name)


def sockets(pid):
    """Of the whole namespace that a process is in: TCP that listens, and anything of UDP."""
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            if table.startswith("udp") or row.split()[3] == LISTEN:
                found.append(f"{table} {row.split()[1]}")
    return found


def test_out_is_enough_and_nothing_listens(namespace, server, open_site, people):
    cable = Cable(server.port, OURS)
    try:
        site = open_site(
            "services:\n  ce: {command: sleep 1000}\n",
            host=OURS,
            port=cable.port,
            wrapper=("nsenter", f"--net=/run/netns/{namespace}"),
        )
        pid = site.running("ce", "control")["control"]
        assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
        admin = people("admin")
        admin.subscribe("gsi@localhost")
        admin.presence(AGENT)
        assert sockets(pid) == []  # online
        admin.say(AGENT, "restart ce")
        admin.message("done: restart ce")
        assert sockets(pid) == []
        cable.close()
        until(lambda: "connection lost" in site.warnings() or "refused" in site.warnings(), "it is offline")
        assert sockets(pid) == []  # offline
        site.kill("control")
        assert sockets(site.running("control")["control"]) == []  # connecting
    finally:
        cable.close()
