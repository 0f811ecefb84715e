"""A daemon that Debian has only an init script for (tftpd-hpa) is imported and really serves.

The script is the package's own; its settings are the scenario's: a free port on loopback and a directory of the site.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from support.site import is_alive, kill_hard, until

SCRIPT = Path("/etc/init.d/tftpd-hpa")
READ, DATA = 1, 3


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def fetched(port: int, name: str) -> bytes:
    """A file by TFTP (RFC 1350): one block is enough."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.sendto(READ.to_bytes(2, "big") + name.encode() + b"\0octet\0", ("127.0.0.1", port))
        answer = sock.recv(600)
    assert answer[:4] == DATA.to_bytes(2, "big") + b"\0\1", answer
    return answer[4:]


@pytest.fixture
def old(open_site, root):
    """A site, and below it the machine to import from."""
    if not SCRIPT.exists():
        pytest.skip("needs tftpd-hpa (.ci/need test)")
    site = open_site(root)
    for name in ("old", "old/etc", "old/etc/init.d", "old/etc/default", "served"):
        site.mkdir(name)
    shutil.copy(SCRIPT, site.file("old/etc/init.d"))
    site.port = free_port()
    site.write(
        "old/etc/default/tftpd-hpa",
        f'TFTP_USERNAME="nobody"\nTFTP_DIRECTORY="{site.file("served")}"\n'
        f'TFTP_ADDRESS="127.0.0.1:{site.port}"\nTFTP_OPTIONS="--secure"\n',
    )
    site.write("served/hello", "hello from afar\n")
    return site.start()


def test_imported_it_serves(old):
    where = str(old.file("old"))
    done = old.cli("import", "--root", where, f"{where}/etc/init.d/tftpd-hpa", "--output", str(old.conf_d))
    assert (done.returncode, "1 approximated" in done.stdout) == (0, True), done
    assert old.cli("check").returncode == 0
    old.do("apply")
    pid = old.running("tftpd-hpa")["tftpd-hpa"]
    # The process that counts is the daemon, not the command that has left it behind.
    assert Path(f"/proc/{pid}/comm").read_text() == "in.tftpd\n"
    assert fetched(old.port, "hello") == b"hello from afar\n"
    done = old.cli("reload", "tftpd-hpa")
    assert done.returncode == 0, done
    assert old.row("tftpd-hpa")["pid"] == pid
    # A supervisor that comes after finds it again, and notices its end.
    old.kill("supervisor")
    assert old.running("tftpd-hpa")["tftpd-hpa"] == pid
    kill_hard(pid)
    until(lambda: old.row("tftpd-hpa")["state"] == "exited", "it ended; the script would not have restarted it")
    old.do("start", services=["tftpd-hpa"])
    again = old.running("tftpd-hpa")["tftpd-hpa"]
    assert fetched(old.port, "hello") == b"hello from afar\n"
    old.do("stop", services=["tftpd-hpa"])
    assert not is_alive(again)
    assert old.row("tftpd-hpa")["state"] == "stopped"
