"""A site in a network namespace of its own: it gets online by calling out, and in no state does anything listen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.cable import Cable
from support.namespace import NEEDS
from support.site import until

pytestmark = [
    pytest.mark.one_server,
    pytest.mark.root,
    NEEDS,
]
AGENT = "gsi@localhost/amonsup"
LISTEN = "0A"  # proc_net_tcp(5): the state


def sockets(pid):
    """Of the whole namespace that a process is in: TCP that listens, and anything of UDP."""
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            if table.startswith("udp") or row.split()[3] == LISTEN:
                found.append(f"{table} {row.split()[1]}")
    return found


def test_out_is_enough_and_nothing_listens(namespace, server, open_site, people):
    cable = Cable(server.port, namespace.outside)
    try:
        site = open_site(
            "services:\n  ce: {command: sleep 1000}\n",
            host=namespace.outside,
            port=cable.port,
            wrapper=namespace.wrapper,
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
